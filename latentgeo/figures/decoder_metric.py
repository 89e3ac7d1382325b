"""The metric that the decoder pulls back to the latents: condition number and volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from latentgeo.figures import reading
from latentgeo.figures._display import Display, given_axes
from latentgeo.figures._style import (
    NULL_COLOUR,
    LineStyle,
    new_axes,
    shared_legend,
    style,
    wrapped_text,
)
from latentgeo.lazy import xr
from latentgeo.results.levels import level_text

_APART = 0.17  # of a row: the distance of a level from the row's middle
_SPREAD = 0.05


@dataclass(frozen=True)
class MetricSummary:
    """One quantity of one model, at each level that was measured.

    Parameters
    ----------
    each : numpy.ndarray of shape (levels, images), float64
        Image by image; may be infinite.
    median : numpy.ndarray of shape (levels,), float64
        Over images.
    interval : numpy.ndarray of shape (levels, 2), float64
        Ends of the median's interval; NaN where there is none.
    """

    each: NDArray[np.float64]
    median: NDArray[np.float64]
    interval: NDArray[np.float64]


class DecoderMetricDisplay(Display):
    """Condition number and volume element of the decoder's metric, one row per model.

    Parameters
    ----------
    condition, volume : mapping of str to MetricSummary
        Condition number of the metric, and logarithm of its volume element per direction,
        keyed by model.
    styles : mapping of str to LineStyle
        The colour of each model.
    conditions : sequence of str
        What the levels are called, the clean one first.

    Attributes
    ----------
    axes_ : numpy.ndarray of matplotlib.axes.Axes, shape (2,)
    figure_ : matplotlib.figure.Figure
    """

    def __init__(
        self,
        condition: Mapping[str, MetricSummary],
        volume: Mapping[str, MetricSummary],
        *,
        styles: Mapping[str, LineStyle],
        conditions: Sequence[str],
    ) -> None:
        self.condition = condition
        self.volume = volume
        self.styles = styles
        self.conditions = conditions

    @classmethod
    def from_analysis(cls, tree: xr.DataTree) -> Self:
        """Read the metric from an analysis.

        Parameters
        ----------
        tree : xarray.DataTree
            The analysis.

        Returns
        -------
        DecoderMetricDisplay

        Raises
        ------
        NothingToDrawError
            When no model has a decoder whose metric was measured.
        """
        found = reading.having(tree, "pullback_condition")
        levels = next(iter(found.values()))["pullback_noise"].values
        return cls(
            {label: _summary(data, "pullback_condition", 1) for label, data in found.items()},
            {
                label: _summary(data, "pullback_log_volume", data.sizes["direction"])
                for label, data in found.items()
            },
            styles={label: reading.style_of(tree, label) for label in found},
            conditions=[level_text(tree, float(level)) for level in levels],
        )

    def plot(self, axes: Any = None) -> Self:
        """Draw condition numbers left, volumes right.

        Parameters
        ----------
        axes : array-like of two matplotlib.axes.Axes, optional
            Where to draw; a figure of its own by default.

        Returns
        -------
        DecoderMetricDisplay
            Itself, with ``axes_`` and ``figure_``.
        """
        with style():
            if axes is None:
                height = 0.75 + 0.36 * len(self.condition)
                self._keep(new_axes(1, 2, row_height=height, extra=0.3)[0])
            else:
                self._keep(given_axes(axes, (2,)))
            left, right = self.axes_
            self._plot_panel(left, self.condition)
            left.set_xscale("log")
            if not any(np.isfinite(one.each).any() for one in self.condition.values()):
                left.set_xlim(1, 10)  # a log axis finds no limits in nothing
            left.set_xlabel("condition number (1: isometry up to scale)")
            left.set_yticks(
                range(len(self.condition)), [wrapped_text(n, 22) for n in self.condition]
            )
            self._plot_panel(right, self.volume)
            right.set_xlabel("log-volume per direction (nats)")
            right.tick_params(labelleft=False)
            self._mark_infinite(left)
            if axes is None:
                handles = self._handles()
                shared_legend(self.figure_, handles, [str(h.get_label()) for h in handles])
        return self

    def _plot_panel(self, ax: Axes, summaries: Mapping[str, MetricSummary]) -> None:
        """Draw images as dots, medians and intervals over them, models down."""
        for row, (label, one) in enumerate(summaries.items()):
            colour = self.styles[label].colour
            for level in range(len(one.median)):
                height = row + self._offset(level)
                values = one.each[level]
                dots = np.linspace(-_SPREAD, _SPREAD, len(values))
                ax.scatter(values, height + dots, s=5, color=colour, alpha=0.35, linewidths=0)
                ax.plot(one.interval[level], [height, height], color=colour, linewidth=1.6)
                filled = colour if level == 0 else "white"
                ax.plot(
                    one.median[level],
                    height,
                    "o",
                    color=colour,
                    markerfacecolor=filled,
                    markersize=5,
                )
        ax.set_yticks(range(len(summaries)))
        ax.set_ylim(len(summaries) - 0.5, -0.5)
        ax.grid(axis="y", color="#EEEEEE", linewidth=0.7)
        ax.set_axisbelow(True)

    def _offset(self, level: int) -> float:
        """Set the levels of a model one below the other."""
        return 0.0 if len(self.conditions) == 1 else (-_APART if level == 0 else _APART)

    def _mark_infinite(self, ax: Axes) -> None:
        """Return at the rim how many images have a direction that the decoder does not see."""
        for row, one in enumerate(self.condition.values()):
            for level, values in enumerate(one.each):
                if unseen := int(np.isinf(values).sum()):
                    text = f"\N{INFINITY} for {unseen} of {len(values)} "
                    ax.annotate(
                        text,
                        (1, row + self._offset(level)),
                        xycoords=ax.get_yaxis_transform(),
                        ha="right",
                        va="center",
                        fontsize=6.5,
                    )

    def _handles(self) -> list[Artist]:
        """Return levels apart by the filling, which is the same for every model."""
        fillings = (NULL_COLOUR, "white")
        return [
            Line2D([], [], linestyle="-", marker="o", color=NULL_COLOUR, markerfacecolor=f, label=n)
            for n, f in zip(self.conditions, fillings, strict=False)
        ]


def _summary(data: xr.Dataset, name: str, divisor: int) -> MetricSummary:
    """Read a quantity image by image, with its median and interval."""
    each = data[name].transpose("pullback_noise", "pullback_sample").values
    interval = data[f"{name}_ci"].transpose("pullback_noise", "bound").values
    return MetricSummary(
        each / divisor, data[f"{name}_median"].values / divisor, interval / divisor
    )
