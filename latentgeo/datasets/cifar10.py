"""CIFAR-10, from its binary version."""

import tarfile
import zlib
from pathlib import Path

import numpy as np

from latentgeo.datasets.download import RemoteFile, fetch
from latentgeo.datasets.splits import Labels, Pixels, hold_out
from latentgeo.errors import InputError

ARCHIVE = RemoteFile(
    "cifar-10-binary.tar.gz",
    170_052_171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    ("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/"),
)
CLASS_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

_SHAPE = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32
_FOLDER = "cifar-10-batches-bin"
_MEMBERS = {
    "train": tuple(f"{_FOLDER}/data_batch_{number}.bin" for number in range(1, 6)),
    "test": (f"{_FOLDER}/test_batch.bin",),
}


def read_cifar10(folder: Path, split: str, size: int | None) -> tuple[Pixels, Labels]:
    """Read CIFAR-10; "validation" is the last 5,000 of the 50,000 training images.

    The archive is read where it lies: nothing is unpacked to the disk.

    Parameters
    ----------
    folder : pathlib.Path
        Where cifar-10-binary.tar.gz lies, or is downloaded to.
    split : str
        "train" (45,000), "validation" (5,000) or "test" (10,000).
    size : int or None
        Not used: `load` resizes.

    Returns
    -------
    images : numpy.ndarray
        Shape (n, 3, 32, 32), uint8.
    labels : numpy.ndarray
        Shape (n,), int64.
    """
    members = _MEMBERS["test" if split == "test" else "train"]
    records = _records(fetch(ARCHIVE, folder), members)
    images, labels = records[:, 1:].reshape(-1, *_SHAPE), records[:, 0].astype(np.int64)
    return (images, labels) if split == "test" else hold_out(images, labels, split)


def _records(path: Path, members: tuple[str, ...]) -> Pixels:
    try:
        with tarfile.open(path) as archive:
            batches = [_batch(archive, member) for member in members]
    except (tarfile.TarError, OSError, EOFError, zlib.error, KeyError) as error:
        raise InputError(
            f"{str(path)!r} cannot be read ({error}): expected CIFAR-10, binary version; "
            "download it again"
        ) from error
    return np.concatenate(batches)


def _batch(archive: tarfile.TarFile, member: str) -> Pixels:
    stream = archive.extractfile(member)
    if stream is None:
        raise KeyError(f"{member} is not a file")
    content = np.frombuffer(stream.read(), np.uint8)
    if not content.size or content.size % _RECORD or content[::_RECORD].max() >= len(CLASS_NAMES):
        raise InputError(
            f"{member!r} in {archive.name!r} holds {content.size} bytes: expected records of "
            f"{_RECORD} bytes that begin with a class from 0 to 9; download it again"
        )
    return content.reshape(-1, _RECORD)
