"""Hilbert dimension against the number of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes

from latentgeo.figures import _modes, reading
from latentgeo.figures._display import Display, given_axes
from latentgeo.figures._style import (
    NULL_COLOUR,
    Curve,
    legend_height,
    new_axes,
    shared_legend,
    style,
)
from latentgeo.lazy import xr
from latentgeo.results.levels import at_noise

_CEILING = "upper bound n − 1"


class HilbertDimensionBySizeDisplay(Display):
    """Hilbert dimension against the sample size, to see whether it saturates.

    Parameters
    ----------
    curves : mapping of str to sequence of Curve
        Dimension against size, keyed by condition (clean, noisy); one curve per model and view.
    settled : mapping of str to sequence of bool
        Whether each curve has settled at its end.
    share : float
        Share of the variance that the dimension holds.

    Attributes
    ----------
    axes_ : numpy.ndarray of matplotlib.axes.Axes, shape (conditions,)
    figure_ : matplotlib.figure.Figure
    """

    def __init__(
        self,
        curves: Mapping[str, Sequence[Curve]],
        *,
        settled: Mapping[str, Sequence[bool]],
        share: float,
    ) -> None:
        self.curves = curves
        self.settled = settled
        self.share = share

    @classmethod
    def from_analysis(
        cls,
        tree: xr.DataTree,
        *,
        noise: float = 0.1,
        share: float = 0.95,
        views: Sequence[str] = reading.VIEWS,
    ) -> Self:
        """Read the curves from an analysis.

        Parameters
        ----------
        tree : xarray.DataTree
            The analysis.
        noise : float, default=0.1
            The level that is shown beside the clean one; the nearest there is.
        share : float, default=0.95
            Share of the variance that the dimension holds; the nearest there is.
        views : sequence of str, default=("mean", "sample")
            Which latents.

        Returns
        -------
        HilbertDimensionBySizeDisplay
        """
        rows = reading.series(tree, views, "hilbert_dimension_by_size")
        held = float(rows[0].data["share"].sel(share=share, method="nearest"))
        levels = _modes.conditions(tree, noise)
        return cls(
            {name: [_curve(row, level, held) for row in rows] for name, level in levels.items()},
            settled={
                name: [_has_settled(row, level, held) for row in rows]
                for name, level in levels.items()
            },
            share=held,
        )

    def plot(self, axes: Any = None) -> Self:
        """Draw one panel per condition.

        Parameters
        ----------
        axes : array-like of matplotlib.axes.Axes of shape (conditions,), optional
            Where to draw; a figure of its own by default.

        Returns
        -------
        HilbertDimensionBySizeDisplay
            Itself, with ``axes_`` and ``figure_``.
        """
        count = len(self.curves)
        with style():
            own = axes is None
            first = next(iter(self.curves.values()))
            extra = legend_height([*(curve.label for curve in first), _CEILING])
            self._keep(
                new_axes(1, count, row_height=2.4, extra=extra)[0]
                if own
                else given_axes(axes, (count,))
            )
            top = 1.08 * self._highest()
            for ax, (condition, curves) in zip(self.axes_, self.curves.items(), strict=True):
                self._plot_panel(ax, condition, curves, top)
            self.axes_[0].set_ylabel(f"Hilbert dimension ({100 * self.share:g} % of variance)")
            if own:
                shared_legend(self.figure_, *self.axes_[0].get_legend_handles_labels())
        return self

    def _plot_panel(self, ax: Axes, condition: str, curves: Sequence[Curve], top: float) -> None:
        """Draw one condition."""
        for curve, settled in zip(curves, self.settled[condition], strict=True):
            curve.draw(ax)
            if not settled:
                _open_end(ax, curve)
        ax.axline(
            (1, 0),
            slope=1,
            color=NULL_COLOUR,
            linestyle=(0, (1, 2)),
            label=_CEILING,
        )
        ax.set_title(condition)
        ax.set_xlabel("number of images")
        ax.set_xlim(left=0)
        ax.set_ylim(0, top)

    def _highest(self) -> float:
        """Return both panels one scale; dimensions of 0 have one too."""
        return max(1.0, *(float(np.nanmax(one.y)) for rows in self.curves.values() for one in rows))


def _open_end(ax: Axes, curve: Curve) -> None:
    """Draw the last marker open."""
    ax.plot(
        curve.x[-1:],
        curve.y[-1:],
        marker=curve.style.marker,
        markerfacecolor="white",
        markeredgecolor=curve.style.colour,
        linestyle="none",
    )


def _curve(row: reading.Series, level: float, share: float) -> Curve:
    """Return the dimension at every size, between integers; the interval is of an integer."""
    there = at_noise(row.data.sel(share=share), level)
    value = there["hilbert_dimension_by_size"].values.astype(np.float64)
    none = np.full_like(value, np.nan)
    return Curve(
        row.label, row.data["size"].values.astype(np.float64), value, none, none, row.style
    )


def _has_settled(row: reading.Series, level: float, share: float) -> bool:
    return bool(reading.has_settled(at_noise(row.data.sel(share=share), level)).item())
