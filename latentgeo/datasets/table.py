"""The table of datasets, and `load`, which reads it."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from latentgeo.datasets.digits import read_digits
from latentgeo.datasets.download import cache_folder
from latentgeo.datasets.idx import FASHION_FILES, MNIST_FILES, read_fashion_mnist, read_mnist
from latentgeo.datasets.images import ImageDataset
from latentgeo.datasets.resizing import check_size, resize
from latentgeo.datasets.splits import Labels, Pixels, check_split
from latentgeo.errors import InputError

Reader = Callable[[Path, str, int | None], tuple[Pixels, Labels]]

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
    """

    summary: str
    image_shape: tuple[int, int, int]
    samples: dict[str, int]
    class_names: tuple[str, ...]
    licence: str
    download_bytes: int
    read: Reader = field(repr=False)


def _idx_bytes(files: dict[str, tuple]) -> int:
    return sum(file.n_bytes for pair in files.values() for file in pair)


#: Name → dataset. A new one is a row here and the function that it names.
TABLE = {
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
}


def names() -> dict[str, DatasetInfo]:
    """Give the datasets that `load` knows by name."""
    return dict(TABLE)


def load(
    name: str | os.PathLike[str],
    split: str = "test",
    *,
    size: int | None = None,
    root: str | os.PathLike[str] | None = None,
) -> ImageDataset:
    """Load a dataset by name."""
    check_split(split)
    check_size(size)
    if str(name) not in TABLE:
        raise InputError(f"data {str(name)!r} is not known: expected one of {', '.join(TABLE)}")
    info = TABLE[str(name)]
    images, labels = info.read(cache_folder(root) / str(name), split, size)
    if size is not None:
        images = resize(images, size)
    return ImageDataset(
        str(name), split, images, labels, info.class_names, np.arange(len(images)), size
    )
