"""Two rows of panels: clean above noisy, one column per mode."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from matplotlib.axes import Axes

from latentgeo.figures import reading
from latentgeo.figures._display import Display, given_axes
from latentgeo.figures._style import (
    NULL_COLOUR,
    Curve,
    legend_height,
    new_axes,
    shared_legend,
    style,
)
from latentgeo.geometry import mode_names, unfolded_shapes
from latentgeo.lazy import xr
from latentgeo.results.levels import level_text

# Where each of the two rank rules cuts, as a share of the largest singular value.
RULE_LINES = {"spectrum": (0, (4, 2)), "float32-covariance": (0, (1, 1.5))}
MOST_BANDS = 5  # more bands than this hide each other


class ModesDisplay(Display, ABC):
    """One curve per model, in a panel per condition and mode.

    A figure of this kind names the variable that it shows, turns it into a curve, and sets the
    panels' scales.

    Parameters
    ----------
    curves : mapping of (condition, mode) to sequence of Curve
        What is drawn; conditions are rows, modes are columns.
    cuts : mapping of (rule, mode) to sequence of float
        Where each rank rule cuts, relative to the largest singular value.
    modes : mapping of str to str
        The modes, each with its name in a title.
    left_out : sequence of str, default=()
        Models that are missing because their latents are vectors.

    Attributes
    ----------
    axes_ : numpy.ndarray of matplotlib.axes.Axes, shape (conditions, modes)
    figure_ : matplotlib.figure.Figure
    """

    _variable: ClassVar[str]

    def __init__(
        self,
        curves: Mapping[tuple[str, str], Sequence[Curve]],
        *,
        cuts: Mapping[tuple[str, str], Sequence[float]],
        modes: Mapping[str, str],
        left_out: Sequence[str] = (),
    ) -> None:
        self.curves = curves
        self.cuts = cuts
        self.modes = modes
        self.left_out = left_out

    @classmethod
    def from_analysis(
        cls, tree: xr.DataTree, *, noise: float = 0.1, views: Sequence[str] = reading.VIEWS
    ) -> Self:
        """Read the curves from an analysis.

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
        ModesDisplay
            A figure of this kind.

        Raises
        ------
        NothingToDrawError
            When no model has latent tensors.
        """
        rows = reading.series(tree, views, cls._variable)
        modes = reading.modes_of(rows)
        curves = {
            (condition, mode): [
                cls._curve(row, level, mode) for row in rows if mode in row.data["mode"]
            ]
            for condition, level in conditions(tree, noise).items()
            for mode in modes
        }
        left_out = reading.left_out(tree, cls._variable)
        return cls(curves, cuts=cuts(rows), modes=modes, left_out=left_out)

    def plot(self, axes: Any = None) -> Self:
        """Draw the panels.

        Parameters
        ----------
        axes : array-like of matplotlib.axes.Axes of shape (conditions, modes), optional
            Where to draw; a figure of its own by default.

        Returns
        -------
        ModesDisplay
            Itself, with ``axes_`` and ``figure_``.
        """
        conditions = list(dict.fromkeys(condition for condition, _ in self.curves))
        shape = (len(conditions), len(self.modes))
        with style():
            if axes is None:
                names = [curve.label for curve in next(iter(self.curves.values()))]
                rules = [_cut_label(rule) for rule in RULE_LINES]
                extra = legend_height([*names, *rules]) + 0.15 + 0.15 * bool(self.left_out)
                self._keep(new_axes(*shape, row_height=1.95, extra=extra))
            else:
                self._keep(given_axes(axes, shape))
            for row, condition in enumerate(conditions):
                for column, (mode, name) in enumerate(self.modes.items()):
                    ax = self.axes_[row, column]
                    self._plot_panel(ax, condition, mode)
                    ax.set_title(f"{name}, {condition}")
            self._name_axes()
            if axes is None:
                self._add_legend()
        return self

    def _plot_panel(self, ax: Axes, condition: str, mode: str) -> None:
        """Draw the curves of one panel."""
        for rule, line in RULE_LINES.items():
            for cut in self.cuts[rule, mode]:
                self._draw_cut(ax, cut, line, _cut_label(rule))
        curves = self.curves[condition, mode]
        banded = len(curves) <= MOST_BANDS
        for curve in curves:
            curve.draw(ax, markers=False, band=banded)
        self._finish_panel(ax)

    @staticmethod
    @abstractmethod
    def _curve(row: reading.Series, level: float, mode: str) -> Curve:
        """Read one curve from the results of one model at one level."""

    @abstractmethod
    def _draw_cut(self, ax: Axes, cut: float, line: Any, label: str) -> None:
        """Draw where a rank rule cuts."""

    @abstractmethod
    def _finish_panel(self, ax: Axes) -> None:
        """Set scales and limits."""

    @abstractmethod
    def _axis_names(self) -> tuple[str, str]:
        """Return the names of the two axes."""

    def _name_axes(self) -> None:
        """Name the axes at the rim only."""
        horizontal, vertical = self._axis_names()
        for ax in self.axes_[-1]:
            ax.set_xlabel(horizontal)
        for ax in self.axes_[:, 0]:
            ax.set_ylabel(vertical)

    def _add_legend(self) -> None:
        """Name every curve and cut once."""
        handles, labels = self.axes_[0, 0].get_legend_handles_labels()
        named = dict(zip(labels, handles, strict=True))
        first = {label: named[label] for label in named if not label.startswith("threshold of")}
        ordered = first | named
        note = reading.left_out_note(self.left_out)
        shared_legend(self.figure_, list(ordered.values()), list(ordered), note=note)


def _cut_label(rule: str) -> str:
    """Name the line of a rule."""
    return f"threshold of the {rule} rule"


def conditions(tree: xr.DataTree, noise: float) -> dict[str, float]:
    """Return the clean level and the noisy one nearest to what is wanted, by their names."""
    found = {"clean": 0.0}
    if (reading.noise_levels(tree) > 0).any():
        level = reading.noisy_level(tree, noise)
        found[level_text(tree, level)] = level
    return found


def cuts(rows: Sequence[reading.Series]) -> dict[tuple[str, str], list[float]]:
    """Return where each rank rule cuts, relative to the largest singular value.

    The spectrum rule cuts at max(rows, columns) of the unfolding times the epsilon of the dtype
    that the latents were computed in. A float32 covariance cuts its own singular values, the
    squares, at its size times epsilon, so a singular value at the root of that.
    """
    found: dict[tuple[str, str], set[float]] = defaultdict(set)
    for row in rows:
        source = str(row.data.attrs.get("source_dtype", "float32"))
        shapes = unfolded_shapes(row.data.attrs["latent_shape"])
        for mode, (down, across) in zip(mode_names(len(shapes)), shapes, strict=True):
            epsilon = float(torch.finfo(getattr(torch, source)).eps)
            found["spectrum", mode].add(max(down, across) * epsilon)
            found["float32-covariance", mode].add(float(np.sqrt(down * np.finfo("float32").eps)))
    return {key: sorted(values) for key, values in found.items()}


def line_colour() -> str:
    """Return the colour of everything that is not a model."""
    return NULL_COLOUR
