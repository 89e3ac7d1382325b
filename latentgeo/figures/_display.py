"""What every Display has in common."""

from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from latentgeo.errors import InputError
from latentgeo.figures._style import style


class Display:
    """A figure as an object: data in the constructor, drawing in ``plot``.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure that was drawn on; there after ``plot``.
    axes_ : numpy.ndarray of matplotlib.axes.Axes
        The axes that were drawn on; there after ``plot``.
    """

    figure_: Figure
    axes_: NDArray[np.object_]

    def _keep(self, axes: NDArray[np.object_]) -> None:
        """Remember where was drawn."""
        self.axes_ = axes
        self.figure_ = axes.ravel()[0].get_figure(root=True)

    def _repr_png_(self) -> bytes | None:
        """Show the figure in a notebook, which knows nothing of figures outside pyplot."""
        if not hasattr(self, "figure_"):
            return None
        stream = BytesIO()
        with style():
            self.figure_.savefig(stream, format="png", dpi=110)
        return stream.getvalue()


def given_axes(axes: Any, shape: tuple[int, ...]) -> NDArray[np.object_]:
    """Bring the user's axes into the shape that a figure needs.

    Parameters
    ----------
    axes : matplotlib.axes.Axes or array-like of them
        What the user gave.
    shape : tuple of int
        The shape that is needed.

    Raises
    ------
    InputError
        When there are too few or too many.
    """
    found = np.array(axes, dtype=object, ndmin=1)
    if found.size != np.prod(shape) or not all(isinstance(ax, Axes) for ax in found.ravel()):
        raise InputError(
            f"axes: got {found.size} of shape {found.shape}, expected {int(np.prod(shape))} "
            f"matplotlib Axes that fit the shape {shape}; leave axes out for a figure of its own"
        )
    return found.reshape(shape)
