"""MNIST and sets of its format: gzipped idx files."""

import gzip
import zlib
from math import prod
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from latentgeo.datasets.download import RemoteFile, fetch
from latentgeo.datasets.splits import Labels, Pixels, hold_out
from latentgeo.errors import InputError
from latentgeo.foreign.room import check_room

_UBYTE = 8
_GZIP = b"\x1f\x8b"
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


def _mnist(name: str, n_bytes: int, sha256: str, content_sha256: str) -> RemoteFile:
    return RemoteFile(name, n_bytes, sha256, _MNIST_MIRRORS, content_sha256)


def _fashion(name: str, n_bytes: int, sha256: str, content_sha256: str) -> RemoteFile:
    return RemoteFile(name, n_bytes, sha256, _FASHION_MIRRORS, content_sha256)


#: Published part ("train" or "test") → file of images, file of labels.
MNIST_FILES = {
    "train": (
        _mnist(
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        _mnist(
            "train-labels-idx1-ubyte.gz",
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
    ),
    "test": (
        _mnist(
            "t10k-images-idx3-ubyte.gz",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        _mnist(
            "t10k-labels-idx1-ubyte.gz",
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
}
FASHION_FILES = {
    "train": (
        _fashion(
            "train-images-idx3-ubyte.gz",
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        _fashion(
            "train-labels-idx1-ubyte.gz",
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
    ),
    "test": (
        _fashion(
            "t10k-images-idx3-ubyte.gz",
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        _fashion(
            "t10k-labels-idx1-ubyte.gz",
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
}


def read_mnist(folder: Path, split: str, size: int | None) -> tuple[Pixels, Labels]:
    """Read MNIST; "validation" is the last 5,000 of the 60,000 training images.

    Parameters
    ----------
    folder : pathlib.Path
        Where the four canonical files lie, or are downloaded to. Copies that were unpacked or
        packed anew are known by their content, and so are those of torchvision (`raw`, or
        `MNIST/raw` beside this folder) and of Kaggle (`train-images.idx3-ubyte`).
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
    return _read_split(MNIST_FILES, folder, split, "MNIST")


def read_fashion_mnist(
    folder: Path,
    split: str,
    size: int | None,
) -> tuple[Pixels, Labels]:
    """Read Fashion-MNIST; format, splits and parameters are those of `read_mnist`."""
    return _read_split(FASHION_FILES, folder, split, "FashionMNIST")


def read_idx(path: Path, ndim: int) -> NDArray[np.uint8]:
    """Read one idx file of bytes, gzipped or not.

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
    try:
        with _unpacked(path) as stream:
            return _read_idx(stream, path, ndim)
    except FileNotFoundError:
        raise InputError(
            f"{str(path)!r} does not exist; images and their labels lie in one folder"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{str(path)!r} cannot be unpacked ({error}): expected a whole .gz file; download it "
            "again"
        ) from error


def _unpacked(path: Path) -> BinaryIO:
    with path.open("rb") as stream:
        packed = path.suffix == ".gz" or stream.read(len(_GZIP)) == _GZIP
    return cast(BinaryIO, gzip.open(path)) if packed else path.open("rb")


def _read_idx(stream: BinaryIO, path: Path, ndim: int) -> NDArray[np.uint8]:
    """Read no more than the head announces, once that is known to have room."""
    expected_magic = bytes([0, 0, _UBYTE, ndim])
    magic, sides = stream.read(4), stream.read(4 * ndim)
    if magic != expected_magic:
        raise InputError(
            f"{str(path)!r} begins with the bytes {magic.hex()}: expected "
            f"{expected_magic.hex()} (idx, unsigned bytes, {ndim} axes); download it again"
        )
    shape = tuple(int(side) for side in np.frombuffer(sides.ljust(4 * ndim, b"\0"), ">u4"))
    announced = prod(shape)
    check_room(path, announced, path.stat().st_size)
    content = stream.read(announced)
    more = bool(stream.read(1))
    if len(sides) < 4 * ndim or len(content) != announced or more:
        raise InputError(
            f"{str(path)!r} holds {'more than ' * more}{len(content)} bytes of data: its header "
            f"announces {announced} (shape {shape}); download it again"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _read_split(
    files: dict[str, tuple[RemoteFile, RemoteFile]], folder: Path, split: str, torchvision: str
) -> tuple[Pixels, Labels]:
    images_file, labels_file = (
        fetch(file, folder, _copies(file.name, folder, torchvision))
        for file in files["test" if split == "test" else "train"]
    )
    return read_pair(images_file, labels_file, split, _CLASSES)


def read_pair(
    images_file: Path, labels_file: Path, split: str, classes: int = 1 << 8
) -> tuple[Pixels, Labels]:
    """Read images with their labels; those of training are parted as for `read_mnist`."""
    folder = images_file.parent
    images = read_idx(images_file, ndim=3)
    labels = read_idx(labels_file, ndim=1)
    _check_pair(images, labels, folder, classes)
    everything = images[:, None], labels.astype(np.int64)
    return everything if split == "test" else hold_out(*everything, split)


def _copies(name: str, folder: Path, torchvision: str) -> list[Path]:
    """Return where others leave a file: torchvision in `raw`, Kaggle within folders."""
    plain = name.removesuffix(".gz")
    dotted = plain.replace("-idx", ".idx")
    spelled = [name, plain, dotted, f"{plain}/{plain}", f"{dotted}/{dotted}", f"{plain}/{dotted}"]
    raw = f"{torchvision}/raw"
    places = [folder, folder / "raw", folder / raw, folder.parent / raw]
    return [place / one for place in places for one in spelled]


def find_pairs(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Return the idx files of images with those of their labels, "train" and "test", in a folder.

    They lie in it, in its folder `raw`, or in the `raw` of a folder in it.

    Raises
    ------
    InputError
        When a split has several.
    """
    for place in (folder, folder / "raw", *sorted(folder.glob("*/raw"))):
        images = sorted(path for path in place.glob("*images*idx3-ubyte*") if path.is_file())
        pairs: dict[str, tuple[Path, Path]] = {}
        for path in images:
            labels = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
            split = "train" if "train" in path.name else "test"
            known = pairs.setdefault(split, (path, labels))
            if _plain(known[0].name) != _plain(path.name):
                raise InputError(
                    f"{str(place)!r} has two sets of {split} images, {known[0].name!r} and "
                    f"{path.name!r}; move one into a folder of its own"
                )
        if pairs:
            return pairs
    return {}


def _plain(name: str) -> str:
    """Return the name of an idx file as its publisher spells it, unpacked."""
    return name.removesuffix(".gz").replace(".idx", "-idx")


def _check_pair(images: Pixels, labels: NDArray[np.uint8], folder: Path, classes: int) -> None:
    if len(images) != len(labels):
        raise InputError(
            f"the files in {str(folder)!r} hold {len(images)} images and {len(labels)} labels: "
            "expected equally many of both; download them again"
        )
    if not images.size:
        raise InputError(f"the files in {str(folder)!r} hold no images (shape {images.shape})")
    if labels.max() >= classes:
        raise InputError(
            f"the label file in {str(folder)!r} holds {labels.max()}: expected 0 to {classes - 1}"
        )
