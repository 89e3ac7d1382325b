"""The table of datasets, and `load`, which reads it."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentgeo.datasets import celeba, cifar10, lines, svhn
from latentgeo.datasets.digits import read_digits
from latentgeo.datasets.download import RemoteFile, cache_folder
from latentgeo.datasets.endless import ImageStream
from latentgeo.datasets.folder import read_folder
from latentgeo.datasets.idx import FASHION_FILES, MNIST_FILES, read_fashion_mnist, read_mnist
from latentgeo.datasets.images import ImageDataset
from latentgeo.datasets.resizing import check_size, resize
from latentgeo.datasets.sentences import LENGTH, SPECIAL, WORDS, SentenceDataset
from latentgeo.datasets.splits import Labels, check_split
from latentgeo.datasets.text import MULTI30K_FILES, is_text, read_multi30k, read_text
from latentgeo.errors import InputError
from latentgeo.metrics.line_images import LINE_SIDE
from latentgeo.registry import Registry

Reader = Callable[[Path, str, int | None], tuple[NDArray[Any], Labels] | SentenceDataset]

_DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class DatasetInfo:
    """What there is to know of a dataset before it is loaded.

    Parameters
    ----------
    summary : str
        One line.
    image_shape : tuple of int
        (C, H, W) when no size is asked for.
    samples : dict of str to int
        Number of images in each split.
    class_names : tuple of str
        Names of the classes; empty where there are none.
    licence : str
        Licence, or terms of use.
    download_bytes : int
        Size of all that is downloaded; 0 where nothing is.
    read : callable
        Given the dataset's folder in the cache, a split and a size, gives images
        (n, C, H, W), uint8 or float32 in [0, 1], and labels (n,) in int64 or None. It may leave
        the size to `load`. Or it gives a `SentenceDataset`.
    stream : callable, optional
        Gives images without end to train on, where the data set has them.
    """

    summary: str
    image_shape: tuple[int, int, int]
    samples: dict[str, int]
    class_names: tuple[str, ...]
    licence: str
    download_bytes: int
    read: Reader = field(repr=False)
    stream: Callable[[], ImageStream] | None = field(default=None, repr=False)


def _idx_bytes(files: dict[str, tuple[RemoteFile, RemoteFile]]) -> int:
    return sum(file.n_bytes for pair in files.values() for file in pair)


def _lines(style: str, drawn: str) -> DatasetInfo:
    return DatasetInfo(
        summary=f"lines at random angles, {drawn}; training sees fresh ones in every epoch",
        image_shape=(1, LINE_SIDE, LINE_SIDE),
        samples=lines.SAMPLES,
        class_names=(),
        licence="none needed: they are drawn when they are asked for",
        download_bytes=0,
        read=partial(lines.read_lines, style=style),
        stream=partial(lines.line_stream, style),
    )


# A new one is a row here and the function that it names.
_ROWS = {
    "digits": DatasetInfo(
        summary="handwritten digits bundled with scikit-learn, 8x8 enlarged to 28x28",
        image_shape=(1, 28, 28),
        samples={"train": 1257, "validation": 180, "test": 360},
        class_names=_DIGITS,
        licence="CC BY 4.0 (UCI, optical recognition of handwritten digits)",
        download_bytes=0,
        read=read_digits,
    ),
    "mnist": DatasetInfo(
        summary="handwritten digits (LeCun, Cortes, Burges)",
        image_shape=(1, 28, 28),
        samples={"train": 55_000, "validation": 5_000, "test": 10_000},
        class_names=_DIGITS,
        licence="CC BY-SA 3.0",
        download_bytes=_idx_bytes(MNIST_FILES),
        read=read_mnist,
    ),
    "fashion-mnist": DatasetInfo(
        summary="photographs of clothes (Zalando), in the format of mnist",
        image_shape=(1, 28, 28),
        samples={"train": 55_000, "validation": 5_000, "test": 10_000},
        class_names=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        licence="MIT",
        download_bytes=_idx_bytes(FASHION_FILES),
        read=read_fashion_mnist,
    ),
    "cifar10": DatasetInfo(
        summary="small colour photographs of ten kinds of things (Krizhevsky)",
        image_shape=(3, 32, 32),
        samples={"train": 45_000, "validation": 5_000, "test": 10_000},
        class_names=cifar10.CLASS_NAMES,
        licence="none stated by the publisher; used for research",
        download_bytes=cifar10.ARCHIVE.n_bytes,
        read=cifar10.read_cifar10,
    ),
    "svhn": DatasetInfo(
        summary="house numbers from street views, cropped to one digit (Netzer and others)",
        image_shape=(3, 32, 32),
        samples={"train": 68_257, "validation": 5_000, "test": 26_032},
        class_names=_DIGITS,
        licence="non-commercial use only",
        download_bytes=sum(file.n_bytes for file in svhn.FILES.values()),
        read=svhn.read_svhn,
    ),
    "celeba": DatasetInfo(
        summary="aligned faces, central crop (Liu and others); to be put in place by hand",
        image_shape=(3, celeba.SIDE, celeba.SIDE),
        samples={"train": 162_770, "validation": 19_867, "test": 19_962},
        class_names=(),
        licence="non-commercial research only",
        download_bytes=0,
        read=celeba.read_celeba,
    ),
    "lines": _lines("paper", "drawn as in the interpolation benchmark (Berthelot and others)"),
    "lines-smooth": _lines("smooth", "drawn so that they turn without a jump"),
    "multi30k": DatasetInfo(
        summary="English captions of photographs (Elliott and others), for the backbone text",
        image_shape=(len(SPECIAL) + WORDS, LENGTH, 1),
        samples={"train": 29_000, "validation": 1_014, "test": 1_000},
        class_names=(),
        licence="research use only",
        download_bytes=sum(file.n_bytes for file in MULTI30K_FILES.values()),
        read=read_multi30k,
    ),
}

#: Every data set by name.
TABLE: Registry[DatasetInfo] = Registry("datasets", "data set", _ROWS)
#: Adds a row; see `Registry.register`.
register_dataset = TABLE.register


def names() -> dict[str, DatasetInfo]:
    """Return the datasets that `load` knows by name."""
    return dict(TABLE)


def load(
    name: str | os.PathLike[str],
    split: str = "test",
    *,
    size: int | None = None,
    root: str | os.PathLike[str] | None = None,
) -> ImageDataset:
    """Load a dataset by name.

    Parameters
    ----------
    name : str or path_like
        A name in `names()`, or the path of a folder of images (see `folder.read_folder`; write
        "./mnist" for a folder that has the name of a dataset), of a text or of a folder of texts
        (see `text.read_text`).
    split : {"train", "validation", "test"}, default="test"
        The split; which images it holds never changes.
    size : int, optional
        Resize to so many pixels a side (bilinear, antialiased); cut sentences at so many words.
    root : path_like, optional
        Folder of the cache; by default the environment variable LATENTGEO_DATA, and without it
        the user's cache folder. Files lie in `root/name`; those that are missing are downloaded.

    Returns
    -------
    ImageDataset
        A `SentenceDataset` of a text.

    Raises
    ------
    InputError
        When name, split or size are unknown, or the files cannot be had or read.
    """
    check_split(split)
    check_size(size)
    if str(name) in TABLE:
        return _load_named(str(name), split, size, cache_folder(root))
    folder = Path(name).expanduser()
    if is_text(folder):
        return read_text(folder, split, size)
    if not folder.is_dir():
        raise _unknown(str(name))
    images, labels, class_names = read_folder(folder, split, size)
    return _whole(folder.resolve().name, split, size, images, labels, class_names)


def training_images(
    name: str | os.PathLike[str],
    *,
    size: int | None = None,
    root: str | os.PathLike[str] | None = None,
) -> ImageDataset | ImageStream:
    """Return what a model trains on: the split "train", or images without end where there are.

    Parameters
    ----------
    name, size, root
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
    info = TABLE.get(str(name))
    if info is None or info.stream is None or size not in (None, info.image_shape[-1]):
        return load(name, "train", size=size, root=root)
    return info.stream()


def _load_named(name: str, split: str, size: int | None, cache: Path) -> ImageDataset:
    info = TABLE[name]
    found = info.read(cache / name, split, size)
    if isinstance(found, SentenceDataset):
        return found
    images, labels = found
    if size is not None:
        images = resize(images, size)
    return _whole(name, split, size, images, labels, info.class_names)


def _whole(
    name: str,
    split: str,
    size: int | None,
    images: NDArray[Any],
    labels: Labels,
    class_names: tuple[str, ...],
) -> ImageDataset:
    return ImageDataset(name, split, images, labels, class_names, np.arange(len(images)), size)


def _unknown(name: str) -> InputError:
    close = get_close_matches(name, TABLE, n=1)
    meant = f" (did you mean {close[0]!r}?)" if close else ""
    return InputError(
        f"data {name!r} is not known{meant}: expected one of {', '.join(TABLE)}, or the path of "
        "a folder of images, or of a text with one sentence per line"
    )
