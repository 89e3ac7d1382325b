"""Images that come one by one: torch data sets and loaders, data sets of Hugging Face."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, default_collate

from latentgeo.datasets.arrays import as_classes, as_planes
from latentgeo.datasets.decoding import pixels_of, read_head
from latentgeo.datasets.images import ImageDataset
from latentgeo.datasets.resizing import resize
from latentgeo.datasets.sources import Found, ImageSource, check_memory
from latentgeo.datasets.splits import split_named
from latentgeo.errors import InputError, reason_of
from latentgeo.foreign.arrays import as_numpy

_IMAGES = ("image", "img", "images", "pixel_values", "x", "input", "inputs")
#: What mappings call a label.
LABELS = ("label", "labels", "y", "target", "class")


class Item(NamedTuple):
    """An image (C, H, W), uint8 or floating point, and its label, where it has one."""

    pixels: NDArray[Any]
    label: Any = None


def torch_source(data: Any, *, samples: int | None = None) -> ImageSource:
    """Take the images of a torch data set or loader.

    Parameters
    ----------
    data : torch.utils.data.Dataset, DataLoader, or any sequence of items
        Items are images, or tuples or mappings that hold an image and, it may be, a label. Images
        are tensors or arrays (C, H, W), uint8 or floating point in [0, 1], or of Pillow. A loader
        is taken for its data set, at the places that its sampler names and through its collating;
        its batches and order are not used.
    samples : int, optional
        How many are read of what has no length; all if left out.

    Returns
    -------
    ImageSource
        Named after the class.

    Raises
    ------
    InputError
        When there are none, or an item holds no image.
    """
    held = data.dataset if isinstance(data, DataLoader) else data
    name = type(held).__name__
    of_batches = isinstance(held, list | tuple) and bool(held) and _is_batch(held[0])
    if of_batches or isinstance(held, IterableDataset) or not hasattr(held, "__getitem__"):
        return _of_iterable(data, name, samples)
    fetch, places = _by_position(data)
    if not len(places):
        raise InputError(f"data {name} has no items; expected at least one image")
    _check_steady(fetch, int(places[0]), name)
    classes = _class_names(data)

    def read(positions: NDArray[np.int64], size: int | None) -> Found:
        items = (fetch(int(place)) for place in places[positions])
        return gather(items, len(positions), size, name, classes)

    return ImageSource(name, len(places), read)


def sources_by_split(data: Mapping[str, Any], *, samples: int | None = None) -> ImageSource:
    """Take the images of several torch data sets or loaders, each of which is a split.

    Parameters
    ----------
    data : mapping of str to torch Dataset or DataLoader
        By split: "train", "validation", "test", or another of their usual names.
    samples : int, optional
        As `torch_source` takes it; raises what that does.

    Returns
    -------
    ImageSource
        Named after the class of the first.
    """
    sources = {
        split_named(key) or key: torch_source(one, samples=samples) for key, one in data.items()
    }
    ends = np.cumsum([source.count for source in sources.values()])
    starts = ends - [source.count for source in sources.values()]
    name = next(iter(sources.values())).name

    def read(positions: NDArray[np.int64], size: int | None) -> Found:
        which = np.searchsorted(ends, positions, side="right")
        found = [
            source.read(positions[which == place] - starts[place], size)
            for place, source in enumerate(sources.values())
            if (which == place).any()
        ]
        order = np.argsort(np.argsort(which, kind="stable"), kind="stable")
        return _joined(found, order, name)

    parts = {
        split: np.arange(start, end)
        for split, start, end in zip(sources, starts, ends, strict=True)
    }
    return ImageSource(name, int(ends[-1]), read, parts=parts)


def _joined(found: list[Found], order: NDArray[np.int64], name: str) -> Found:
    """Put what was read of several splits into the order in which it was asked for."""
    shapes = {one.images.shape[1:] for one in found}
    if len(shapes) > 1:
        raise InputError(
            f"splits of {name!r} hold images of shapes {', '.join(map(str, sorted(shapes)))}; "
            "expected one shape for all (--size, or a transform that resizes)"
        )
    labels = [one.labels for one in found if one.labels is not None]
    return Found(
        np.concatenate([one.images for one in found])[order],
        np.concatenate(labels)[order] if len(labels) == len(found) else None,
        next((one.class_names for one in found if one.class_names), ()),
    )


def gather(
    items: Iterable[Item], count: int, size: int | None, name: str, classes: tuple[str, ...] = ()
) -> Found:
    """Put images together that come one by one.

    Parameters
    ----------
    items : iterable of Item
        The images.
    count : int
        How many they are.
    size : int or None
        Side in pixels to resize to.
    name : str
        What messages call them.
    classes : tuple of str
        Names of the classes, where they are known.

    Returns
    -------
    Found

    Raises
    ------
    InputError
        When they differ in shape, are more than memory, or cannot be images.
    """
    images: NDArray[Any] | None = None
    labels = []
    for place, item in enumerate(items):
        pixels = _resized(item.pixels, size, name)
        if images is None:
            check_memory(count, pixels.shape, name, itemsize=pixels.itemsize)
            images = np.empty((count, *pixels.shape), pixels.dtype)
        if len(pixels) == 3 and images.shape[1] == 1:
            images = np.repeat(images, 3, axis=1)
        elif len(pixels) == 1 and images.shape[1] == 3:
            pixels = np.repeat(pixels, 3, axis=0)
        if pixels.shape != images.shape[1:] or pixels.dtype != images.dtype:
            raise InputError(
                f"image {place} of {name} has shape {pixels.shape} and dtype {pixels.dtype}, the "
                f"first {images.shape[1:]} and {images.dtype}; give a size to resize them to "
                "(such as size=32)"
            )
        images[place] = pixels
        labels.append(item.label)
    if images is None:
        raise InputError(f"data {name} has no items; expected at least one image")
    known, class_names = _labels(labels, classes, name)
    return Found(ImageDataset.from_array(images, name=name).images, known, class_names)


def item_of(value: Any, name: str) -> Item:
    """Find the image, and the label, in an item of a data set; raises `InputError` if none is."""
    image, label = value, None
    if isinstance(value, Mapping):
        image = next((value[key] for key in _IMAGES if key in value), None)
        label = next((value[key] for key in LABELS if key in value), None)
    elif isinstance(value, tuple | list) and value:
        image, label = value[0], (value[1] if len(value) > 1 else None)
    pixels = _pixels(image, name)
    if pixels is None:
        raise InputError(
            f"an item of {name} holds no image ({_held(value)}): expected one of (C, H, W), alone, "
            "first in a tuple, or as 'image' in a mapping"
        )
    return Item(pixels, _plain(label))


def _held(value: Any) -> str:
    """Describe what an item holds."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {type(one).__name__}" for key, one in value.items())
    if isinstance(value, tuple | list):
        return f"{type(value).__name__} of {', '.join(type(one).__name__ for one in value)}"
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"{type(value).__name__} {tuple(shape)}"


def _by_position(data: Any) -> tuple[Callable[[int], Item], NDArray[np.int64]]:
    """Return what gives an item by its place, and the places that there are."""
    if not isinstance(data, DataLoader):
        return partial(_get, data, type(data).__name__, None), np.arange(len(data))
    name = type(data.dataset).__name__
    with torch.random.fork_rng([]):  # a sampler that shuffles draws
        places = np.unique(np.array(list(data.sampler), dtype=np.int64))
    collate = None if data.collate_fn is default_collate else data.collate_fn
    return partial(_get, data.dataset, name, collate), places


def _get(data: Any, name: str, collate: Callable[[list[Any]], Any] | None, place: int) -> Item:
    try:
        value = data[place]
        value = value if collate is None else _first(collate([value]))
    except InputError:
        raise
    except Exception as error:  # the user's own code may raise anything
        raise _not_had(place, name, error) from error
    return item_of(value, name)


def _not_had(place: int, name: str, error: Exception) -> InputError:
    return InputError(
        f"item {place} of {name} cannot be had: {type(error).__name__}: {reason_of(error)}"
    )


def _first(batch: Any) -> Any:
    """Return the only item of a batch of one."""
    if isinstance(batch, Mapping):
        return {key: _first(value) for key, value in batch.items()}
    if isinstance(batch, tuple):
        return tuple(map(_first, batch))
    if isinstance(batch, list) and batch and isinstance(batch[0], Tensor) and batch[0].ndim > 1:
        return [_first(part) for part in batch]
    return batch[0]


def _of_iterable(data: Any, name: str, samples: int | None) -> ImageSource:
    """Read what has no length in its own order, as far as it is wanted."""
    items: list[Item] = []
    n_bytes = 0
    for value in islice(_each(data, name), samples):
        items.append(item_of(value, name))
        n_bytes += items[-1].pixels.nbytes
        check_memory(2, (n_bytes,), name)  # once here, once put together
    if not items:
        raise InputError(f"data {name} gives no items; expected at least one image")

    def read(positions: NDArray[np.int64], size: int | None) -> Found:
        return gather((items[place] for place in positions), len(positions), size, name)

    return ImageSource(name, len(items), read)


def _each(data: Any, name: str) -> Iterator[Any]:
    """Yield the items of what has no length; of batches, what they hold."""
    batched = isinstance(data, DataLoader) and data.batch_size is not None
    place = 0
    try:
        for value in data:
            yield from _rows(value) if batched or _is_batch(value) else [value]
            place += 1
    except InputError:
        raise
    except Exception as error:  # the user's own code may raise anything
        raise _not_had(place, name, error) from error


def _is_batch(value: Any) -> bool:
    """Return whether a value holds images and as many labels, as the batches of loaders do."""
    if isinstance(value, Mapping):
        images = next((value[key] for key in _IMAGES if key in value), None)
        labels = next((value[key] for key in LABELS if key in value), None)
    elif isinstance(value, tuple | list) and len(value) == 2:
        images, labels = value
    else:
        return False
    arrays = Tensor | np.ndarray
    if not isinstance(images, arrays) or not isinstance(labels, arrays):
        return False
    return images.ndim == 4 and tuple(labels.shape) == tuple(images.shape[:1])


def _rows(batch: Any) -> Iterable[Any]:
    """Return the items of a batch."""
    if isinstance(batch, Mapping):
        columns = {key: list(value) for key, value in batch.items()}
        count = min(map(len, columns.values()))
        return [{key: value[row] for key, value in columns.items()} for row in range(count)]
    if isinstance(batch, tuple | list):
        return zip(*batch, strict=False)
    return list(batch)


def _check_steady(fetch: Callable[[int], Item], place: int, name: str) -> None:
    with torch.random.fork_rng([]):
        first, second = fetch(place).pixels, fetch(place).pixels
    if first.shape != second.shape or not np.array_equal(first, second):
        warnings.warn(
            f"data {name} gives other pixels each time that an image is asked for (augmentation?); "
            "each is taken once, as it comes",
            stacklevel=4,
        )


def _pixels(image: Any, name: str) -> NDArray[Any] | None:
    """Return an image as (C, H, W); None for what is no image."""
    if isinstance(image, Image.Image):
        head = read_head(image, f"an image of {name}")
        return pixels_of(image, (head.height, head.width), "L" if head.grey else "RGB")
    if not isinstance(image, Tensor | np.ndarray):
        return None
    array = as_numpy(image, f"images of {name}")
    if array.ndim not in (1, 2, 3, 4):
        return None
    array = as_planes(array[None])[0][0]
    if array.dtype.kind == "f":
        return _checked_range(array.astype(np.float32), name)
    found: NDArray[Any] = array
    return found


def _checked_range(pixels: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    if not pixels.size:
        raise InputError(f"an image of {name} has shape {pixels.shape}: there is nothing in it")
    low, high = float(pixels.min()), float(pixels.max())
    if np.isnan(low):
        raise InputError(f"an image of {name} holds NaN: expected values in [0, 1]")
    if not (low >= 0 and high <= 1):
        raise InputError(
            f"an image of {name} lies in [{low:g}, {high:g}]: expected [0, 1]; leave out what "
            "normalises it, and say it of the model instead (--range, or --mean and --std), for "
            "noise is added to images in [0, 1]"
        )
    return pixels


def _resized(pixels: NDArray[Any], size: int | None, name: str) -> NDArray[Any]:
    if size is None or pixels.shape[1:] == (size, size):
        return pixels
    _, height, width = pixels.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = pixels[:, top : top + side, left : left + side]
    made: NDArray[Any] = resize(np.ascontiguousarray(square)[None], size)[0]
    return made


def _plain(label: Any) -> Any:
    """Return a label as a number or text; None for what is no single class."""
    if isinstance(label, Tensor):
        label = label.detach().cpu().numpy()
    if isinstance(label, np.ndarray | np.generic):
        return label.item() if label.size == 1 else None
    return label if isinstance(label, int | str) else None


def _labels(
    labels: list[Any], classes: tuple[str, ...], name: str
) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    if any(label is None or isinstance(label, float) for label in labels):
        return None, ()
    array = np.array(labels)
    if array.dtype.kind == "i" and array.min() < 0:
        return None, ()  # -1 is what many call a label that is not there
    numbers, found = as_classes(array, [array], name)
    return numbers, classes if len(classes) >= len(found) else found


def _class_names(data: Any) -> tuple[str, ...]:
    """Return the names of the classes, as data sets of torchvision have them."""
    names = getattr(data.dataset if isinstance(data, DataLoader) else data, "classes", None)
    return tuple(map(str, names)) if isinstance(names, list | tuple) else ()
