"""Spectra of the three unfoldings."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from latentgeo.figures import _modes, reading
from latentgeo.figures._style import Curve
from latentgeo.results.levels import at_noise


class SpectrumDisplay(_modes.ModesDisplay):
    """Singular values of the unfoldings, relative to the largest; median and band over images.

    Parameters
    ----------
    curves : mapping of (condition, mode) to sequence of Curve
        Relative singular values by index, with the 5 and 95 % quantiles over images.
    cuts : mapping of (rule, mode) to sequence of float
        Where each rank rule cuts.
    modes : mapping of str to str
        The modes, each with its name in a title.
    left_out : sequence of str, default=()
        Models that are missing because their latents are vectors.

    Attributes
    ----------
    axes_ : numpy.ndarray of matplotlib.axes.Axes, shape (conditions, modes)
    figure_ : matplotlib.figure.Figure
    """

    _variable = "singular_value"

    @staticmethod
    def _curve(row: reading.Series, level: float, mode: str) -> Curve:
        """Return median and quantiles of the relative singular values over images."""
        values = at_noise(row.data["singular_value"].sel(mode=mode), level)
        relative = _relative(values.transpose("sample", "component").values)
        low, middle, high = np.quantile(relative, (0.05, 0.5, 0.95), axis=0)
        index = np.arange(1, relative.shape[1] + 1, dtype=np.float64)
        return Curve(row.label, index, middle, low, high, row.style)

    def _draw_cut(self, ax: Axes, cut: float, line: Any, label: str) -> None:
        """Draw the height below which a singular value counts as zero."""
        ax.axhline(cut, color=_modes.line_colour(), linestyle=line, linewidth=0.9, label=label)

    def _finish_panel(self, ax: Axes) -> None:
        """Scale a panel."""
        ax.set_yscale("log")
        ax.set_ylim(*self._limits())
        ax.yaxis.set_major_locator(LogLocator(numticks=6))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))

    def _limits(self) -> tuple[float, float]:
        """Show the cuts and two decades below, whatever rounding noise lies deeper."""
        lowest = min(cut for values in self.cuts.values() for cut in values)
        return lowest * 1e-2, 2.0

    def _axis_names(self) -> tuple[str, str]:
        """Name both axes."""
        return "index of the singular value", "relative to the largest"


def _relative(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide by the largest; cut off the padding; keep zeros drawable on a log axis."""
    present = values[:, ~np.isnan(values).all(axis=0)]
    largest = np.maximum(present[:, :1], np.finfo(np.float64).tiny)
    relative: NDArray[np.float64] = np.maximum(np.nan_to_num(present) / largest, 1e-18)
    return relative
