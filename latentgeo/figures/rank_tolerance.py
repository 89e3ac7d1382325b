"""Rank against tolerance."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from latentgeo.figures import _modes, reading
from latentgeo.figures._style import Curve


class RankToleranceDisplay(_modes.ModesDisplay):
    """Mean rank over images against the relative tolerance, per mode, clean and noisy.

    Parameters
    ----------
    curves : mapping of (condition, mode) to sequence of Curve
        Mean rank against tolerance, with the 5 and 95 % quantiles over images.
    cuts : mapping of (rule, mode) to sequence of float
        The tolerance of each rank rule.
    left_out : sequence of str, default=()
        Models that are missing because their latents are vectors.

    Attributes
    ----------
    axes_ : numpy.ndarray of matplotlib.axes.Axes, shape (conditions, 3)
    figure_ : matplotlib.figure.Figure
    """

    @classmethod
    def from_analysis(
        cls, tree: xr.DataTree, *, noise: float = 0.1, views: Sequence[str] = reading.VIEWS
    ) -> Self:
        """Take the curves from an analysis.

        Parameters
        ----------
        tree : xarray.DataTree
            The analysis.
        noise : float, default=0.1
            The level that is shown below the clean one; the nearest there is.
        views : sequence of str, default=("mean", "sample")
            Which latents.

        Returns
        -------
        RankToleranceDisplay

        Raises
        ------
        NothingToDrawError
            When no model has latent tensors.
        """
        rows = reading.series(tree, views, "rank_at_tolerance")
        curves = {
            (condition, mode): [_curve(row, level, mode) for row in rows]
            for condition, level in _modes.conditions(tree, noise).items()
            for mode in reading.MODES
        }
        missing = reading.left_out(tree, "rank_at_tolerance")
        return cls(curves, cuts=_modes.cuts(rows), left_out=missing)

    def _draw_cut(self, ax: Axes, cut: float, line: Any, label: str) -> None:
        """Draw the tolerance of a rule."""
        ax.axvline(cut, color=_modes.line_colour(), linestyle=line, linewidth=0.9, label=label)

    def _finish_panel(self, ax: Axes) -> None:
        """Scale a panel."""
        ax.set_xscale("log")
        ax.set_ylim(bottom=0)
        ax.xaxis.set_major_locator(LogLocator(numticks=6))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))

    def _axis_names(self) -> tuple[str, str]:
        """Name both axes."""
        return "relative tolerance", "mean rank"


def _curve(row: reading.Series, level: float, mode: str) -> Curve:
    """Give mean rank and quantiles at every tolerance."""
    value = reading.at_noise(row.data["rank_at_tolerance"].sel(mode=mode), level)
    interval = reading.at_noise(row.data["rank_at_tolerance_ci"].sel(mode=mode), level)
    return Curve(
        row.label,
        np.asarray(row.data["tolerance"].values, dtype=np.float64),
        value.values.astype(np.float64),
        interval.sel(bound="low").values.astype(np.float64),
        interval.sel(bound="high").values.astype(np.float64),
        row.style,
    )
