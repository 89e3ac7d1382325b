"""How alike the latents of several models are, as heat maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from latentgeo.figures import reading
from latentgeo.figures._display import Display, given_axes
from latentgeo.figures._style import ON_IMAGES, even_columns, style, wrapped_axes, wrapped_text
from latentgeo.lazy import xr
from latentgeo.measures.similarity import NAMES
from latentgeo.results import models_of
from latentgeo.results.words import number

_ACROSS = 3
_LEAST = 3
_MOST_NUMBERS = 10
_DARK = 0.6


class SimilarityDisplay(Display):
    """Similarity of every two models, one heat map per measure.

    Parameters
    ----------
    values : mapping of str to numpy.ndarray of shape (models, models), float64
        Similarity keyed by measure, symmetric; NaN on the diagonal and where there is none.
    p_values : mapping of str to numpy.ndarray of shape (models, models), float64
        Of the permutation test.
    labels : sequence of str
        The models.

    Attributes
    ----------
    axes_ : numpy.ndarray of matplotlib.axes.Axes, shape (measures,)
    figure_ : matplotlib.figure.Figure
    """

    def __init__(
        self,
        values: Mapping[str, NDArray[np.float64]],
        p_values: Mapping[str, NDArray[np.float64]],
        *,
        labels: Sequence[str],
    ) -> None:
        self.values = values
        self.p_values = p_values
        self.labels = labels

    @classmethod
    def from_analysis(cls, tree: xr.DataTree, *, noise: float = 0.0) -> Self:
        """Take the similarities of an analysis.

        Parameters
        ----------
        tree : xarray.DataTree
            The analysis.
        noise : float, default=0.0
            The noise level; the nearest at which models were compared.

        Returns
        -------
        SimilarityDisplay

        Raises
        ------
        NothingToDrawError
            When no models were compared.
        """
        marked = {model.label: model.marked for model in models_of(tree)}
        found = {
            label: _among_marked(data, marked).sel(similarity_noise=noise, method="nearest")
            for label, data in reading.having(tree, "similarity").items()
        }
        measures = next(iter(found.values()))["similarity_measure"].values.tolist()
        values, p_values = (
            {measure: _matrix(found, name, measure) for measure in measures}
            for name in ("similarity", "similarity_p_value")
        )
        return cls(values, p_values, labels=list(found))

    def plot(self, axes: Any = None) -> Self:
        """Draw one heat map per measure.

        Parameters
        ----------
        axes : array-like of matplotlib.axes.Axes of shape (measures,), optional
            Where to draw; a figure of its own by default, wrapped after three maps.

        Returns
        -------
        SimilarityDisplay
            Itself, with ``axes_`` and ``figure_``.
        """
        count = len(self.values)
        with style():
            if axes is None:
                height = 1.1 + 0.24 * max(_LEAST, len(self.labels))
                self._keep(wrapped_axes(count, _ACROSS, row_height=height))
            else:
                self._keep(given_axes(axes, (count,)))
            across = even_columns(count, _ACROSS)
            for place, (ax, name) in enumerate(zip(self.axes_, self.values, strict=True)):
                _plot_matrix(ax, self.values[name], self.p_values[name])
                ax.set_title(NAMES.get(name, name))
                ticks = range(len(self.labels))
                shown = [wrapped_text(label) for label in self.labels]
                first_column = axes is not None or place % across == 0
                last_row = axes is not None or place >= count - across
                ax.set_xticks(ticks, shown if last_row else [""] * len(shown), rotation=90)
                ax.set_yticks(ticks, shown if first_column else [""] * len(shown))
        return self


def _among_marked(data: xr.Dataset, marked: Mapping[str, str]) -> xr.Dataset:
    """Name the other models as figures do."""
    others = [marked[other] for other in data["other_model"].values.tolist()]
    return data.assign_coords(other_model=others)


def _matrix(found: Mapping[str, xr.Dataset], name: str, measure: str) -> NDArray[np.float64]:
    """Put the values of all pairs into a matrix."""
    labels = list(found)
    matrix = np.full((len(labels), len(labels)), np.nan)
    for row, data in enumerate(found.values()):
        own = data[name].sel(similarity_measure=measure)
        for other in own["other_model"].values.tolist():
            matrix[row, labels.index(other)] = float(own.sel(other_model=other))
    return matrix


def _plot_matrix(ax: Axes, values: NDArray[np.float64], p_values: NDArray[np.float64]) -> None:
    """Draw similarities as colours and, where there is room, as figures."""
    ax.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    by_chance = np.where(p_values > 0.05, 0.5, np.nan)
    ax.imshow(by_chance, cmap="Greys", vmin=0, vmax=2, aspect="auto")
    if len(values) <= _MOST_NUMBERS:
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                dark = value > _DARK and not np.isfinite(by_chance[row, column])
                colour = ON_IMAGES[bool(dark)]
                text = number(float(value), 2)
                ax.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
