"""Draw the pictures of the concept pages: `python docs/pictures.py` into docs/images/concepts/."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from latentgeo.figures import save_figure
from latentgeo.geometry import default_tolerance, gram_dimension, mode_unfoldings, principal_angles

FOLDER = Path(__file__).parent / "images" / "concepts"
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"


def main() -> None:
    """Draw all of them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    drawn = {
        "unfolding": unfolding(),
        "rank_rules": rank_rules(),
        "strata": strata(),
        "settling": settling(),
        "angles": angles(),
    }
    for name, figure in drawn.items():
        save_figure(figure, FOLDER / name, ("svg",))


def _figure(columns: int, width: float, height: float, **more: Any) -> tuple[Figure, Any]:
    return plt.subplots(1, columns, figsize=(width, height), layout="constrained", **more)


def unfolding() -> Figure:
    """Draw a small tensor's slices, and its three unfoldings."""
    z = np.arange(3 * 2 * 4, dtype=float).reshape(3, 2, 4)
    figure, axes = _figure(4, 8, 1.9, gridspec_kw={"width_ratios": [1.1, 2, 1, 1.3]})
    for channel, colour in reversed(list(enumerate((BLUE, ORANGE, GREEN)))):
        shift = 0.45 * channel
        for row, column in np.ndindex(2, 4):
            value = z[channel, row, column] if channel == 0 else None
            _cell(axes[0], column + shift, shift - row, colour, value)
    titles = (
        "latent Z: 3 × 2 × 4",
        "$X_1$, rows: 2 × 12",
        "$X_2$, columns: 4 × 6",
        "$X_3$, channels: 3 × 8",
    )
    for axis, x in zip(axes[1:], mode_unfoldings(z), strict=True):
        for (row, column), value in np.ndenumerate(x):
            colour = (BLUE, ORANGE, GREEN)[int(value) // 8]
            _cell(axis, column, -row, colour, value)
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=10)
        axis.autoscale()
        axis.set_aspect("equal")
        axis.set_axis_off()
    return figure


def _cell(axis: Axes, x: float, y: float, colour: str, value: float | None) -> None:
    axis.add_patch(plt.Rectangle((x, y), 1, 1, facecolor=colour, edgecolor="white", linewidth=1))
    if value is not None:
        place = {"ha": "center", "va": "center", "color": "white", "fontsize": 8}
        axis.text(x + 0.5, y + 0.5, f"{value:.0f}", **place)


def rank_rules() -> Figure:
    """Draw two spectra, and where two rules cut."""
    order = np.arange(1, 49)
    cliff = np.where(order <= 30, 10 ** (-order / 30), 10.0**-8 * 10 ** (-order / 60))
    slope = 10 ** (-order / 7.5)
    figure, axis = _figure(1, 6, 2.9)
    axis.semilogy(
        order, cliff, "o-", color=BLUE, markersize=3, label="a cliff: rank 30 by both rules"
    )
    axis.semilogy(order, slope, "s-", color=ORANGE, markersize=3, label="a slope: the rule decides")
    eps = float(np.finfo(np.float32).eps)
    cuts = {
        "spectrum": default_tolerance((48, 49), "float32"),
        "float32-covariance": (48 * eps) ** 0.5,
    }
    for name, cut in cuts.items():
        axis.axhline(cut, color=GREY, linestyle=":")
        rank = int((slope > cut).sum())
        axis.text(0, cut / 5, f"{name}: the slope has rank {rank}", color=GREY)
    axis.set_xlabel("singular value")
    axis.set_ylabel("relative to the largest")
    axis.legend(frameon=False, loc="lower left")
    return figure


def strata() -> Figure:
    """Draw the cone of 2 × 2 positive semi-definite matrices, and its strata as ellipses."""
    figure = plt.figure(figsize=(6.5, 2.9), layout="constrained")
    cone = figure.add_subplot(1, 2, 1, projection="3d")
    height, angle = np.meshgrid(np.linspace(0, 1, 3), np.linspace(0, 2 * np.pi, 40))
    cone.plot_surface(
        height * np.cos(angle), height * np.sin(angle), height, color=BLUE, alpha=0.25, linewidth=0
    )
    for point, colour in (((0.1, 0.1, 0.8), BLUE), ((0.6, 0.0, 0.6), ORANGE), ((0, 0, 0), GREEN)):
        cone.scatter(*point, color=colour, s=40, depthshade=False)
    cone.set_axis_off()
    cone.view_init(12, -50)
    ellipses = figure.add_subplot(1, 2, 2)
    turn = np.linspace(0, 2 * np.pi, 100)
    names = (
        "inside: rank 2, dimension 3",
        "boundary: rank 1, dimension 2",
        "apex: rank 0, dimension 0",
    )
    for row, (minor, colour, name) in enumerate(
        zip((0.6, 0, 0), (BLUE, ORANGE, GREEN), names, strict=True)
    ):
        major = 1.0 if row < 2 else 0.0
        ellipses.plot(
            major * np.cos(turn), minor * np.sin(turn) - 1.8 * row, color=colour, linewidth=2
        )
        ellipses.text(1.4, -1.8 * row, name, va="center", color=colour)
    ellipses.plot(0, -3.6, "o", color=GREEN)
    ellipses.set_xlim(-1.2, 6)
    ellipses.set_aspect("equal")
    ellipses.set_axis_off()
    return figure


def settling() -> Figure:
    """Draw the dimension of a flat set and of isotropic noise against the number of images."""
    random = np.random.default_rng(0)
    sizes = np.array([25, 50, 75, 100, 150, 200, 300])
    flat = random.normal(size=(300, 15)) @ random.normal(size=(15, 400))
    noise = random.normal(size=(300, 400))
    figure, axis = _figure(1, 6, 2.7)
    for points, colour, name in (
        (flat, BLUE, "15 directions: settled"),
        (noise, ORANGE, "noise in 400: still rising"),
    ):
        found = [_dimension(points[:n]) for n in sizes]
        axis.plot(sizes, found, "o-", color=colour, label=name)
    axis.plot(sizes, sizes - 1, ":", color=GREY, label="most possible, n − 1")
    axis.set_xlabel("images n")
    axis.set_ylabel("dimension, 95 % of the variance")
    axis.legend(frameon=False)
    return figure


def _dimension(points: NDArray[np.float64]) -> int:
    return int(gram_dimension(points @ points.T, [0.95])[0])


def angles() -> Figure:
    """Draw two planes of space that share a line."""
    opened = np.deg2rad(40)
    one = np.eye(3)[:, :2]
    other = np.array([[1.0, 0.0], [0.0, np.cos(opened)], [0.0, np.sin(opened)]])
    found = np.rad2deg(principal_angles(one, other))
    figure = plt.figure(figsize=(4.2, 3), layout="constrained")
    axis = figure.add_subplot(projection="3d")
    u, v = np.meshgrid([-1, 1], [-1, 1])
    for basis, colour in ((one, BLUE), (other, ORANGE)):
        x, y, z = (basis[i, 0] * u + basis[i, 1] * v for i in range(3))
        axis.plot_surface(x, y, z, color=colour, alpha=0.4)
    axis.plot([-1.2, 1.2], [0, 0], [0, 0], color=GREY, linewidth=2)
    axis.set_title(f"$θ_1$ = {found[0]:.0f}°, $θ_2$ = {found[1]:.0f}°", fontsize=11)
    axis.set_axis_off()
    axis.view_init(18, -25)
    return figure


if __name__ == "__main__":
    main()
