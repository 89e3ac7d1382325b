"""Images and sentences of any kind, by one function."""

import os
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from latentgeo.datasets import arrays, hugging_face
from latentgeo.datasets import tables as tables_of_images
from latentgeo.datasets.arrays import array_source, mapping_source, read_arrays, split_key
from latentgeo.datasets.download import cache_folder
from latentgeo.datasets.endless import ImageStream
from latentgeo.datasets.folder import SUFFIXES as IMAGE_SUFFIXES
from latentgeo.datasets.folder import folder_source
from latentgeo.datasets.hugging_face import hugging_face_source, read_hugging_face
from latentgeo.datasets.images import ImageDataset
from latentgeo.datasets.items import sources_by_split, torch_source
from latentgeo.datasets.layouts import Layout, find_layout
from latentgeo.datasets.resizing import check_size, resize
from latentgeo.datasets.sentences import SentenceDataset
from latentgeo.datasets.sources import ALL, ImageSource, capped, read_source
from latentgeo.datasets.splits import SPLITS, Labels, check_split, split_named
from latentgeo.datasets.table import TABLE
from latentgeo.datasets.tables import find_tables, frame_source, read_tables
from latentgeo.datasets.text import is_text, read_text
from latentgeo.errors import InputError
from latentgeo.foreign.arrays import is_frame

_OTHER_FILES = {
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".xz", ".7z", ".rar"), "unpack it first"),
    **dict.fromkeys((".pt", ".pth", ".safetensors"), "save the images with numpy.savez"),
    **dict.fromkeys((".h5", ".hdf5", ".mat", ".tfrecord"), "save the images with numpy.savez"),
    **dict.fromkeys(IMAGE_SUFFIXES, "give the folder that holds the images"),
    ".arrow": "give the folder that save_to_disk left, or save it as Parquet",
}


def load(
    data: Any,
    split: str | None = "test",
    *,
    size: int | None = None,
    root: str | os.PathLike[str] | None = None,
    samples: int | None = None,
    seed: int = 0,
    skip_unreadable: bool = False,
) -> ImageDataset:
    """Load images, or sentences, from wherever they are.

    Parameters
    ----------
    data : str, path_like or object
        A name in `names()`, or a path (write "./mnist" for a folder that has the name of a
        dataset): a folder of images (see `folder.folder_source`), or one as torchvision or Kaggle
        leave MNIST, CIFAR-10, SVHN and CelebA; a .npy or .npz file of images (FILE::NAME for one of
        several arrays); a .csv file of pixels; Parquet or a folder of Hugging Face; a text or a
        folder of texts (see `text.read_text`). Or an object: a torch `Dataset` or `DataLoader`; an
        array or tensor of images, alone, as (images, labels), or by name as in a .npz file; a data
        set of Hugging Face; an `ImageDataset`, which keeps its split.
    split : {"train", "validation", "test", "all"} or None, default="test"
        The split; which images it holds never changes. Data that are not parted are split by a hash
        of each image's name or position. None takes the test images of what is parted already,
        else all.
    size : int, optional
        Resize to so many pixels a side (bilinear, antialiased); cut sentences at so many words.
    root : path_like, optional
        Folder of the cache; by default the environment variable LATENTGEO_DATA, and without it
        the user's cache folder. Files lie in `root/name`; those that are missing are downloaded.
    samples : int, optional
        Number of images, drawn by the seed; all, where there are no more, with a warning. Of a
        folder and the like, no others are read.
    seed : int, default=0
        The seed.
    skip_unreadable : bool, default=False
        Leave out files of a folder that cannot be read as images; `skipped` lists them.

    Returns
    -------
    ImageDataset
        A `SentenceDataset` of a text.

    Raises
    ------
    InputError
        When name, split or size are unknown, or the data cannot be had or read.
    """
    if split is not None and split != ALL:
        check_split(split)
    check_size(size)
    if isinstance(data, ImageDataset):
        return _sized(_some(data, samples, seed), size)
    source = _find(data, size, split, root, samples, skip_unreadable)
    if isinstance(source, ImageDataset):
        return _sized(_some(source, samples, seed), size)
    return read_source(source, split, size, samples, seed)


def training_images(
    data: Any,
    *,
    size: int | None = None,
    root: str | os.PathLike[str] | None = None,
    skip_unreadable: bool = False,
) -> ImageDataset | ImageStream:
    """Return what a model trains on: the split "train", or images without end where there are.

    Parameters
    ----------
    data, size, root, skip_unreadable
        As for `load`.

    Returns
    -------
    ImageDataset or ImageStream
        A stream for "lines" and "lines-smooth", unless a size is asked for.

    Raises
    ------
    InputError
        As `load` does.
    """
    info = TABLE.get(data) if isinstance(data, str) else None
    if info is None or info.stream is None or size not in (None, info.image_shape[-1]):
        return load(data, "train", size=size, root=root, skip_unreadable=skip_unreadable)
    return info.stream()


def name_of_data(data: Any) -> str:
    """Return what a run calls its data: the name or path, or the class of an object."""
    return data.name if isinstance(data, ImageDataset) else _text_of(data)


def _text_of(data: Any) -> str:
    return str(data) if isinstance(data, str | os.PathLike) else type(data).__name__


def _find(
    data: Any,
    size: int | None,
    split: str | None,
    root: str | os.PathLike[str] | None,
    samples: int | None,
    skip_unreadable: bool,
) -> ImageSource | ImageDataset:
    """Return where images are to be read from, or what is read as a whole."""
    if not isinstance(data, str | os.PathLike):
        return _of_object(data, samples)
    if str(data) in TABLE:
        return _load_named(str(data), split, size, cache_folder(root))
    text, key = split_key(str(data))
    path = Path(text).expanduser()
    if path.is_file() and path.suffix.lower() in _OTHER_FILES:
        raise InputError(
            f"data {text!r} are no set of images as they are; {_OTHER_FILES[path.suffix.lower()]}"
        )
    if path.is_file() and path.suffix.lower() in arrays.SUFFIXES:
        return read_arrays(path, key)
    if path.exists() and hugging_face.is_saved(path):
        return read_hugging_face(path, key)
    if key:
        raise InputError(
            f"{text!r} has no arrays or columns to choose from; leave ::{key} out, or check the "
            "path"
        )
    if path.is_dir() and (layout := find_layout(path)) is not None:
        return _read_layout(path.resolve().name, layout, split, size)
    if tables := find_tables(path):
        return read_tables(tables, path.resolve().stem if path.is_file() else path.resolve().name)
    if path.is_file() and path.suffix.lower() == tables_of_images.SUFFIX:
        raise InputError(
            f"{text!r} holds no images: expected a line of names, below it a row for each image, "
            "of as many pixels as a square of 8 by 8 or more has (and its label)"
        )
    if is_text(path):
        if split == ALL:
            raise InputError(f"text {text!r} has no split 'all'; expected one of {_listed(SPLITS)}")
        return read_text(path, split or "test", size)
    if not path.is_dir():
        raise _unknown(text)
    return folder_source(path, skip_unreadable=skip_unreadable)


def _of_object(data: Any, samples: int | None) -> ImageSource:
    if _is_stack(data):
        return array_source(data)
    if hugging_face.is_loaded(data):
        return hugging_face_source(data)
    if isinstance(data, Mapping):
        if _is_of_splits(data):
            return sources_by_split(data, samples=samples)
        return mapping_source(_arrays_of(data))
    if is_frame(data):
        return frame_source(data)
    if isinstance(data, tuple | list) and len(data) == 2 and _is_labelled(*data):
        return array_source(*data)
    if hasattr(data, "__iter__") or hasattr(data, "__getitem__"):
        return torch_source(data, samples=samples)
    raise InputError(
        f"data is a {type(data).__name__}; expected a name, a path, an ImageDataset, an array of "
        "images, a torch Dataset or DataLoader, or a data set of Hugging Face"
    )


def _is_stack(value: Any) -> bool:
    held = hasattr(value, "__array__") and not is_frame(value)
    return held and len(getattr(value, "shape", ())) > 1


def _is_labelled(images: Any, labels: Any) -> bool:
    """Return whether two values are images with a label for each, rather than two images."""
    return _is_stack(images) and (np.ndim(images) > 3 or np.ndim(labels) == 1)


def _is_of_splits(held: Mapping[Any, Any]) -> bool:
    """Return whether a mapping holds a data set or loader for each of several splits."""
    splits = [split_named(name) if isinstance(name, str) else None for name in held]
    plain = (list, tuple, str)
    sets = all(
        hasattr(value, "__len__")
        and not isinstance(value, plain)
        and not hasattr(value, "__array__")
        and (hasattr(value, "__getitem__") or hasattr(value, "__iter__"))
        for value in held.values()
    )
    return bool(held) and sets and None not in splits and len({*splits}) == len(splits)


def _arrays_of(held: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Refuse what is no mapping of arrays."""
    for name, value in held.items():
        if not isinstance(value, list | tuple) and not hasattr(value, "__array__"):
            raise InputError(
                f"data holds a {type(value).__name__} as {name!r}; expected arrays by name "
                "(images, labels, x_train, …), a data set alone, or one for each of 'train', "
                "'validation' and 'test'"
            )
    return held


def _sized(data: ImageDataset, size: int | None) -> ImageDataset:
    if size is None or data.size == size or isinstance(data, SentenceDataset):
        return data
    return replace(data, images=resize(data.images, size), size=size)


def _some(data: ImageDataset, samples: int | None, seed: int) -> ImageDataset:
    if samples is None:
        return data
    return data.take(capped(samples, len(data), f"{data.name} ({data.split})"), seed)


def _load_named(name: str, split: str | None, size: int | None, cache: Path) -> ImageDataset:
    info = TABLE[name]
    if split == ALL:
        return _joined([_load_named(name, part, size, cache) for part in SPLITS])
    found = info.read(cache / name, split or "test", size)
    if isinstance(found, SentenceDataset):
        return found
    images, labels = found
    return _whole(name, split or "test", images, labels, info.class_names)


def _read_layout(name: str, layout: Layout, split: str | None, size: int | None) -> ImageDataset:
    if split == ALL:
        return _joined([_read_layout(name, layout, part, size) for part in SPLITS])
    images, labels = layout.read(split or "test", size)
    classes = layout.class_names
    if labels is not None and not classes:
        classes = tuple(str(number) for number in range(int(labels.max()) + 1))
    return _whole(name, split or "test", images, labels, classes)


def _joined(parts: list[ImageDataset]) -> ImageDataset:
    first = parts[0]
    if isinstance(first, SentenceDataset):
        raise InputError(f"{first.name!r} has no split 'all'; expected one of {_listed(SPLITS)}")
    images = np.concatenate([part.images for part in parts])
    known = [part.labels for part in parts if part.labels is not None]
    labels = np.concatenate(known) if len(known) == len(parts) else None
    return _whole(first.name, ALL, images, labels, first.class_names)


def _whole(
    name: str,
    split: str,
    images: Any,
    labels: Labels,
    class_names: tuple[str, ...],
) -> ImageDataset:
    return ImageDataset(name, split, images, labels, class_names, np.arange(len(images)))


def _listed(names: Any) -> str:
    return ", ".join(names)


def _unknown(name: str) -> InputError:
    close = get_close_matches(name, TABLE, n=1)
    meant = f" (did you mean {close[0]!r}?)" if close else ""
    return InputError(
        f"data {name!r} is not known{meant}: expected one of {', '.join(TABLE)}, or the path of "
        "a folder of images, of a .npz or .parquet file, or of a text with one sentence per line"
    )
