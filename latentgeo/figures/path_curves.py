"""Measures along interpolation paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from latentgeo.figures import reading
from latentgeo.figures._display import Display, given_axes
from latentgeo.figures._style import (
    NULL_COLOUR,
    Curve,
    legend_height,
    shared_legend,
    style,
    wrapped_axes,
)
from latentgeo.figures.reading import NothingToDrawError
from latentgeo.geometry import mode_names
from latentgeo.lazy import xr
from latentgeo.results import models_of

_COLUMNS = 3
_REAL = "real images (sharpness)"
#: Measures of the panels, in their order, with their titles.
PANELS = {
    "sharpness": "sharpness (variance of Laplacian)",
    "nearest": "distance to nearest real image",
    "cycle": "cycle consistency",
    "line_distance": "cosine distance to nearest line",
    **{f"rank_{mode.lower()}": f"rank $S_{mode[1:]}$" for mode in mode_names(4)},
    "effective_rank": "effective rank, mean of modes",
}


@dataclass(frozen=True)
class PathPanel:
    """One measure along paths.

    Parameters
    ----------
    label : str
        What is measured.
    curves : sequence of Curve
        One per model: mean over pairs with its interval, over the interpolation step t.
    real : float, optional
        What real images have.
    """

    label: str
    curves: Sequence[Curve]
    real: float | None = field(default=None)


class PathCurvesDisplay(Display):
    """Sharpness, distances, cycle consistency and ranks along paths, one panel per measure.

    Parameters
    ----------
    panels : sequence of PathPanel
        What is drawn.
    left_out : sequence of str, default=()
        Models whose latents have no ranks.

    Attributes
    ----------
    axes_ : numpy.ndarray of matplotlib.axes.Axes, shape (panels,)
    figure_ : matplotlib.figure.Figure
    """

    def __init__(self, panels: Sequence[PathPanel], *, left_out: Sequence[str] = ()) -> None:
        self.panels = panels
        self.left_out = left_out

    @classmethod
    def from_paths(cls, tree: xr.DataTree) -> Self:
        """Read the curves from results along paths.

        Parameters
        ----------
        tree : xarray.DataTree
            From `latentgeo.interpolation.interpolate_images` or `score_lines`.

        Returns
        -------
        PathCurvesDisplay

        Raises
        ------
        NothingToDrawError
            When no model has any of the measures.
        """
        panels = [_panel(tree, name) for name in PANELS if _has(tree, name)]
        if not panels:
            raise NothingToDrawError("these results hold no measure along paths; interpolate again")
        ranked = reading.paths_having(tree, "rank_s1") if _has(tree, "rank_s1") else {}
        without = [one.marked for one in models_of(tree) if one.marked not in ranked]
        return cls(panels, left_out=without if ranked else [])

    def plot(self, axes: Any = None) -> Self:
        """Draw all panels.

        Parameters
        ----------
        axes : array-like of matplotlib.axes.Axes of shape (panels,), optional
            Where to draw; a figure of its own by default.

        Returns
        -------
        PathCurvesDisplay
            Itself, with ``axes_`` and ``figure_``.
        """
        with style():
            own = axes is None
            if own:
                self._keep(self._new_axes())
            else:
                self._keep(given_axes(axes, (len(self.panels),)))
            handles: dict[str, Artist] = {}
            for ax, panel in zip(self.axes_, self.panels, strict=True):
                handles |= _plot(ax, panel)
            if own:
                note = reading.left_out_note(self.left_out, inches=self.figure_.get_figwidth())
                shared_legend(self.figure_, list(handles.values()), list(handles), note=note)
            else:
                self.axes_[0].legend()
        return self

    def _new_axes(self) -> Any:
        names = {curve.label for panel in self.panels for curve in panel.curves}
        extra = legend_height([*names, _REAL]) + (0.3 if self.left_out else 0)
        return wrapped_axes(len(self.panels), _COLUMNS, row_height=1.7, extra=extra)


def _has(tree: xr.DataTree, name: str) -> bool:
    return any(f"{name}_mean" in child for child in tree.children.values())


def _panel(tree: xr.DataTree, name: str) -> PathPanel:
    found = reading.paths_having(tree, f"{name}_mean")
    curves = [
        Curve(
            label,
            data["step"].values.astype(np.float64),
            data[f"{name}_mean"].values,
            data[f"{name}_ci"].sel(bound="low").values,
            data[f"{name}_ci"].sel(bound="high").values,
            reading.style_of(tree, label),
        )
        for label, data in found.items()
    ]
    return PathPanel(PANELS[name], curves, _real(found) if name == "sharpness" else None)


def _real(found: Mapping[str, xr.Dataset]) -> float | None:
    """Return the sharpness of the real images where all models see them alike."""
    seen = {float(data["real_sharpness"]) for data in found.values() if "real_sharpness" in data}
    return seen.pop() if len(seen) == 1 else None


def _plot(ax: Axes, panel: PathPanel) -> dict[str, Artist]:
    handles = [curve.draw(ax, markers=len(curve.x) <= 16) for curve in panel.curves]
    if panel.real is not None:
        line = ax.axhline(panel.real, color=NULL_COLOUR, linestyle=(0, (1, 2)), label=_REAL)
        handles.append(line)
    ax.set_xlabel("interpolation step t")
    ax.set_title(panel.label)
    ax.set_ylim(*_limits(panel))
    if panel.label.startswith("rank"):
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    return {str(handle.get_label()): handle for handle in handles}


def _limits(panel: PathPanel) -> tuple[float, float]:
    """Begin at zero, except where a rank hardly moves: there show the ranks near it."""
    ends = np.concatenate([[*curve.low, *curve.high, *curve.y] for curve in panel.curves])
    ends = ends[np.isfinite(ends)]
    high = max([*ends, panel.real or 0.0]) if len(ends) else 1.0
    if panel.label.startswith("rank") and len(ends):
        return float(ends.min()) - 1, high + 1
    return 0.0, 1.08 * high or 1.0
