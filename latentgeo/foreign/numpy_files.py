"""Arrays in .npy and .npz files of others: never unpickled, and measured before they are read."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from latentgeo.errors import InputError
from latentgeo.foreign.room import check_room
from latentgeo.foreign.stand_ins import describe_stand_in


def read_numpy(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of a .npy or .npz file.

    Parameters
    ----------
    path : pathlib.Path
        The file; its ending says which.

    Returns
    -------
    dict of str to numpy.ndarray
        By their names; that of .npy is empty.

    Raises
    ------
    InputError
        When they take more than there is room for.
    Exception
        Of NumPy and zipfile, when it cannot be read or holds objects.
    """
    if (found := describe_stand_in(path)) is not None:
        raise InputError(f"{str(path)!r} holds no arrays, but is {found}")
    if path.suffix.lower() == ".npy":
        with path.open("rb") as stream:
            if stream.read(len(_MAGIC)) != _MAGIC:
                raise ValueError("it does not begin as a .npy file does")
        # Mapped first: a header that promises more than the file has takes no memory then.
        return {"": np.array(np.load(path, mmap_mode="r", allow_pickle=False))}
    with ZipFile(path) as archive:
        needed = sum(_size_of_npy(archive, entry) for entry in archive.infolist())
    check_room(path, needed, path.stat().st_size)
    with np.load(path, allow_pickle=False) as held:
        return {name: held[name] for name in held.files}


def _size_of_npy(archive: ZipFile, entry: ZipInfo) -> int:
    """Return what an array takes; raise `ValueError` where it says more than its entry has."""
    with archive.open(entry) as stream:
        version = np.lib.format.read_magic(stream)  # type: ignore[no-untyped-call]
        shape, _, dtype = _HEADERS[version](stream)
    needed = dtype.itemsize * math.prod(shape)
    if needed > entry.file_size:
        raise ValueError(f"{entry.filename!r} says {needed} bytes and has {entry.file_size}")
    return int(needed)


_MAGIC = b"\x93NUMPY"
_HEADERS: dict[tuple[int, int], Callable[..., Any]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
