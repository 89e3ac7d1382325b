"""Rank against tolerance."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from latentgeo.figures import _modes, reading
from latentgeo.figures._style import Curve
from latentgeo.results.levels import at_noise


class RankToleranceDisplay(_modes.ModesDisplay):
    """Mean rank over images against the relative tolerance, per mode, clean and noisy.

    Parameters
    ----------
    curves : mapping of (condition, mode) to sequence of Curve
        Mean rank against tolerance, with the 5 and 95 % quantiles over images.
    cuts : mapping of (rule, mode) to sequence of float
        The tolerance of each rank rule.
    modes : mapping of str to str
        The modes, each with its name in a title.
    left_out : sequence of str, default=()
        Models that are missing because their latents are vectors.

    Attributes
    ----------
    axes_ : numpy.ndarray of matplotlib.axes.Axes, shape (conditions, modes)
    figure_ : matplotlib.figure.Figure
    """

    _variable = "rank_at_tolerance"

    @staticmethod
    def _curve(row: reading.Series, level: float, mode: str) -> Curve:
        """Return mean rank and quantiles at every tolerance."""
        value = at_noise(row.data["rank_at_tolerance"].sel(mode=mode), level)
        interval = at_noise(row.data["rank_at_tolerance_ci"].sel(mode=mode), level)
        return Curve(
            row.label,
            np.asarray(row.data["tolerance"].values, dtype=np.float64),
            value.values.astype(np.float64),
            interval.sel(bound="low").values.astype(np.float64),
            interval.sel(bound="high").values.astype(np.float64),
            row.style,
        )

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
