"""Principal angles between the clean and the noisy subspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from latentgeo.figures import reading
from latentgeo.figures._display import Display, given_axes
from latentgeo.figures._style import (
    NULL_COLOUR,
    WIDTH,
    Curve,
    LineStyle,
    even_columns,
    new_axes,
    shared_legend,
    steps,
    style,
    wrapped_text,
)
from latentgeo.lazy import xr
from latentgeo.results.levels import perturbation_label

_ACROSS = 4
# The edges keep a band in sight that is narrower than a pixel.
_NULL_LOOKS: dict[str, dict[str, Any]] = {
    "disjoint clean sets": {
        "facecolor": NULL_COLOUR,
        "edgecolor": NULL_COLOUR,
        "alpha": 0.4,
        "linewidth": 1.5,
    },
    "two draws": {"facecolor": "none", "edgecolor": NULL_COLOUR, "hatch": "////", "linewidth": 1},
}
_HALVES = LineStyle("#000000", "s", "--")


@dataclass(frozen=True)
class AngleSeries:
    """The principal angles of one model in one view, all in degrees.

    Parameters
    ----------
    label : str
        Name of the panel.
    spectrum : numpy.ndarray of shape (levels, angles), float64
        All angles, ascending, NaN-padded.
    mean : Curve
        Mean angle over all images, with its interval.
    halves : Curve
        Mean angle between a clean half of the images and the same half noisy; the band holds
        the splits.
    nulls : mapping of str to (low, high)
        Range over splits of the mean angle between sets that noise does not tell apart.
    """

    label: str
    spectrum: NDArray[np.float64]
    mean: Curve
    halves: Curve
    nulls: dict[str, tuple[float, float]] = field(default_factory=dict)


class PrincipalAngleDisplay(Display):
    """Angles between the subspaces of clean and noisy latents, and what chance would give.

    Parameters
    ----------
    series : sequence of AngleSeries
        One per model and view.
    noise : numpy.ndarray of shape (levels,), float64
        The noise levels.
    noise_label : str
        Name of the noise axis.

    Attributes
    ----------
    axes_ : numpy.ndarray of matplotlib.axes.Axes, shape (2, series)
        Above the angle spectra, below the mean angles.
    figure_ : matplotlib.figure.Figure

    References
    ----------
    .. [1] Shrivastava, Rameshan and Agnihotri, "Latent Space Characterization of Autoencoder
       Variants", arXiv:2412.04755, 2024, figure 5.
    """

    def __init__(
        self,
        series: Sequence[AngleSeries],
        *,
        noise: NDArray[np.float64],
        noise_label: str = "noise level",
    ) -> None:
        self.series = series
        self.noise = noise
        self.noise_label = noise_label

    @classmethod
    def from_analysis(cls, tree: xr.DataTree, *, views: Sequence[str] = reading.VIEWS) -> Self:
        """Read the angles from an analysis.

        Parameters
        ----------
        tree : xarray.DataTree
            The analysis.
        views : sequence of str, default=("mean", "sample")
            Which latents.

        Returns
        -------
        PrincipalAngleDisplay

        Raises
        ------
        NothingToDrawError
            When the analysis has clean images only.
        """
        reading.noisy_level(tree)
        rows = reading.series(tree, views, "principal_angle")
        return cls(
            [_angle_series(row) for row in rows],
            noise=reading.noise_levels(tree),
            noise_label=perturbation_label(tree),
        )

    def plot(self, axes: Any = None) -> Self:
        """Draw spectra above, means below.

        Parameters
        ----------
        axes : array-like of matplotlib.axes.Axes of shape (2, series), optional
            Where to draw; a figure of its own by default, wrapped after four models.

        Returns
        -------
        PrincipalAngleDisplay
            Itself, with ``axes_`` and ``figure_``.
        """
        count = len(self.series)
        with style():
            self._keep(_blocks(count) if axes is None else given_axes(axes, (2, count)))
            across = even_columns(count, _ACROSS)
            for index, one in enumerate(self.series):
                upper, lower = self.axes_[:, index]
                self._plot_spectrum(upper, one)
                self._plot_means(lower, one)
                if index % across == 0:
                    upper.set_ylabel("angle (degrees)")
                    lower.set_ylabel("mean angle (degrees)")
            self._add_scale(across)
            if axes is None:
                handles = self._handles()
                names = [str(handle.get_label()) for handle in handles]
                shared_legend(self.figure_, handles, names)
        return self

    def _plot_spectrum(self, ax: Axes, one: AngleSeries) -> None:
        """Draw all angles, one line per noise level above 0."""
        colours, _ = steps(self.noise)
        for level, angles in enumerate(one.spectrum):
            if self.noise[level] > 0:
                ax.plot(np.arange(1, len(angles) + 1), angles, color=colours(level), linewidth=1.1)
        ax.set_ylim(0, 92)
        ax.set_yticks([0, 30, 60, 90])
        ax.set_title(wrapped_text(one.label, 20))
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.set_xlabel("index of the angle")

    def _plot_means(self, ax: Axes, one: AngleSeries) -> None:
        """Draw the mean angle and the bands that chance alone fills."""
        for name, (low, high) in one.nulls.items():
            ax.axhspan(low, high, **_NULL_LOOKS.get(name, _NULL_LOOKS["two draws"]))
        one.halves.draw(ax)
        one.mean.draw(ax)
        ax.set_ylim(0, self._ceiling())
        reading.set_noise_axis(ax, self.noise, self.noise_label)
        ax.set_xlabel(self.noise_label)
        ax.tick_params(axis="x", labelrotation=90 if len(self.noise) > 4 else 0)

    def _ceiling(self) -> float:
        """Return all lower panels one scale."""
        every = np.concatenate(
            [np.concatenate([one.mean.high, one.halves.high, _ends(one)]) for one in self.series]
        )
        return min(92.0, 1.1 * float(every.max(initial=1 / 1.1, where=np.isfinite(every))))

    def _add_scale(self, across: int) -> None:
        """Return which colour is which noise level."""
        colours, norm = steps(self.noise)
        upper = list(self.axes_[0, :across])
        bar = self.figure_.colorbar(
            ScalarMappable(norm, colours), ax=upper, ticks=range(len(self.noise)), aspect=25
        )
        bar.ax.minorticks_off()
        bar.ax.set_yticklabels([f"{level:g}" for level in self.noise])
        bar.set_label(self.noise_label)
        bar.ax.set_ylim(0.5, len(self.noise) - 0.5)

    def _handles(self) -> list[Artist]:
        """Return what the legend names: the curves once, then the nulls that occur."""
        first = self.axes_[1, 0].get_lines()
        named = {name for one in self.series for name in one.nulls}
        patches = [
            Patch(label=_null_label(name), **looks)
            for name, looks in _NULL_LOOKS.items()
            if name in named
        ]
        return [first[1], first[0], *patches]


def _blocks(count: int) -> NDArray[np.object_]:
    """Make upper and lower panels, four models to a block of two rows."""
    across = even_columns(count, _ACROSS)
    blocks = -(-count // across)
    width = WIDTH * max(across, 2) / _ACROSS if across < 3 else WIDTH
    grid = new_axes(2 * blocks, across, row_height=1.65, extra=0.5, width=width)
    for unused in (*grid[-2, count - across * (blocks - 1) :], *grid[-1, _rest(count, across) :]):
        unused.remove()
    uppers, lowers = grid[0::2].ravel()[:count], grid[1::2].ravel()[:count]
    return np.stack([uppers, lowers])


def _rest(count: int, across: int) -> int:
    """Count the panels in the last block."""
    return count - across * (-(-count // across) - 1)


def _angle_series(row: reading.Series) -> AngleSeries:
    """Collect what the panels of one model show."""
    data = row.data
    mean = data["principal_angle_statistic"].sel(statistic="mean")
    interval = data["principal_angle_ci"].sel(statistic="mean")
    positions = np.arange(data.sizes["noise"], dtype=np.float64)
    return AngleSeries(
        row.label,
        data["principal_angle"].transpose("noise", "angle").values,
        Curve(
            "all images (band: 95 % interval)",
            positions,
            mean.values,
            interval.sel(bound="low").values,
            interval.sel(bound="high").values,
            LineStyle(row.style.colour, "o", "-"),
        ),
        _over_splits(data["principal_angle_split_mean"], positions),
        _nulls(data["principal_angle_null_mean"]),
    )


def _over_splits(values: xr.DataArray, positions: NDArray[np.float64]) -> Curve:
    """Return the mean over the splits and their range."""
    return Curve(
        "half of the images (band: range over splits)",
        positions,
        values.mean("split").values,
        values.min("split").values,
        values.max("split").values,
        _HALVES,
    )


def _nulls(values: xr.DataArray) -> dict[str, tuple[float, float]]:
    """Return the range over splits of each null that this view has."""
    found = {}
    for name in values["null"].values:
        means = values.sel(null=name).values
        if np.isfinite(means).any():
            found[str(name)] = (float(np.nanmin(means)), float(np.nanmax(means)))
    return found


def _ends(one: AngleSeries) -> list[float]:
    """Return the upper ends of the baseline bands."""
    return [high for _, high in one.nulls.values()]


def _null_label(name: str) -> str:
    """Name a null in the legend."""
    return {
        "disjoint clean sets": "baseline: two disjoint clean halves",
        "two draws": "baseline: two posterior draws of one clean half",
    }.get(name, f"baseline: {name}")
