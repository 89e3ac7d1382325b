"""CIFAR-10, from its binary version or the one for Python."""

import pickletools
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np

from latentgeo.datasets.download import RemoteFile, fetch
from latentgeo.datasets.splits import Labels, Pixels, hold_out
from latentgeo.errors import InputError
from latentgeo.foreign.room import check_room

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
_PIXELS = 3 * 32 * 32
_RECORD = 1 + _PIXELS
_COPIES = 3  # what is read, its records, and all of them together
_BINARY, _PYTHON = "cifar-10-batches-bin", "cifar-10-batches-py"
_PYTHON_ARCHIVE = "cifar-10-python.tar.gz"
_MEMBERS = {
    "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
    "test": ("test_batch",),
}


def read_cifar10(folder: Path, split: str, size: int | None) -> tuple[Pixels, Labels]:
    """Read CIFAR-10; "validation" is the last 5,000 of the 50,000 training images.

    The archive is read where it lies: nothing is unpacked to the disk. What torchvision and Kaggle
    leave is read too, there or unpacked, beside this folder or in it: the version for Python,
    which is a pickle, is read as text and never unpickled.

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
    found = find_cifar10(folder) or find_cifar10(folder.parent)
    records = _records(fetch(ARCHIVE, folder) if found is None else found, members)
    images, labels = records[:, 1:].reshape(-1, *_SHAPE), records[:, 0].astype(np.int64)
    return (images, labels) if split == "test" else hold_out(images, labels, split)


def find_cifar10(folder: Path) -> Path | None:
    """Return the archive or folder of CIFAR-10 that lies in a folder, or is it; None if none."""
    if folder.name in (_BINARY, _PYTHON) and folder.is_dir():
        return folder
    names = (ARCHIVE.name, _BINARY, _PYTHON, f"{_PYTHON}/{_PYTHON}", _PYTHON_ARCHIVE)
    found = next((folder / name for name in names if (folder / name).exists()), None)
    # The canonical archive is known by its checksum.
    return fetch(ARCHIVE, folder) if found is not None and found.name == ARCHIVE.name else found


def _records(path: Path, members: tuple[str, ...]) -> Pixels:
    """Read the records of some batches: a class and the pixels of each image."""
    python = _PYTHON in path.parts or path.name == _PYTHON_ARCHIVE
    suffix, inner, read = ("", _PYTHON, _pickled) if python else (".bin", _BINARY, _binary)
    names = [f"{member}{suffix}" for member in members]
    if path.is_dir():
        sizes = [_size(path / name) for name in names]
        check_room(path, _COPIES * sum(sizes), sum(sizes))
        return np.concatenate([read(_content(path / name), str(path / name)) for name in names])
    try:
        with tarfile.open(path) as archive:
            found = [_member(archive, f"{inner}/{name}") for name in names]
            check_room(path, _COPIES * sum(one.size for one in found), path.stat().st_size)
            contents = [_content_of(archive, one) for one in found]
    except (tarfile.TarError, OSError, EOFError, zlib.error, KeyError) as error:
        raise InputError(
            f"{str(path)!r} cannot be read ({error}): expected CIFAR-10, binary version or the one "
            "for Python; download it again"
        ) from error
    return np.concatenate(
        [
            read(content, f"{name}' in '{path}")
            for content, name in zip(contents, names, strict=True)
        ]
    )


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{str(path)!r} cannot be read ({error.strerror}): expected a batch of CIFAR-10"
        ) from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _member(archive: tarfile.TarFile, name: str) -> tarfile.TarInfo:
    found = archive.getmember(name)
    if not found.isfile():
        raise KeyError(f"{name} is not a file")
    return found


def _content_of(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    return b"" if stream is None else stream.read()


def _binary(content: bytes, name: str) -> Pixels:
    records = np.frombuffer(content, np.uint8)
    if not records.size or records.size % _RECORD or records[::_RECORD].max() >= len(CLASS_NAMES):
        raise InputError(
            f"'{name}' holds {records.size} bytes: expected records of {_RECORD} bytes that begin "
            "with a class from 0 to 9; download it again"
        )
    return records.reshape(-1, _RECORD)


def _pickled(content: bytes, name: str) -> Pixels:
    """Read a batch of the version for Python, as text: its pickle is followed, not run.

    It holds a dictionary with the labels, a list of numbers, and the pixels, the state of an array
    as one string of bytes, before which the array says whether it lies by columns.
    """
    pixels, by_columns = b"", False
    labels: list[int] = []
    within, flag = "", False
    try:
        for opcode, value, _ in pickletools.genops(content):
            kind = opcode.name
            if kind in ("NEWTRUE", "NEWFALSE"):
                flag = kind == "NEWTRUE"
            elif isinstance(value, str | bytes) and not kind.endswith(("PUT", "GET", "GLOBAL")):
                raw = value.encode("latin-1", "replace") if isinstance(value, str) else value
                if len(raw) > len(pixels) and len(raw) >= _PIXELS and len(raw) % _PIXELS == 0:
                    pixels, by_columns = raw, flag
                within = str(value)[:32] if len(raw) < 32 else ""
            elif "labels" in within and kind in ("BININT", "BININT1", "BININT2"):
                labels.append(int(value or 0))
    except (ValueError, IndexError, struct.error, EOFError, OverflowError) as error:
        raise InputError(f"'{name}' is no pickle ({error}); download it again") from None
    count = len(pixels) // _PIXELS
    if not count or len(labels) != count or not all(0 <= one < len(CLASS_NAMES) for one in labels):
        raise InputError(
            f"'{name}' holds {count} images and {len(labels)} labels: expected a batch of CIFAR-10 "
            "as its publisher made it; download it again, or take the binary version"
        )
    table = np.frombuffer(pixels, np.uint8)
    rows = table.reshape(_PIXELS, count).T if by_columns else table.reshape(count, _PIXELS)
    return np.concatenate([np.array(labels, np.uint8)[:, None], rows], axis=1)
