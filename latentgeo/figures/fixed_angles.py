"""Principal angles of subspaces of fixed dimension, beside their null."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from latentgeo.figures import reading
from latentgeo.figures._display import Display, given_axes
from latentgeo.figures._style import (
    NULL_COLOUR,
    Curve,
    LineStyle,
    legend_height,
    shared_legend,
    style,
    wrapped_axes,
    wrapped_text,
)
from latentgeo.lazy import xr
from latentgeo.results import at_noise

_ACROSS = 3
_LEGEND = ("same images", "one half noisy, the other clean", "both halves clean")


@dataclass(frozen=True)
class FixedAngles:
    """Angles of one model in one view at one noise level, over dimensions; degrees.

    Parameters
    ----------
    label : str
        What the panel is called.
    style : LineStyle
        How it is drawn.
    same : numpy.ndarray of shape (3, dimensions)
        Of the same images clean and noisy: value and the ends of its interval.
    noisy, clean : numpy.ndarray of shape (splits, dimensions)
        Of one half, noisy and clean, against the other half clean.
    held : numpy.ndarray of shape (splits, dimensions)
        Share of held-out variance.
    """

    label: str
    style: LineStyle
    same: NDArray[np.float64]
    noisy: NDArray[np.float64]
    clean: NDArray[np.float64]
    held: NDArray[np.float64]


class FixedAnglesDisplay(Display):
    """Principal angles against the dimension of the subspaces, and what these hold.

    Parameters
    ----------
    angles : sequence of FixedAngles
        One per model and view.
    dimensions : sequence of int
        Dimensions of the subspaces.

    Attributes
    ----------
    axes_ : numpy.ndarray of matplotlib.axes.Axes, shape (angles + 1,)
        The last one shows the held-out variance of all.
    figure_ : matplotlib.figure.Figure
    """

    def __init__(self, angles: Sequence[FixedAngles], *, dimensions: Sequence[int]) -> None:
        self.angles = angles
        self.dimensions = dimensions

    @classmethod
    def from_analysis(
        cls, tree: xr.DataTree, *, noise: float = 0.1, views: Sequence[str] = reading.VIEWS
    ) -> Self:
        """Take the angles from an analysis.

        Parameters
        ----------
        tree : xarray.DataTree
            The analysis.
        noise : float, default=0.1
            The noise level; the nearest there is above 0.
        views : sequence of str, default=("mean", "sample")
            Which latents.

        Returns
        -------
        FixedAnglesDisplay

        Raises
        ------
        NothingToDrawError
            When the analysis holds no such angles, or clean images only.
        """
        rows = reading.series(tree, views, "fixed_angle")
        level = reading.noisy_level(tree, noise)
        dimensions = rows[0].data["subspace_dimension"].values.tolist()
        return cls([_angles(row, level) for row in rows], dimensions=dimensions)

    def plot(self, axes: Any = None) -> Self:
        """Draw one panel per model and view, and one of the held-out variance.

        Parameters
        ----------
        axes : array-like of matplotlib.axes.Axes of shape (angles + 1,), optional
            Where to draw; a figure of its own by default, wrapped after three panels.

        Returns
        -------
        FixedAnglesDisplay
            Itself, with ``axes_`` and ``figure_``.
        """
        count = len(self.angles) + 1
        with style():
            if axes is None:
                extra = legend_height(_LEGEND)
                self._keep(wrapped_axes(count, _ACROSS, row_height=2.1, extra=extra))
            else:
                self._keep(given_axes(axes, (count,)))
            for ax, one in zip(self.axes_, self.angles, strict=False):
                self._plot_angles(ax, one)
            self._plot_held(self.axes_[-1])
            if axes is None:
                handles, _ = self.axes_[0].get_legend_handles_labels()
                shared_legend(self.figure_, handles, _LEGEND)
        return self

    def _plot_angles(self, ax: Axes, one: FixedAngles) -> None:
        places = np.arange(len(self.dimensions), dtype=np.float64)
        dashed = LineStyle(one.style.colour, "", "--")
        null = LineStyle(NULL_COLOUR, "", "-")
        value, low, high = one.same
        Curve(_LEGEND[0], places, value, low, high, one.style).draw(ax)
        for label, halves, how in zip(
            _LEGEND[1:], (one.noisy, one.clean), (dashed, null), strict=True
        ):
            ends = halves.min(axis=0), halves.max(axis=0)
            Curve(label, places, halves.mean(axis=0), *ends, how).draw(ax, band=how is null)
        ax.set_title(wrapped_text(one.label, 28))
        ax.set_ylim(0, 92)
        ax.set_ylabel("mean principal angle (°)")
        self._set_dimensions(ax)

    def _plot_held(self, ax: Axes) -> None:
        places = np.arange(len(self.dimensions), dtype=np.float64)
        for one in self.angles:
            ends = one.held.min(axis=0), one.held.max(axis=0)
            Curve(one.label, places, one.held.mean(axis=0), *ends, one.style).draw(ax)
        ax.set_title("held-out variance captured")
        ax.set_ylim(0, 1.02)
        ax.set_ylabel("share")
        self._set_dimensions(ax)

    def _set_dimensions(self, ax: Axes) -> None:
        ax.set_xticks(range(len(self.dimensions)), [str(d) for d in self.dimensions])
        ax.set_xlabel("dimension of the subspaces")


def _angles(row: reading.Series, level: float) -> FixedAngles:
    """Take the angles of one series."""
    noisy, clean = (at_noise(row.data, at) for at in (level, 0.0))
    names = [str(d) for d in row.data["subspace_dimension"].values]
    return FixedAngles(
        row.label,
        row.style,
        np.vstack([noisy["fixed_angle"].values, noisy["fixed_angle_ci"].values.T]),
        noisy["fixed_angle_apart"].values,
        clean["fixed_angle_apart"].values,
        row.data["held_out_variance"].sel(subspace=names).values,
    )
