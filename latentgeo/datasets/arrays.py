"""Images that are arrays already: in memory, or in .npy and .npz files."""

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentgeo.datasets.images import check_images
from latentgeo.datasets.resizing import resize
from latentgeo.datasets.sources import Found, ImageSource, check_memory
from latentgeo.datasets.splits import split_named
from latentgeo.errors import InputError, reason_of
from latentgeo.foreign.arrays import as_names, as_numpy
from latentgeo.foreign.numpy_files import read_numpy

SUFFIXES = frozenset({".npy", ".npz"})

_KEY = "::"
_IMAGES = ("x", "image", "images", "img", "imgs", "data", "pixels", "pixel_values", "samples")
_LABELS = ("y", "label", "labels", "target", "targets", "class", "classes")
_COLOURS = (1, 3, 4)
#: The part of arrays that say no split.
WHOLE = ""


def array_source(images: Any, labels: Any = None, *, name: str = "user") -> ImageSource:
    """Take images that lie in memory.

    Parameters
    ----------
    images : array_like or torch.Tensor
        (n, C, H, W), or (n, H, W) for grey images; uint8, or floating point in [0, 1]. Channels
        that come last, (n, H, W, C), are put first, and rows (n, L) are signals, with a warning.
    labels : array_like, optional
        (n,): whole numbers from 0, or names.
    name : str, default="user"
        What results call them.

    Returns
    -------
    ImageSource

    Raises
    ------
    InputError
        When images or labels cannot be such.
    """
    known = None if labels is None else as_names(as_numpy(labels, f"labels of {name!r}"))
    return source_of({WHOLE: (as_numpy(images, f"images of {name!r}"), known)}, name)


def mapping_source(held: Mapping[str, Any], name: str = "user") -> ImageSource:
    """Take arrays by name, as `read_arrays` knows them; raises what that does."""
    arrays = {str(key): as_names(as_numpy(value, f"{key!r}")) for key, value in held.items()}
    return source_of(_parts(name, arrays, ""), name)


def read_arrays(path: Path, key: str = "") -> ImageSource:
    """Read images from a .npy or .npz file; nothing that it holds is run.

    Parameters
    ----------
    path : pathlib.Path
        The file. In .npz, arrays are known by their names: images are "x", "images" and the like,
        labels "y", "labels"; with "train", "val" or "test" before or after, they are splits.
    key : str, optional
        The array of images, where there are several.

    Returns
    -------
    ImageSource

    Raises
    ------
    InputError
        When the file cannot be read, or does not say which array holds images.
    """
    try:
        held = read_numpy(path)
    except InputError:
        raise
    except Exception as error:  # zip archives alone have a dozen ways to be broken
        raise InputError(
            f"{str(path)!r} cannot be read ({reason_of(error)}); save the images anew with "
            "numpy.savez(file, images=…, labels=…); arrays of objects are not read"
        ) from None
    return source_of(_parts(str(path), held, key), path.stem)


def split_key(text: str) -> tuple[str, str]:
    """Return file and array of FILE::NAME."""
    path, _, key = text.partition(_KEY)
    return path, key


def _parts(
    path: str, held: Mapping[str, NDArray[Any]], key: str
) -> dict[str, tuple[NDArray[Any], Any]]:
    """Return images and labels of each split."""
    names = list(held)
    if key:
        if key not in names:
            raise InputError(f"{path!r} has no array {key!r}: {', '.join(names)}")
        own = next((name for name in names if _is(name, _LABELS) and _same(name, key)), None)
        return {WHOLE: (held[key], None if own is None else held[own])}
    images = {_split_of(name): name for name in names if _is(name, _IMAGES)}
    labels = {_split_of(name): name for name in names if _is(name, _LABELS)}
    if not images and len(names) == 1:
        images = {WHOLE: names[0]}
    if not images:
        raise InputError(
            f"{path!r} does not say which array holds the images ({', '.join(names)}): name "
            f"one, as in FILE{_KEY}NAME, or call it images, x_train, test_images or the like"
        )
    return {
        split: (held[name], held[labels[split]] if split in labels else None)
        for split, name in images.items()
    }


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]


def _is(name: str, known: Sequence[str]) -> bool:
    """Return whether a name is one of those that are known, alone or beside that of a split."""
    rest = [word for word in _words(name) if split_named(word) is None]
    return len(rest) == 1 and rest[0] in known


def _same(name: str, other: str) -> bool:
    return _split_of(name) == _split_of(other)


def _split_of(name: str) -> str:
    return next((split for word in _words(name) if (split := split_named(word))), WHOLE)


def source_of(parts: Mapping[str, tuple[NDArray[Any], Any]], name: str) -> ImageSource:
    """Take images and labels of each split; raises `InputError` when they cannot be such."""
    checked = {}
    for split, (images, labels) in parts.items():
        said = f"{name}, {split}" if split else name
        checked[split] = _checked(images, labels, said)
    starts = np.cumsum([0, *(len(images) for images, _ in checked.values())])
    places = {
        split: np.arange(start, start + len(images))
        for (split, (images, _)), start in zip(checked.items(), starts, strict=False)
    }
    _check_alike(checked, name)
    return ImageSource(
        name,
        int(starts[-1]),
        partial(_read, checked, places, name),
        parts=None if set(places) == {WHOLE} else places,
    )


def _checked(
    images: NDArray[Any], labels: Any, name: str
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return images with channels first, and a label for each, where they can be such."""
    images, taken = as_planes(images)
    if taken:
        warnings.warn(f"images of {name!r}: {taken}", stacklevel=6)
    check_images(images, name)
    if labels is None:
        return images, None
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.shape != images.shape[:1]:
        raise InputError(
            f"labels of {name!r} have shape {labels.shape}: expected ({len(images)},), one for "
            "each image"
        )
    return images, labels


def as_planes(images: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """Return images, signals or volumes as (n, C, H, W), and what was done that may be wrong.

    Parameters
    ----------
    images : numpy.ndarray
        Images (n, C, H, W), (n, H, W, C) or (n, H, W); signals (n, L), which become
        (n, 1, 1, L); volumes (n, C, D, H, W) or (n, D, H, W, C), which become (n, C·D, H, W).

    Returns
    -------
    images : numpy.ndarray
        (n, C, H, W); what can be none of these as it came.
    taken : str
        A clause; empty where nothing is to be said.
    """
    shape, said = images.shape, []
    if images.ndim == 2:
        said.append(f"rows of shape {shape} are taken as signals (n, 1, 1, L)")
        images = images[:, None, None]
    if images.ndim in (4, 5) and shape[-1] in _COLOURS and shape[1] not in _COLOURS:
        said.append(f"shape {shape} is taken as (n, {'D, ' * (images.ndim == 5)}H, W, C)")
        images = np.moveaxis(images, -1, 1)
    if images.ndim == 4 and images.shape[1] == 4 and images.shape[2] > 1:
        said.append("the last of four channels is taken for transparency and left out")
        images = images[:, :3]
    if images.ndim == 5:
        said.append(f"volumes of shape {shape} are taken as images whose channels are their slices")
        images = images.reshape(len(images), -1, *images.shape[3:])
    return images[:, None] if images.ndim == 3 else images, "; ".join(said)


def _check_alike(checked: Mapping[str, tuple[NDArray[Any], Any]], name: str) -> None:
    shapes = {images.shape[1:] for images, _ in checked.values()}
    if len(shapes) > 1:
        raise InputError(
            f"the splits of {name!r} hold images of different shapes: "
            f"{', '.join(map(str, sorted(shapes)))}; expected one"
        )


def _read(
    parts: Mapping[str, tuple[NDArray[Any], NDArray[Any] | None]],
    places: Mapping[str, NDArray[np.int64]],
    name: str,
    positions: NDArray[np.int64],
    size: int | None,
) -> Found:
    found, labels, order = [], [], []
    for split, (images, given) in parts.items():
        here = np.flatnonzero(np.isin(positions, places[split]))
        if not len(here):
            continue
        order.append(here)
        rows = positions[here] - places[split][0]
        check_memory(len(rows), images.shape[1:], name, itemsize=images.itemsize)
        found.append(images[rows])
        labels.append(None if given is None else given[rows])
    back = np.argsort(np.concatenate(order), kind="stable")
    chosen = np.concatenate(found)[back]
    chosen = chosen if chosen.dtype == np.uint8 else chosen.astype(np.float32)
    classes, class_names = _classes(labels, back, [given for _, given in parts.values()], name)
    return Found(chosen if size is None else resize(chosen, size), classes, class_names)


def _classes(
    labels: list[NDArray[Any] | None],
    back: NDArray[np.int64],
    everywhere: Iterable[NDArray[Any] | None],
    name: str,
) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    known = [one for one in labels if one is not None]
    if len(known) < len(labels):
        return None, ()
    return as_classes(
        np.concatenate(known)[back], [one for one in everywhere if one is not None], name
    )


def as_classes(
    labels: NDArray[Any], everywhere: Sequence[NDArray[Any]], name: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return labels as numbers from 0, and the names of the classes.

    Parameters
    ----------
    labels : numpy.ndarray
        (n,): whole numbers from 0, or names.
    everywhere : sequence of numpy.ndarray
        Those of all splits, so that a class has one number in all.
    name : str
        What messages call the images.

    Raises
    ------
    InputError
        When they are neither.
    """
    if labels.dtype.kind in "US":
        classes = sorted({str(one) for given in everywhere for one in given})
        place = {one: number for number, one in enumerate(classes)}
        return np.array([place[str(one)] for one in labels], np.int64), tuple(classes)
    if labels.dtype.kind not in "iub" or (len(labels) and labels.min() < 0):
        raise InputError(
            f"labels of {name!r} have dtype {labels.dtype} and begin with "
            f"{labels.ravel()[0]!s}: expected whole numbers from 0, or names"
        )
    most = max(int(given.max()) for given in everywhere)
    return labels.astype(np.int64), tuple(str(number) for number in range(most + 1))
