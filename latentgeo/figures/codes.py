"""Codes of two numbers, beside draws of their prior."""

from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from latentgeo.errors import InputError
from latentgeo.figures._display import Display, given_axes
from latentgeo.figures._style import (
    CLASS_COLOURS,
    NULL_COLOUR,
    new_axes,
    shared_legend,
    style,
)

_REACH = 99.5  # per cent of the points of each panel that are sure to be seen


class CodesDisplay(Display):
    """Codes of images in the plane, by class, and draws of the prior at the same scale.

    Parameters
    ----------
    codes : numpy.ndarray of shape (n, 2)
        Codes of images.
    prior : numpy.ndarray of shape (m, 2)
        Draws of what the codes are to follow.
    labels : numpy.ndarray of shape (n,), int, optional
        Class of each image.
    prior_labels : numpy.ndarray of shape (m,), int, optional
        Class of each draw, where the prior has a part for each.
    heads : numpy.ndarray of shape (k, 2), optional
        Heads of clusters, marked by their numbers.

    Attributes
    ----------
    axes_ : numpy.ndarray of matplotlib.axes.Axes, shape (2,)
    figure_ : matplotlib.figure.Figure

    Raises
    ------
    InputError
        When the codes or the draws are not of two numbers.
    """

    def __init__(
        self,
        codes: NDArray[np.floating],
        prior: NDArray[np.floating],
        *,
        labels: NDArray[np.integer] | None = None,
        prior_labels: NDArray[np.integer] | None = None,
        heads: NDArray[np.floating] | None = None,
    ) -> None:
        for name, points in (("codes", codes), ("prior", prior)):
            if points.ndim != 2 or points.shape[1] != 2:
                raise InputError(
                    f"{name} have shape {points.shape}, expected (n, 2); only codes of two "
                    "numbers can be drawn in the plane"
                )
        self.codes = codes
        self.prior = prior
        self.labels = labels
        self.prior_labels = prior_labels
        self.heads = heads

    def plot(self, axes: Any = None) -> Self:
        """Draw codes left and prior right.

        Parameters
        ----------
        axes : array-like of matplotlib.axes.Axes of shape (2,), optional
            Where to draw; a figure of its own by default.

        Returns
        -------
        CodesDisplay
            Itself, with ``axes_`` and ``figure_``.
        """
        with style():
            own = axes is None
            self._keep(
                new_axes(1, 2, row_height=3.6, extra=0.6)[0] if own else given_axes(axes, (2,))
            )
            codes, prior = self.axes_
            _scatter(codes, self.codes, self.labels)
            _scatter(prior, self.prior, self.prior_labels)
            codes.set_title("codes of images", loc="left")
            prior.set_title("draws of the prior", loc="left")
            for number, head in enumerate(self.heads if self.heads is not None else ()):
                codes.annotate(str(number), head, ha="center", va="center", fontweight="bold")
            reach = max(_reach(self.codes), _reach(self.prior))
            for ax in self.axes_:
                ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
            if own and self.labels is not None:
                handles = _handles(self.labels)
                shared_legend(self.figure_, handles, [str(each.get_label()) for each in handles])
        return self


def _scatter(ax: Axes, points: NDArray[np.floating], labels: NDArray[np.integer] | None) -> None:
    """Draw points; as pixels in a PDF, where thousands of paths would be slow to open."""
    colours: Any = NULL_COLOUR if labels is None else [_colour(label) for label in labels]
    ax.scatter(points[:, 0], points[:, 1], s=3.0, c=colours, linewidths=0, rasterized=True)


def _reach(points: NDArray[np.floating]) -> float:
    return 1.05 * float(np.percentile(np.abs(points).max(axis=1), _REACH))


def _colour(label: int) -> str:
    return CLASS_COLOURS[int(label) % len(CLASS_COLOURS)]


def _handles(labels: NDArray[np.integer]) -> list[Line2D]:
    return [
        Line2D([], [], linestyle="", marker="o", color=_colour(label), label=str(label))
        for label in np.unique(labels)
    ]
