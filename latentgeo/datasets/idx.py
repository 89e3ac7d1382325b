"""MNIST and sets of its format: gzipped idx files."""

import gzip
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latentgeo.datasets.download import RemoteFile, fetch
from latentgeo.datasets.splits import Labels, Pixels, hold_out
from latentgeo.errors import InputError

_UBYTE = 8
_CLASSES = 10

_MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)
_FASHION_MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)


def _mnist(name: str, n_bytes: int, sha256: str) -> RemoteFile:
    return RemoteFile(name, n_bytes, sha256, _MNIST_MIRRORS)


def _fashion(name: str, n_bytes: int, sha256: str) -> RemoteFile:
    return RemoteFile(name, n_bytes, sha256, _FASHION_MIRRORS)


#: Published part ("train" or "test") → file of images, file of labels.
MNIST_FILES = {
    "train": (
        _mnist(
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        _mnist(
            "train-labels-idx1-ubyte.gz",
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
    ),
    "test": (
        _mnist(
            "t10k-images-idx3-ubyte.gz",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        _mnist(
            "t10k-labels-idx1-ubyte.gz",
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
}
FASHION_FILES = {
    "train": (
        _fashion(
            "train-images-idx3-ubyte.gz",
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        _fashion(
            "train-labels-idx1-ubyte.gz",
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
    ),
    "test": (
        _fashion(
            "t10k-images-idx3-ubyte.gz",
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        _fashion(
            "t10k-labels-idx1-ubyte.gz",
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
}


def read_mnist(folder: Path, split: str, size: int | None) -> tuple[Pixels, Labels]:
    """Read MNIST; "validation" is the last 5,000 of the 60,000 training images.

    Parameters
    ----------
    folder : pathlib.Path
        Where the four canonical files lie, or are downloaded to.
    split : str
        "train" (55,000), "validation" (5,000) or "test" (10,000).
    size : int or None
        Not used: `load` resizes.

    Returns
    -------
    images : numpy.ndarray
        Shape (n, 1, 28, 28), uint8.
    labels : numpy.ndarray
        Shape (n,), int64.
    """
    return _read_split(MNIST_FILES, folder, split)


def read_fashion_mnist(
    folder: Path,
    split: str,
    size: int | None,
) -> tuple[Pixels, Labels]:
    """Read Fashion-MNIST; format, splits and parameters are those of `read_mnist`."""
    return _read_split(FASHION_FILES, folder, split)


def read_idx(path: Path, ndim: int) -> NDArray[np.uint8]:
    """Read one gzipped idx file of bytes.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    ndim : int
        Number of axes that the file must have: 3 for images, 1 for labels.

    Returns
    -------
    numpy.ndarray
        uint8, of the shape that the file's head states.

    Raises
    ------
    InputError
        When the file cannot be unpacked, is of another kind, or is too short or too long.
    """
    content = _unpacked(path)
    expected_magic = bytes([0, 0, _UBYTE, ndim])
    if content[:4] != expected_magic:
        raise InputError(
            f"{str(path)!r} begins with the bytes {content[:4].hex()}: expected "
            f"{expected_magic.hex()} (idx, unsigned bytes, {ndim} axes); download it again"
        )
    start = 4 + 4 * ndim
    shape = tuple(
        int(side) for side in np.frombuffer(content[4:start].ljust(4 * ndim, b"\0"), ">u4")
    )
    if len(content) - start != prod(shape):
        raise InputError(
            f"{str(path)!r} holds {max(len(content) - start, 0)} bytes of data: its header "
            f"announces {prod(shape)} (shape {shape}); download it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) as stream:
            return stream.read()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{str(path)!r} cannot be unpacked ({error}): expected a whole .gz file; download it "
            "again"
        ) from error


def _read_split(
    files: dict[str, tuple[RemoteFile, RemoteFile]], folder: Path, split: str
) -> tuple[Pixels, Labels]:
    images_file, labels_file = files["test" if split == "test" else "train"]
    images = read_idx(fetch(images_file, folder), ndim=3)
    labels = read_idx(fetch(labels_file, folder), ndim=1)
    _check_pair(images, labels, folder)
    everything = images[:, None], labels.astype(np.int64)
    return everything if split == "test" else hold_out(*everything, split)


def _check_pair(images: Pixels, labels: NDArray[np.uint8], folder: Path) -> None:
    if len(images) != len(labels):
        raise InputError(
            f"the files in {str(folder)!r} hold {len(images)} images and {len(labels)} labels: "
            "expected equally many of both; download them again"
        )
    if labels.size and labels.max() >= _CLASSES:
        raise InputError(
            f"the label file in {str(folder)!r} holds {labels.max()}: expected 0 to {_CLASSES - 1}"
        )
