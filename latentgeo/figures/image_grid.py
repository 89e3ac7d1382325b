"""Images in rows and columns, such as samples, or styles against classes."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentgeo.errors import InputError
from latentgeo.figures._display import Display, given_axes
from latentgeo.figures._style import WIDTH, new_axes, plain_text, style

_GAP = 2  # pixels between images
_SHARP = 40  # pixels up to which an image keeps its pixels
_LARGEST, _LABELS = 0.45, 1.2  # inches: of an image, and that row names take


class ImageGridDisplay(Display):
    """Images side by side.

    Parameters
    ----------
    images : numpy.ndarray of shape (rows, columns, channels, height, width)
        In [0, 1] (clipped for display); one channel or three.
    row_labels, column_labels : sequence of str, optional
        Names of the rows and columns.
    title : str, default=""
        What it shows.

    Attributes
    ----------
    axes_ : numpy.ndarray of matplotlib.axes.Axes, shape (1,)
    figure_ : matplotlib.figure.Figure

    Raises
    ------
    InputError
        When the images have another shape, or there is not one name for each row or column.
    """

    def __init__(
        self,
        images: NDArray[np.floating],
        *,
        row_labels: Sequence[str] | None = None,
        column_labels: Sequence[str] | None = None,
        title: str = "",
    ) -> None:
        _check(images.shape, row_labels, column_labels)
        self.images = images
        self.row_labels = row_labels
        self.column_labels = column_labels
        self.title = title

    def plot(self, axes: Any = None) -> Self:
        """Draw the grid as one picture.

        Parameters
        ----------
        axes : matplotlib.axes.Axes, optional
            Where to draw; a figure of its own by default.

        Returns
        -------
        ImageGridDisplay
            Itself, with ``axes_`` and ``figure_``.
        """
        rows, columns, _, height, width = self.images.shape
        with style():
            self._keep(self._new_axes() if axes is None else given_axes(axes, (1,)))
            ax = self.axes_[0]
            smooth = "nearest" if max(height, width) <= _SHARP else "antialiased"
            ax.imshow(_picture(self.images), cmap="gray", vmin=0, vmax=1, interpolation=smooth)
            across = (width + _GAP) * np.arange(columns) + width / 2
            down = (height + _GAP) * np.arange(rows) + height / 2
            ax.set_xticks(across, self.column_labels or [""] * columns)
            ax.set_yticks(down, self.row_labels or [""] * rows)
            ax.tick_params(length=0)
            ax.xaxis.tick_top()
            ax.spines[:].set_visible(False)
            ax.set_title(plain_text(self.title), loc="left")
        return self

    def _new_axes(self) -> NDArray[np.object_]:
        rows, columns, _, height, width = self.images.shape
        margin = _LABELS if self.row_labels else 0.2
        side = min(_LARGEST, (WIDTH - margin) / columns)
        tall = rows * side * height / width
        axes = new_axes(1, 1, row_height=tall, extra=0.5, width=columns * side + margin).ravel()
        # The plain one makes room for names before it knows how wide a tall picture will be.
        axes[0].figure.set_layout_engine("compressed")
        return axes


def _picture(images: NDArray[np.floating]) -> NDArray[np.floating]:
    """Set the images side by side, white between; colour last."""
    shown = np.clip(images, 0, 1)
    if shown.shape[2] == 1:
        shown = shown.repeat(3, axis=2)
    padding = ((0, 0), (0, 0), (0, 0), (0, _GAP), (0, _GAP))
    padded = np.pad(shown, padding, constant_values=1.0)
    rows, columns, channels, height, width = padded.shape
    whole = padded.transpose(0, 3, 1, 4, 2).reshape(rows * height, columns * width, channels)
    return whole[:-_GAP, :-_GAP]


def _check(
    shape: tuple[int, ...],
    row_labels: Sequence[str] | None,
    column_labels: Sequence[str] | None,
) -> None:
    if len(shape) != 5 or 0 in shape or shape[2] not in (1, 3):
        raise InputError(
            f"images have shape {tuple(shape)}, expected (rows, columns, channels, height, width) "
            "with one channel or three"
        )
    for name, labels, count in (
        ("row_labels", row_labels, shape[0]),
        ("column_labels", column_labels, shape[1]),
    ):
        if labels is not None and len(labels) != count:
            raise InputError(f"{name} has {len(labels)} names, expected {count}, or leave it out")
