"""Decoded images along interpolation paths, beside the real ones at their ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from latentgeo.figures import reading
from latentgeo.figures._display import Display, given_axes
from latentgeo.figures._style import new_axes, plain_text, style
from latentgeo.lazy import xr

_GAP, _WIDE_GAP = 2, 8  # pixels between images, and around the decoded ones
_SHARP = 40  # pixels up to which an image keeps its pixels
_CROSSING = "#D55E00"
_MOST_WITH_ALL = 3  # models of which all pairs are shown
_FEWER = 2
_ENDS = ("start", "end")


@dataclass(frozen=True)
class PathImages:
    """The paths of one model.

    Parameters
    ----------
    images : numpy.ndarray of shape (pairs, steps, channels, height, width)
        Decoded along each path, in [0, 1].
    start, end : numpy.ndarray of shape (pairs, channels, height, width)
        The real images.
    crossed : numpy.ndarray of shape (pairs, steps - 1), optional
        Whether the path crosses into another stratum from one step to the next; vectors have none.
    """

    images: NDArray[np.floating]
    start: NDArray[np.floating]
    end: NDArray[np.floating]
    crossed: NDArray[np.bool_] | None = None


class InterpolationGridDisplay(Display):
    """Interpolation paths as pictures, one panel per model.

    Parameters
    ----------
    paths : mapping of str to PathImages
        Keyed by model.

    Attributes
    ----------
    axes_ : numpy.ndarray of matplotlib.axes.Axes, shape (models,)
    figure_ : matplotlib.figure.Figure
    """

    def __init__(self, paths: Mapping[str, PathImages]) -> None:
        self.paths = paths

    @classmethod
    def from_paths(cls, tree: xr.DataTree) -> Self:
        """Read the images from results along paths.

        Parameters
        ----------
        tree : xarray.DataTree
            From `latentgeo.interpolation.interpolate_images` or `score_lines`.

        Returns
        -------
        InterpolationGridDisplay
        """
        found = reading.paths_having(tree, "example_path")
        few = None if len(found) <= _MOST_WITH_ALL else _FEWER
        return cls({label: _images(data, few) for label, data in found.items()})

    def plot(self, axes: Any = None) -> Self:
        """Draw one panel per model, one path per row.

        Parameters
        ----------
        axes : array-like of matplotlib.axes.Axes of shape (models,), optional
            Where to draw; a figure of its own by default.

        Returns
        -------
        InterpolationGridDisplay
            Itself, with ``axes_`` and ``figure_``.
        """
        with style():
            if axes is None:
                self._keep(self._new_axes())
            else:
                self._keep(given_axes(axes, (len(self.paths),)))
            for ax, (label, paths) in zip(self.axes_, self.paths.items(), strict=True):
                _plot(ax, paths)
                ax.set_title(plain_text(label), loc="left")
        return self

    def _new_axes(self) -> NDArray[np.object_]:
        """Return each panel the height that its rows have at the figure's width."""
        shape = next(iter(self.paths.values())).images.shape
        across = shape[1] + 2
        row = 6.6 * shape[0] / across * shape[-2] / shape[-1]
        return new_axes(len(self.paths), 1, row_height=row + 0.35, extra=0.15)[:, 0]


def _images(data: xr.Dataset, few: int | None) -> PathImages:
    axes = ("image_channel", "image_row", "image_column")
    path = data["example_path"].transpose("example", "step", *axes).values[:few]
    start, end = (data[f"example_{at}"].transpose("example", *axes).values for at in _ENDS)
    crossed = data["crossed"].values[: len(path)] if "crossed" in data else None
    return PathImages(path, start[:few], end[:few], crossed)


def _plot(ax: Axes, paths: PathImages) -> None:
    """Draw paths as one picture, and mark where they cross."""
    _, steps, _, height, width = paths.images.shape
    rows = [
        _row(start, path, end)
        for start, path, end in zip(paths.start, paths.images, paths.end, strict=True)
    ]
    picture = np.concatenate(rows, axis=0)
    smooth = "nearest" if max(height, width) <= _SHARP else "antialiased"
    ax.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation=smooth)
    first = width + _WIDE_GAP
    for pair, step in np.argwhere(paths.crossed) if paths.crossed is not None else ():
        x = first + (step + 1) * (width + _GAP) - _GAP / 2 - 0.5
        top = pair * (height + _GAP) - 0.5
        ax.plot([x, x], [top, top + height], color=_CROSSING, linewidth=1.6, solid_capstyle="butt")
    centres = first + (width + _GAP) * np.arange(steps) + width / 2
    shares = [f"{share:.2g}" for share in np.linspace(0, 1, steps)]
    ax.set_xticks(
        [width / 2, *centres, centres[-1] + width + _WIDE_GAP - _GAP],
        ["real", *shares, "real"],
    )
    ax.set_yticks([])
    ax.set_xlim(-0.5, picture.shape[1] - 0.5)
    ax.tick_params(length=0, labelsize=6)
    ax.spines[:].set_visible(False)


def _row(
    start: NDArray[np.floating], path: NDArray[np.floating], end: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Set a path between its real ends, white between; colour last."""
    parts = [_padded(start, _WIDE_GAP), *(_padded(image, _GAP) for image in path[:-1])]
    strip = np.concatenate([*parts, _padded(path[-1], _WIDE_GAP), _padded(end, 0)], axis=-1)
    shown = np.clip(strip, 0, 1)
    coloured: NDArray[np.floating] = shown if len(shown) == 3 else shown[:1].repeat(3, axis=0)
    return coloured.transpose(1, 2, 0)


def _padded(image: NDArray[np.floating], right: int) -> NDArray[np.floating]:
    return np.pad(image, ((0, 0), (0, _GAP), (0, right)), constant_values=1.0)
