"""Inputs and reconstructions under noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray

from latentgeo.figures import reading
from latentgeo.figures._display import Display, given_axes
from latentgeo.figures._style import even_columns, style, wrapped_axes, wrapped_text
from latentgeo.lazy import xr
from latentgeo.results.levels import perturbation_label

_FEW = 4  # levels up to which four examples fit side by side
_GAP = 2  # pixels between images
_SHARP = 40  # pixels up to which an image keeps its pixels
_THUMBNAIL = 64  # pixels: larger ones only make the page heavy


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
    left_out : sequence of str, default=()
        Models that are missing because they have no decoder.

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
        left_out: Sequence[str] = (),
    ) -> None:
        self.left_out = left_out
        self.rows = rows
        self.noise = noise
        self.noise_label = noise_label

    @classmethod
    def from_analysis(cls, tree: xr.DataTree, *, examples: int = 4) -> Self:
        """Read the images from an analysis.

        Parameters
        ----------
        tree : xarray.DataTree
            The analysis.
        examples : int, default=4
            How many images are shown at most, the first ones.

        Returns
        -------
        ReconstructionDisplay

        Raises
        ------
        NothingToDrawError
            When no model has a decoder.
        """
        found = reading.having(tree, "example_reconstruction")
        shown = {
            label: _images(data, "example_reconstruction", examples)
            for label, data in found.items()
        }
        first = _images(next(iter(found.values())), "example_input", examples)
        return cls(
            _of_one_size({"input": first, **shown}),
            noise=reading.noise_levels(tree),
            noise_label=perturbation_label(tree),
            left_out=reading.left_out(tree, "example_reconstruction"),
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
        across = even_columns(count, 2 if levels > _FEW else 4)
        with style():
            if axes is None:
                side = min(0.8, 6.2 / (across * levels))
                height = side * len(self.rows) + 0.25
                self._keep(wrapped_axes(count, across, row_height=height, extra=0.25))
                inches = self.figure_.get_figwidth()
                note = reading.left_out_note(self.left_out, "no decoder", inches=inches)
                named = f"{self.noise_label}\n{note}" if note else self.noise_label
                self.figure_.supxlabel(named, fontsize=8)
            else:
                self._keep(given_axes(axes, (count,)))
            for example, ax in enumerate(self.axes_):
                self._plot_example(ax, example, named=example % across == 0)
        return self

    def _plot_example(self, ax: Axes, example: int, *, named: bool) -> None:
        """Draw models down and noise levels across as one picture."""
        strips = [_strip(images[:, example]) for images in self.rows.values()]
        picture, centres = _stack(strips)
        # Pixels of small images are shown as they are; larger ones have fewer dots than pixels.
        smooth = "nearest" if picture.shape[0] <= _SHARP * len(self.rows) else "antialiased"
        ax.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation=smooth)
        width = picture.shape[1] / len(self.noise)
        ax.set_xticks(
            width * (np.arange(len(self.noise)) + 0.5) - _GAP / 2,
            [f"{level:g}" for level in self.noise],
        )
        names = [wrapped_text(name) if named else "" for name in self.rows]
        ax.set_yticks(centres, names)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)


def _images(data: xr.Dataset, variable: str, examples: int) -> NDArray[np.floating]:
    """Return images as (levels, examples, channels, height, width)."""
    ordered = data[variable].transpose(
        "noise", "example", "image_channel", "image_row", "image_column"
    )
    images: NDArray[np.floating] = np.clip(ordered.values[:, :examples], 0, 1)
    return images


def _of_one_size(
    rows: Mapping[str, NDArray[np.floating]],
) -> dict[str, NDArray[np.floating]]:
    """Bring the images of models that see different sizes to the largest, or to thumbnails."""
    side = min(_THUMBNAIL, max(max(images.shape[-2:]) for images in rows.values()))
    return {name: _resized(images, side) for name, images in rows.items()}


def _resized(images: NDArray[np.floating], side: int) -> NDArray[np.floating]:
    """Scale images so that the longer side has so many pixels."""
    height, width = images.shape[-2:]
    if max(height, width) == side:
        return images
    scale = side / max(height, width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    flat = torch.from_numpy(images.reshape(-1, *images.shape[2:]).astype(np.float32))
    small = torch.nn.functional.interpolate(
        flat, size=size, mode="bilinear", antialias=True, align_corners=False
    )
    resized: NDArray[np.float32] = small.clamp(0, 1).reshape(*images.shape[:3], *size).numpy()
    return resized


def _strip(images: NDArray[np.floating]) -> NDArray[np.floating]:
    """Set images of all levels side by side, white between; colour last."""
    padded = np.pad(images, ((0, 0), (0, 0), (0, _GAP), (0, _GAP)), constant_values=1.0)
    strip = np.concatenate(list(padded), axis=-1)
    coloured: NDArray[np.floating] = strip if len(strip) == 3 else strip[:1].repeat(3, axis=0)
    return coloured.transpose(1, 2, 0)


def _stack(strips: list[NDArray[np.floating]]) -> tuple[NDArray[np.floating], list[float]]:
    """Set strips one below the other; give the picture and the middle of each strip."""
    heights = [strip.shape[0] for strip in strips]
    starts = np.cumsum([0, *heights[:-1]])
    centres = [
        float(start + (height - _GAP) / 2) for start, height in zip(starts, heights, strict=True)
    ]
    return np.concatenate(strips, axis=0), centres
