"""Inputs and reconstructions under noise."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from latentgeo.figures import reading
from latentgeo.figures._display import Display, given_axes
from latentgeo.figures._style import style, wrapped_axes

_FEW = 4  # levels up to which four examples fit side by side
_GAP = 2  # pixels between images


class ReconstructionDisplay(Display):
    """What goes in and what comes out, per noise level and model.

    Parameters
    ----------
    rows : mapping of str to numpy.ndarray of shape (levels, examples, channels, height, width)
        Images in [0, 1] (clipped for display), keyed by the name of the row.
    noise : numpy.ndarray of shape (levels,), float64
        The noise levels, one column each.
    noise_label : str
        Name of the horizontal axis.

    Attributes
    ----------
    axes_ : numpy.ndarray of matplotlib.axes.Axes, shape (examples,)
    figure_ : matplotlib.figure.Figure
    """

    def __init__(
        self,
        rows: Mapping[str, NDArray[np.floating]],
        *,
        noise: NDArray[np.float64],
        noise_label: str = "noise level",
    ) -> None:
        self.rows = rows
        self.noise = noise
        self.noise_label = noise_label

    @classmethod
    def from_analysis(cls, tree: xr.DataTree, *, examples: int = 4) -> Self:
        """Take the images from an analysis.

        Parameters
        ----------
        tree : xarray.DataTree
            The analysis.
        examples : int, default=4
            How many images are shown at most, the first ones.

        Returns
        -------
        ReconstructionDisplay
        """
        found = reading.models(tree)
        shown = {
            label: _images(data, "example_reconstruction", examples)
            for label, data in found.items()
        }
        first = _images(next(iter(found.values())), "example_input", examples)
        return cls(
            {"input": first, **shown},
            noise=reading.noise_levels(tree),
            noise_label=reading.perturbation_label(tree),
        )

    def plot(self, axes: Any = None) -> Self:
        """Draw one block of images per example.

        Parameters
        ----------
        axes : array-like of matplotlib.axes.Axes of shape (examples,), optional
            Where to draw; a figure of its own by default.

        Returns
        -------
        ReconstructionDisplay
            Itself, with ``axes_`` and ``figure_``.
        """
        images = next(iter(self.rows.values()))
        levels, count = images.shape[:2]
        across = 2 if levels > _FEW else 4
        with style():
            if axes is None:
                side = min(0.8, 6.2 / (across * levels))
                height = side * len(self.rows) + 0.25
                self._keep(wrapped_axes(count, across, row_height=height, extra=0.25))
                self.figure_.supxlabel(self.noise_label, fontsize=8)
            else:
                self._keep(given_axes(axes, (count,)))
            for example, ax in enumerate(self.axes_):
                self._plot_example(ax, example, named=example % across == 0)
        return self

    def _plot_example(self, ax: Axes, example: int, *, named: bool) -> None:
        """Draw models down and noise levels across as one picture."""
        strips = [_strip(images[:, example]) for images in self.rows.values()]
        picture, centres = _stack(strips)
        ax.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        width = picture.shape[1] / len(self.noise)
        ax.set_xticks(
            width * (np.arange(len(self.noise)) + 0.5) - _GAP / 2,
            [f"{level:g}" for level in self.noise],
        )
        ax.set_yticks(centres, list(self.rows) if named else [""] * len(centres))
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)


def _images(data: xr.Dataset, variable: str, examples: int) -> NDArray[np.floating]:
    """Give images as (levels, examples, channels, height, width)."""
    ordered = data[variable].transpose(
        "noise", "example", "image_channel", "image_row", "image_column"
    )
    images: NDArray[np.floating] = np.clip(ordered.values[:, :examples], 0, 1)
    return images


def _strip(images: NDArray[np.floating]) -> NDArray[np.floating]:
    """Set images of all levels side by side, white between; colour last."""
    padded = np.pad(images, ((0, 0), (0, 0), (0, _GAP), (0, _GAP)), constant_values=1.0)
    strip = np.concatenate(list(padded), axis=-1)
    return np.repeat(strip, 3 // strip.shape[0], axis=0).transpose(1, 2, 0)


def _stack(strips: list[NDArray[np.floating]]) -> tuple[NDArray[np.floating], list[float]]:
    """Set strips one below the other; give the picture and the middle of each strip."""
    heights = [strip.shape[0] for strip in strips]
    starts = np.cumsum([0, *heights[:-1]])
    centres = [
        float(start + (height - _GAP) / 2) for start, height in zip(starts, heights, strict=True)
    ]
    return np.concatenate(strips, axis=0), centres
