"""Zarr folders that others may have written, checked before zarr reads them.

Zarr asks a registry for whatever codec a file names, makes arrays of the size that it declares, and
unpacks as much as a chunk gives. Here the plain form is let through that latentgeo, xarray and
zarr write by themselves: format 3, numbers and texts, one compression.
"""

import math
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from latentgeo.errors import InputError
from latentgeo.foreign.room import check_room
from latentgeo.foreign.texts import read_json

_META = "zarr.json"
_UNFINISHED = ".partial"  # what zarr was killed in writing; it reads none
_NUMBERS = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
)
_TEXT = "string"
_ROOM_OF_TEXT = 64  # bytes of memory that a short text takes
_MOST_TEXT = 64 << 20  # bytes of texts in one chunk
_CHECKSUM = "crc32c"
_CHECKSUM_SIZE = 4
_MOST_CHUNKS = 200_000
_MOST_FILES = 1_000_000
_MOST_META = 16 << 20
_DEEPEST = 16
_AGAIN = "encode, analyse or interpolate again with this version"


class _Array(NamedTuple):
    """What an array says of itself."""

    folder: Path
    kind: str
    compression: str
    summed: bool
    chunk: int
    items: int
    chunks: int

    @property
    def itemsize(self) -> int:
        return _ROOM_OF_TEXT if self.kind == _TEXT else np.dtype(self.kind).itemsize


def check_zarr(path: Path, most: float | None = None) -> None:
    """Check a zarr folder without making anything of what it holds.

    Parameters
    ----------
    path : pathlib.Path
        The folder.
    most : float, optional
        Most bytes that all arrays may take in memory; what the machine has if left out.

    Raises
    ------
    InputError
        When it is of another format than 3, holds links, an array of other things than numbers and
        texts, another codec than bytes, vlen-utf8, zstd, blosc, gzip and crc32c; when its arrays
        take more than `most` bytes, or a chunk would unpack to more than its array says.
    """
    arrays = [found for meta in _metas(path) if (found := _read_array(meta, path)) is not None]
    needed = sum(array.items * array.itemsize for array in arrays)
    chunks = [(file, array) for array in arrays for file in _files(array.folder / "c")]
    check_room(path, needed, sum(file.stat().st_size for file, _ in chunks), most)
    if sum(array.chunks for array in arrays) > _MOST_CHUNKS:
        raise _refused(path, f"its arrays are in over {_MOST_CHUNKS} pieces", _AGAIN)
    for file, array in chunks:
        _check_chunk(file, array)


def _refused(path: Path, reason: str, way_out: str) -> InputError:
    return InputError(f"{str(path)!r} is not read: {reason}; {way_out}")


def _metas(root: Path) -> Iterator[Path]:
    """Yield the files that describe groups and arrays."""
    if not (root / _META).is_file():
        raise _refused(root, f"it is not of zarr's format 3 (no {_META})", _AGAIN)
    for path in _files(root):
        if path.name in (".zgroup", ".zarray", ".zmetadata"):
            raise _refused(path, "it is of zarr's format 2, expected 3", _AGAIN)
        if path.name == _META:
            yield path


def _files(place: Path) -> Iterator[Path]:
    """Yield the regular files of a folder, or the file; refuse links and what else there is."""
    if place.is_file() and not place.is_symlink():
        yield place
        return
    if not place.exists() and not place.is_symlink():
        return
    folders, count = [(place, 0)], 0
    while folders:
        folder, depth = folders.pop()
        if depth > _DEEPEST:
            raise _refused(place, f"its folders are more than {_DEEPEST} deep", _AGAIN)
        with os.scandir(folder) as entries:
            for entry in entries:
                count += 1
                found = Path(entry.path)
                if count > _MOST_FILES:
                    raise _refused(place, f"it holds over {_MOST_FILES} files", _AGAIN)
                if entry.is_dir(follow_symlinks=False):
                    folders.append((found, depth + 1))
                elif entry.is_file(follow_symlinks=False):
                    if found.suffix != _UNFINISHED:
                        yield found
                else:
                    raise _refused(found, "it is a link or no regular file", "copy what it names")


def _read_array(meta: Path, root: Path) -> _Array | None:
    """Read what an array says of itself; None for a group."""
    found = read_json(meta, _AGAIN, most=_MOST_META)
    try:
        if found["zarr_format"] != 3:
            raise _refused(root, f"it is of zarr's format {found['zarr_format']!r}", _AGAIN)
        if found["node_type"] == "group":
            return None
        return _array(meta.parent, found)
    except (KeyError, TypeError, AttributeError, IndexError):
        raise _refused(meta, "it does not describe an array as zarr 3 does", _AGAIN) from None


def _array(folder: Path, found: dict[str, Any]) -> _Array:
    kind, shape = found["data_type"], found["shape"]
    if kind not in (*_NUMBERS, _TEXT):
        raise _refused(
            folder, f"it holds {kind!r}, expected numbers or texts", "save it as floating point"
        )
    grid, keys = found["chunk_grid"], found["chunk_key_encoding"]
    chunks = grid["configuration"]["chunk_shape"]
    plain = grid["name"] == "regular" and keys["name"] == "default"
    plain &= keys.get("configuration", {}).get("separator", "/") == "/"
    if not plain or found.get("storage_transformers"):
        raise _refused(folder, "its chunks do not lie in a regular grid", _AGAIN)
    if not (_are_sizes(shape, 0) and _are_sizes(chunks, 1) and len(shape) == len(chunks)):
        raise _refused(folder, f"it has no shape that can be: {shape} in {chunks}", _AGAIN)
    count = math.prod(-(-size // chunk) for size, chunk in zip(shape, chunks, strict=True))
    # A chunk is whole in memory, also where the array is smaller.
    size = math.prod(chunks)
    compression, summed = _codecs(folder, found["codecs"], kind)
    return _Array(folder, kind, compression, summed, size, count * size, count)


def _are_sizes(values: Any, least: int) -> bool:
    return isinstance(values, list) and all(type(n) is int and n >= least for n in values)


def _codecs(folder: Path, codecs: list[dict[str, Any]], kind: str) -> tuple[str, bool]:
    """Return the compression, empty for none, and whether a checksum follows it."""
    names = [codec["name"] for codec in codecs]
    first, others = names[:1], names[1:]
    summed = others[-1:] == [_CHECKSUM]
    compressions = others[:-1] if summed else others
    expected = "vlen-utf8" if kind == _TEXT else "bytes"
    if first != [expected] or len(compressions) > 1 or not set(compressions) <= set(_UNPACKED):
        raise _refused(
            folder,
            f"it is coded by {names}, expected {expected!r}, then one of "
            f"{', '.join(_UNPACKED)}, then {_CHECKSUM!r}, if anything",
            _AGAIN,
        )
    return (compressions or [""])[0], summed


def _check_chunk(path: Path, array: _Array) -> None:
    """Refuse a chunk that would unpack to more than its array says."""
    most = _MOST_TEXT if array.kind == _TEXT else array.chunk * array.itemsize
    stored = path.stat().st_size - _CHECKSUM_SIZE * array.summed
    if stored > most + most // 16 + 4096:  # more than what cannot be compressed takes
        raise _bomb(path, f"has {stored} bytes", most)
    if not array.compression and array.kind != _TEXT:
        return
    content = path.read_bytes()[: max(stored, 0)]
    size = _UNPACKED[array.compression](content, most) if array.compression else len(content)
    if size is None or size > most:
        says = "does not say what it unpacks to" if size is None else f"unpacks to {size} bytes"
        raise _bomb(path, says, most)
    if array.kind == _TEXT:
        _check_texts(path, content, array)


def _bomb(path: Path, says: str, most: int) -> InputError:
    return _refused(path, f"it {says}, expected at most {most}", _AGAIN)


def _check_texts(path: Path, content: bytes, array: _Array) -> None:
    """Check how many texts a chunk says that it holds: room is made for them first."""
    try:
        plain = _unpacked(content, array.compression) if array.compression else content
    except Exception as error:  # codecs raise many kinds
        raise _refused(path, f"it is damaged ({error})", "copy it again") from None
    count = int.from_bytes(bytes(memoryview(plain)[:4]), "little")
    if count != array.chunk:
        raise _refused(path, f"it says {count} texts, expected {array.chunk}", "copy it again")


def _unpacked(content: bytes, compression: str) -> Any:
    from numcodecs import Blosc, GZip, Zstd  # slow to import

    codec: Any = {"zstd": Zstd, "blosc": Blosc, "gzip": GZip}[compression]
    return codec().decode(content)


def _size_in_zstd(content: bytes, most: int) -> int | None:
    """Return what the one frame says that it unpacks to (RFC 8878); None where it does not."""
    if content[:4] != b"\x28\xb5\x2f\xfd" or len(content) < 6:
        return None
    descriptor = content[4]
    single, named = bool(descriptor & 0x20), descriptor >> 6
    start = 5 + (not single) + (0, 1, 2, 4)[descriptor & 3]
    width = (int(single), 2, 4, 8)[named]
    end = _end_of_frame(content, start + width) + 4 * bool(descriptor & 4)
    if not width or end != len(content):  # of several frames each is unpacked
        return None
    return int.from_bytes(content[start : start + width], "little") + 256 * (named == 1)


def _end_of_frame(content: bytes, place: int) -> int:
    last = False
    while not last and place + 3 <= len(content):
        header = int.from_bytes(content[place : place + 3], "little")
        last, repeated = bool(header & 1), (header >> 1) & 3 == 1
        place += 3 + (1 if repeated else header >> 3)
    return place


def _size_in_blosc(content: bytes, most: int) -> int | None:
    return int.from_bytes(content[4:8], "little") if len(content) >= 16 else None


def _size_in_gzip(content: bytes, most: int) -> int | None:
    """Unpack at most one byte more than there may be."""
    size = 0
    try:
        while content and size <= most:
            stream = zlib.decompressobj(wbits=31)
            size += len(stream.decompress(content, most + 1 - size))
            content = stream.unused_data
    except zlib.error:
        return None
    return size


_UNPACKED = {"zstd": _size_in_zstd, "blosc": _size_in_blosc, "gzip": _size_in_gzip}
