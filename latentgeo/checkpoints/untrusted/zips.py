"""Zip archives, checked before anything trusts them.

A file can be a zip archive to one reader and another one to the next. So only the plain form that
PyTorch writes is let through, in which Python's reader and PyTorch's see the same entries.
"""

import os
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from latentgeo.errors import InputError

MOST_ENTRIES = 100_000
_END, _END_64, _LOCATOR_64, _LOCAL = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x03\x04"
_END_SIZE, _END_64_SIZE, _LOCATOR_64_SIZE, _LOCAL_SIZE = 22, 56, 20, 30
_FULL_16, _FULL_32 = 0xFFFF, 0xFFFFFFFF
_ENCRYPTED = 0x1
_UNREADABLE = (ValueError, EOFError, RuntimeError, NotImplementedError, struct.error)
_AGAIN = "copy it again from where it came"


class Archive(NamedTuple):
    """What a zip archive holds, all of it checked.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    root : str
        The folder that all entries lie in.
    entries : dict
        Sizes in bytes by the name within that folder.
    places : dict
        Where the content of each begins in the file.
    """

    path: Path
    root: str
    entries: dict[str, int]
    places: dict[str, int]

    def read(self, name: str, most: int) -> bytes:
        """Read one entry whole; raise `InputError` when it is damaged or over `most` bytes."""
        if self.entries[name] > most:
            raise InputError(
                f"entry {name!r} of {str(self.path)!r} has {self.entries[name]} bytes, expected at "
                f"most {most}; it is not what PyTorch writes, so it is not read"
            )
        try:
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(f"{self.root}/{name}")
        except (zipfile.BadZipFile, zlib.error, OSError, *_UNREADABLE) as error:
            raise InputError(
                f"entry {name!r} of {str(self.path)!r} is damaged ({error}); {_AGAIN}"
            ) from None


def check_zip(path: Path, max_bytes: int) -> Archive:
    """Check a zip archive by its directory, without unpacking anything.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    max_bytes : int
        Most bytes that all entries may have together, unpacked.

    Returns
    -------
    Archive
        Its entries.

    Raises
    ------
    InputError
        When it is cut short, lies about sizes, or holds entries that overlap, leave their folder,
        repeat a name, are encrypted or compressed.
    """
    with path.open("rb") as stream:
        start = _check_end(stream, path)
        infos = _read_directory(stream, path)
        _check_entries(infos, path, max_bytes)
        places = _check_places(stream, infos, start, path)
    root, names = _names(infos, path)
    sizes = {name: info.file_size for name, info in zip(names, infos, strict=True)}
    starts = {n: places[info.header_offset] for n, info in zip(names, infos, strict=True)}
    return Archive(path, root, sizes, starts)


def _check_end(stream: BinaryIO, path: Path) -> int:
    """Find the directory as both readers do; return where it starts."""
    size = stream.seek(0, os.SEEK_END)
    if size < _END_SIZE:
        raise _cut_short(path)
    stream.seek(size - _END_SIZE)
    record = stream.read(_END_SIZE)
    if record[:4] != _END or record[-2:] != b"\0\0":
        raise _cut_short(path)
    disk, first, here, count, length, start = struct.unpack("<4x4H2L2x", record)
    end = size - _END_SIZE
    if (found := _read_end_64(stream, end, path)) is not None:
        count, length, start, end = found
    elif _FULL_16 in (count, disk) or _FULL_32 in (length, start):
        raise _damaged(path, "its directory has no place")
    elif (disk, first, here) != (0, 0, count):
        raise _damaged(path, "it is one of several parts")
    if start + length != end:
        raise _damaged(path, "its directory is not where it says")
    if count > MOST_ENTRIES:
        raise InputError(
            f"{str(path)!r} says that it holds {count} entries, expected at most {MOST_ENTRIES}; "
            "it is not what PyTorch writes, so it is not opened"
        )
    return int(start)


def _read_end_64(stream: BinaryIO, end: int, path: Path) -> tuple[int, int, int, int] | None:
    """Read the large form of the end: entries, length and start of the directory, and its end."""
    if end < _LOCATOR_64_SIZE:
        return None
    stream.seek(end - _LOCATOR_64_SIZE)
    locator = stream.read(_LOCATOR_64_SIZE)
    if locator[:4] != _LOCATOR_64:
        return None
    place = end - _LOCATOR_64_SIZE - _END_64_SIZE
    if place < 0 or struct.unpack("<8xQ4x", locator)[0] != place:
        raise _damaged(path, "its directory is not where it says")
    stream.seek(place)
    record = stream.read(_END_64_SIZE)
    if record[:4] != _END_64:
        raise _damaged(path, "its directory is not where it says")
    disk, first, here, count, length, start = struct.unpack("<16x2L4Q", record)
    if (disk, first, here) != (0, 0, count):
        raise _damaged(path, "it is one of several parts")
    return count, length, start, place


def _read_directory(stream: BinaryIO, path: Path) -> list[zipfile.ZipInfo]:
    """Read the entries of the directory, which `_check_end` has found."""
    try:
        with zipfile.ZipFile(stream) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError, OSError) as error:
        raise _damaged(path, str(error)) from None
    if not infos:
        raise _damaged(path, "it is empty")
    return infos


def _check_entries(infos: list[zipfile.ZipInfo], path: Path, max_bytes: int) -> None:
    """Check what each entry says about itself, before a byte is unpacked."""
    unpacked = sum(info.file_size for info in infos)
    if unpacked > max_bytes:
        raise InputError(
            f"{str(path)!r} says that it unpacks to {unpacked} bytes, expected at most {max_bytes};"
            " if that is its true size, allow more with max_bytes"
        )
    for info in infos:
        if info.flag_bits & _ENCRYPTED:
            raise _not_ours(path, info, "is encrypted")
        if info.compress_type != zipfile.ZIP_STORED:
            raise _not_ours(path, info, "is compressed, where PyTorch stores tensors as they are")
        if info.compress_size != info.file_size:
            raise _not_ours(path, info, "gives two sizes for itself")


def _check_places(
    stream: BinaryIO, infos: list[zipfile.ZipInfo], directory: int, path: Path
) -> dict[int, int]:
    """Check that entries lie one after the other, where the directory says, under their names.

    Returns where the content of each entry begins, by the place of its header.
    """
    free = 0
    places = {}
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < free:
            raise _not_ours(path, info, "overlaps another one, as in a zip bomb")
        stream.seek(info.header_offset)
        header = stream.read(_LOCAL_SIZE)
        if len(header) < _LOCAL_SIZE or header[:4] != _LOCAL:
            raise _damaged(path, f"entry {info.filename!r} is not where the directory says")
        method, length, extra = struct.unpack("<8xH16x2H", header)
        name = stream.read(length)
        if method != info.compress_type or name != _raw_name(info):
            raise _not_ours(path, info, "is another one in its own place than in the directory")
        places[info.header_offset] = info.header_offset + _LOCAL_SIZE + length + extra
        free = places[info.header_offset] + info.compress_size
    if free > directory:
        raise _damaged(path, "an entry runs into the directory")
    return places


def _names(infos: list[zipfile.ZipInfo], path: Path) -> tuple[str, list[str]]:
    """Return the folder that all entries share, and their names within."""
    root = infos[0].orig_filename.split("/")[0]
    names: list[str] = []
    seen: set[str] = set()
    for info in infos:
        name = info.orig_filename
        steps = name.split("/")
        if (
            "\0" in name
            or "\\" in name
            or PurePosixPath(name).is_absolute()
            or ".." in steps
            or steps[0].endswith(":")
        ):
            raise _not_ours(path, info, "would leave its folder")
        if len(steps) < 2 or steps[0] != root or not all(steps):
            raise InputError(
                f"{str(path)!r} is a zip archive, but not one of PyTorch's, whose entries lie in "
                f"one folder (here {name!r} does not); give the file that holds the weights"
            )
        # PyTorch's reader looks names up without regard to case.
        if name.casefold() in seen:
            raise _not_ours(path, info, "is there twice, so readers take different ones")
        seen.add(name.casefold())
        names.append("/".join(steps[1:]))
    return root, names


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    """Return the bytes of a name as the directory holds them."""
    return info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437")


def _cut_short(path: Path) -> InputError:
    return InputError(
        f"{str(path)!r} is a zip archive without its end: it was cut short or something was "
        f"appended; {_AGAIN}"
    )


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(f"{str(path)!r} is a damaged zip archive ({reason}); {_AGAIN}")


def _not_ours(path: Path, info: zipfile.ZipInfo, what: str) -> InputError:
    return InputError(
        f"entry {info.filename!r} of {str(path)!r} {what}; it is not what PyTorch writes, so the "
        "file is not opened"
    )
