"""t-SNE of the points on the product manifold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from latentgeo.figures import reading
from latentgeo.figures._display import Display, given_axes
from latentgeo.figures._style import (
    CLASS_COLOURS,
    new_axes,
    shared_legend,
    steps,
    style,
    wrapped_text,
)
from latentgeo.lazy import xr
from latentgeo.results.levels import perturbation_label


@dataclass(frozen=True)
class Embedding:
    """The t-SNE maps of one model.

    Parameters
    ----------
    points : numpy.ndarray of shape (seeds, levels, samples, 2), float64
        One map per seed; the levels share it.
    divergence : numpy.ndarray of shape (seeds,), float64
        What t-SNE minimised (Kullback-Leibler divergence); lower is better.
    labels : numpy.ndarray of shape (samples,), int, or None
        Class of each image.
    """

    points: NDArray[np.float64]
    divergence: NDArray[np.float64]
    labels: NDArray[np.int64] | None


class TsneDisplay(Display):
    """t-SNE maps of each model, by noise level and by class, for several seeds.

    Parameters
    ----------
    embeddings : mapping of str to Embedding
        One per model.
    seeds : sequence of int
        The seeds, in the order of the embeddings.
    noise : numpy.ndarray of shape (levels,), float64
        The noise levels in the maps.
    noise_label : str
        Name of the noise scale.

    Attributes
    ----------
    axes_ : numpy.ndarray of matplotlib.axes.Axes, shape (models, seeds or 2 · seeds)
        Left by noise level, right by class where there are labels.
    figure_ : matplotlib.figure.Figure
    """

    def __init__(
        self,
        embeddings: Mapping[str, Embedding],
        *,
        seeds: Sequence[int],
        noise: NDArray[np.float64],
        noise_label: str = "noise level",
    ) -> None:
        self.embeddings = embeddings
        self.seeds = seeds
        self.noise = noise
        self.noise_label = noise_label

    @classmethod
    def from_analysis(cls, tree: xr.DataTree, *, most: int = 3) -> Self:
        """Read the maps from an analysis.

        Parameters
        ----------
        tree : xarray.DataTree
            The analysis.
        most : int, default=3
            How many seeds are drawn at most, the first ones.

        Returns
        -------
        TsneDisplay

        Raises
        ------
        NothingToDrawError
            When the analysis was made without t-SNE.
        """
        found = {
            label: data for label, data in reading.models(tree).items() if "tsne" in data.variables
        }
        if not found:
            raise reading.NothingToDrawError(
                "this analysis holds no t-SNE; run it again without leaving t-SNE out"
            )
        first = next(iter(found.values()))
        return cls(
            {label: _embedding(data, most) for label, data in found.items()},
            seeds=[int(seed) for seed in first["tsne_seed"].values[:most]],
            noise=np.asarray(first["tsne_noise"].values, dtype=np.float64),
            noise_label=perturbation_label(tree),
        )

    def plot(self, axes: Any = None) -> Self:
        """Draw every map twice: coloured by noise and by class.

        Parameters
        ----------
        axes : array-like of matplotlib.axes.Axes, optional
            Where to draw; a figure of its own by default.

        Returns
        -------
        TsneDisplay
            Itself, with ``axes_`` and ``figure_``.
        """
        labelled = all(one.labels is not None for one in self.embeddings.values())
        shape = (len(self.embeddings), len(self.seeds) * (2 if labelled else 1))
        with style():
            if axes is None:
                self._keep(new_axes(*shape, row_height=7.0 / max(shape[1], 5), extra=0.75))
            else:
                self._keep(given_axes(axes, shape))
            for row, (label, one) in enumerate(self.embeddings.items()):
                self._plot_row(self.axes_[row], one)
                self.axes_[row, 0].set_ylabel(wrapped_text(label), fontsize=8)
            self._name_columns()
            self._add_keys(labelled, legend=axes is None)
        return self

    def _plot_row(self, row: NDArray[np.object_], one: Embedding) -> None:
        """Draw the maps of one model."""
        colours, _ = steps(self.noise)
        for index in range(len(self.seeds)):
            ax = row[index]
            for level in range(len(self.noise)):
                _scatter(ax, one.points[index, level], colours(level))
            ax.set_xlabel(f"KL {one.divergence[index]:.2f}", fontsize=7, labelpad=2)
            if one.labels is not None and len(row) > len(self.seeds):
                _plot_classes(row[len(self.seeds) + index], one.points[index], one.labels)

    def _name_columns(self) -> None:
        """Return above each column how it is coloured and which seed it has."""
        for column, ax in enumerate(self.axes_[0]):
            by = "by noise" if column < len(self.seeds) else "by class"
            ax.set_title(f"{by}, seed {self.seeds[column % len(self.seeds)]}", fontsize=7.5)
        for ax in self.axes_.ravel():
            ax.set_xticks([])
            ax.set_yticks([])
            ax.spines[:].set_visible(True)
            ax.spines[:].set_color("#BBBBBB")

    def _add_keys(self, labelled: bool, *, legend: bool) -> None:
        """Return which colour is which level and which class."""
        colours, norm = steps(self.noise)
        bar = self.figure_.colorbar(
            ScalarMappable(norm, colours),
            ax=list(self.axes_.ravel()),
            location="bottom",
            ticks=range(len(self.noise)),
            aspect=50,
            shrink=0.6,
            pad=0.01,
        )
        bar.ax.minorticks_off()
        bar.ax.set_xticklabels([f"{level:g}" for level in self.noise])
        bar.set_label(self.noise_label)
        if labelled and legend:
            handles = _class_handles([one.labels for one in self.embeddings.values()])
            names = [str(handle.get_label()) for handle in handles]
            shared_legend(self.figure_, handles, names)


def _embedding(data: xr.Dataset, most: int) -> Embedding:
    """Read the maps of one model."""
    points = data["tsne"].transpose("tsne_seed", "tsne_noise", "sample", "axis").values[:most]
    labels = np.asarray(data["label"].values, dtype=np.int64) if "label" in data else None
    mapped = np.isfinite(points).all(axis=(0, 1, 3))  # a map shows some images alone
    shown = labels[mapped] if labels is not None and bool((labels >= 0).any()) else None
    return Embedding(points[:, :, mapped], data["tsne_divergence"].values[:most], shown)


def _scatter(ax: Axes, points: NDArray[np.float64], colour: Any) -> None:
    """Draw points; as pixels in a PDF, where thousands of paths would be slow to open."""
    ax.scatter(points[:, 0], points[:, 1], s=2.0, color=colour, linewidths=0, rasterized=True)


def _plot_classes(ax: Axes, points: NDArray[np.float64], labels: NDArray[np.int64]) -> None:
    """Draw all levels of a map, coloured by class."""
    for label in np.unique(labels):
        chosen = points[:, labels == label].reshape(-1, 2)
        _scatter(ax, chosen, _class_colour(int(label)))


def _class_colour(label: int) -> str:
    """Return a class its colour; beyond ten they repeat, which the caption says."""
    return CLASS_COLOURS[label % len(CLASS_COLOURS)]


def _class_handles(labels: Sequence[NDArray[np.int64] | None]) -> list[Line2D]:
    """Make the entries of the legend, the classes that occur."""
    present = sorted({int(label) for one in labels if one is not None for label in one})
    return [
        Line2D([], [], linestyle="", marker="o", color=_class_colour(label), label=f"{label}")
        for label in present
    ]
