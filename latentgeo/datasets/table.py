"""The table of datasets."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from latentgeo.datasets import celeba, cifar10, lines, svhn
from latentgeo.datasets.digits import read_digits
from latentgeo.datasets.download import RemoteFile
from latentgeo.datasets.endless import ImageStream
from latentgeo.datasets.idx import FASHION_FILES, MNIST_FILES, read_fashion_mnist, read_mnist
from latentgeo.datasets.sentences import LENGTH, SPECIAL, WORDS, SentenceDataset
from latentgeo.datasets.splits import Labels
from latentgeo.datasets.text import MULTI30K_FILES, read_multi30k
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
        licence="none needed: generated on demand",
        download_bytes=0,
        read=partial(lines.read_lines, style=style),
        stream=partial(lines.line_stream, style),
    )


# A new one is a row here and the function that it names.
_ROWS = {
    "digits": DatasetInfo(
        summary="handwritten digits bundled with scikit-learn, upsampled from 8x8 to 28x28",
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
        summary="photographs of clothing (Zalando), in MNIST format",
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
        summary="small colour photographs of ten classes (Krizhevsky)",
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
        summary="aligned faces, central crop (Liu and others); to be downloaded by hand",
        image_shape=(3, celeba.SIDE, celeba.SIDE),
        samples={"train": 162_770, "validation": 19_867, "test": 19_962},
        class_names=(),
        licence="non-commercial research only",
        download_bytes=0,
        read=celeba.read_celeba,
    ),
    "lines": _lines("paper", "drawn as in the interpolation benchmark (Berthelot and others)"),
    "lines-smooth": _lines("smooth", "drawn so that they rotate without a jump"),
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
