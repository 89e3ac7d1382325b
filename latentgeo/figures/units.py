"""What each unit of a latent carries: divergence from the prior, and variance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from latentgeo.figures import reading
from latentgeo.figures._display import Display, given_axes
from latentgeo.figures._style import (
    NULL_COLOUR,
    LineStyle,
    new_axes,
    plain_text,
    shared_legend,
    style,
)
from latentgeo.lazy import xr
from latentgeo.measures.units import ACTIVE_VARIANCE
from latentgeo.results.levels import at_noise

_NAMED = 24  # units up to which each bar bears its number
_STUB = 1.6  # times the foot of the axis: what is seen of a variance of zero on a log axis
_COLLAPSED: dict[str, Any] = {
    "facecolor": "#DDDDDD",
    "edgecolor": NULL_COLOUR,
    "hatch": "////",
    "linewidth": 0.4,
}


@dataclass(frozen=True)
class UnitBars:
    """The units of one model on clean images, the one that carries most first.

    Parameters
    ----------
    number : numpy.ndarray of shape (units,), int
        Which unit it is, counted from 0.
    divergence, low, high : numpy.ndarray of shape (units,), float64, or None
        Divergence from the prior in nats and the ends of its interval; None for a deterministic
        model.
    variance : numpy.ndarray of shape (units,), float64
        Of the mean over images.
    active, collapsed : numpy.ndarray of shape (units,), bool
        Active; collapsed onto the prior, or dead. A unit may be neither.
    title : str
        How many are what.
    """

    number: NDArray[np.int64]
    divergence: NDArray[np.float64] | None
    low: NDArray[np.float64] | None
    high: NDArray[np.float64] | None
    variance: NDArray[np.float64]
    active: NDArray[np.bool_]
    collapsed: NDArray[np.bool_]
    title: str


class UnitsDisplay(Display):
    """Divergence and variance of every unit, one row per model.

    Parameters
    ----------
    bars : mapping of str to UnitBars
        Keyed by model.
    styles : mapping of str to LineStyle
        The colour of each model.

    Attributes
    ----------
    axes_ : numpy.ndarray of matplotlib.axes.Axes, shape (models, 2)
        Left the divergence, right the variance; in a figure of its own twice the variance for a
        deterministic model, which has the whole row.
    figure_ : matplotlib.figure.Figure
    """

    def __init__(self, bars: Mapping[str, UnitBars], *, styles: Mapping[str, LineStyle]) -> None:
        self.bars = bars
        self.styles = styles

    @classmethod
    def from_analysis(cls, tree: xr.DataTree) -> Self:
        """Read the units from an analysis.

        Parameters
        ----------
        tree : xarray.DataTree
            The analysis.

        Returns
        -------
        UnitsDisplay

        Raises
        ------
        NothingToDrawError
            When no model has units: vectors, or channels with a stochastic posterior.
        """
        found = reading.having(tree, "unit_variance")
        return cls(
            {label: _bars(at_noise(data, 0.0)) for label, data in found.items()},
            styles={label: reading.style_of(tree, label) for label in found},
        )

    def plot(self, axes: Any = None) -> Self:
        """Draw bars, models down.

        Parameters
        ----------
        axes : array-like of matplotlib.axes.Axes of shape (models, 2), optional
            Where to draw; a figure of its own by default.

        Returns
        -------
        UnitsDisplay
            Itself, with ``axes_`` and ``figure_``.
        """
        shape = (len(self.bars), 2)
        with style():
            if axes is None:
                self._keep(new_axes(*shape, row_height=1.35, extra=0.45))
                self._widen()
            else:
                self._keep(given_axes(axes, shape))
            for row, (label, one) in zip(self.axes_, self.bars.items(), strict=True):
                colour = self.styles[label].colour
                if row[0] is not row[1]:
                    _plot_divergence(row[0], one, colour)
                _plot_variance(row[1], one, colour)
                row[1].set_title(f"{plain_text(label)}: {one.title}", fontsize=7.5)
            self._name_axes()
            if axes is None:
                handles = self._handles()
                shared_legend(self.figure_, handles, [str(h.get_label()) for h in handles])
        return self

    def _widen(self) -> None:
        """Give the variance the whole row where there is no prior to diverge from."""
        for place, (row, one) in enumerate(zip(self.axes_, self.bars.values(), strict=True)):
            if one.divergence is None:
                whole = row[0].get_gridspec()[place, :]
                row[0].remove()
                row[1].set_subplotspec(whole)
                row[0] = row[1]

    def _name_axes(self) -> None:
        """Name the variances at their axis, the rest at the rim."""
        for (left, right), label in zip(self.axes_, self.bars, strict=True):
            right.set_ylabel("variance")
            if left is not right and left.patches:
                left.set_title(
                    f"{plain_text(label)}: divergence from the prior (nats)", fontsize=7.5
                )
        for column in self.axes_.T:
            drawn = [ax for ax in column if ax.patches]
            if drawn:
                drawn[-1].set_xlabel("units, most informative first")

    def _handles(self) -> list[Artist]:
        """Name what is not a model's colour."""
        return [
            Patch(label="inactive unit", facecolor=NULL_COLOUR, alpha=0.35),
            Patch(label="collapsed or dead unit", **_COLLAPSED),
            Line2D(
                [],
                [],
                color=NULL_COLOUR,
                linestyle=(0, (4, 2)),
                label="threshold of active units (stochastic)",
            ),
        ]


def _bars(clean: xr.Dataset) -> UnitBars:
    """Order the units of one model."""
    variance = clean["unit_variance"].values
    collapsed = clean["unit_collapsed"].values.astype(bool)
    divergence = clean["unit_kl"].values if "unit_kl" in clean else None
    order = np.argsort(-(variance if divergence is None else divergence), kind="stable")
    low, high = (
        clean["unit_kl_ci"].sel(bound=bound).values[order] if divergence is not None else None
        for bound in ("low", "high")
    )
    name = "dead" if divergence is None else "collapsed"
    active = clean["unit_active"].values.astype(bool) & ~collapsed
    neither = int((~active & ~collapsed).sum())
    return UnitBars(
        clean["unit"].values[order],
        None if divergence is None else divergence[order],
        low,
        high,
        variance[order],
        active[order],
        collapsed[order],
        f"{int(active.sum())} of {len(order)} active, {f'{neither} inactive, ' * bool(neither)}"
        f"{int(collapsed.sum())} {name}",
    )


def _plot_divergence(ax: Axes, one: UnitBars, colour: str) -> None:
    """Draw the divergence of each unit with its interval."""
    if one.divergence is None or one.low is None or one.high is None:
        ax.text(
            0.5, 0.5, "deterministic: no prior", transform=ax.transAxes, ha="center", fontsize=7
        )
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set_visible(False)
        return
    places = _draw_bars(ax, one.divergence, one, colour)
    ax.vlines(places, one.low, one.high, color="black", linewidth=0.7)
    ax.set_ylim(bottom=0)


def _plot_variance(ax: Axes, one: UnitBars, colour: str) -> None:
    """Draw the variance of each unit, and from where it counts as active."""
    shown = [
        *one.variance[one.variance > 0],
        *([] if one.divergence is None else [ACTIVE_VARIANCE]),
    ]
    foot, top = (min(shown) / 5, max(shown) * 3) if shown else (0.1, 10.0)
    _draw_bars(ax, np.maximum(one.variance, _STUB * foot), one, colour)
    ax.set_yscale("log")
    ax.set_ylim(foot, top)
    ax.yaxis.set_minor_locator(NullLocator())
    if one.divergence is not None:
        ax.axhline(ACTIVE_VARIANCE, color=NULL_COLOUR, linestyle=(0, (4, 2)), linewidth=0.9)


def _draw_bars(
    ax: Axes, heights: NDArray[np.float64], one: UnitBars, colour: str
) -> NDArray[np.int64]:
    """Draw a bar for each unit, the inactive ones pale, the collapsed ones grey."""
    places = np.arange(len(heights))
    few = len(places) <= _NAMED
    width = 0.8 if few else 1.0
    inactive = ~one.active & ~one.collapsed
    ax.bar(places[one.active], heights[one.active], width=width, color=colour)
    ax.bar(places[inactive], heights[inactive], width=width, color=colour, alpha=0.35)
    ax.bar(places[one.collapsed], heights[one.collapsed], width=width, **_COLLAPSED)
    ax.set_xlim(-0.6, len(places) - 0.4)
    if few:
        ax.set_xticks(places, [str(number) for number in one.number])
        ax.tick_params(axis="x", length=0)
    return places
