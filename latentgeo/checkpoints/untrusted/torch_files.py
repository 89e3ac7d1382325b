"""What torch.save writes, checked and read without PyTorch's own readers."""

import os
import struct
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from latentgeo.checkpoints.untrusted.pickles import (
    MOST_BYTES,
    DamagedPickleError,
    Outline,
    Storage,
    UnsafePickleError,
    build,
    outline,
)
from latentgeo.checkpoints.untrusted.zips import Archive, check_zip
from latentgeo.errors import InputError

DATA = "data.pkl"
_WORD = 16
_PICKLES = (".pkl", ".pickle")
_HEADERS = 3  # magic number, version of the protocol, sizes of numbers
Loaded = tuple[object, list[str]]

_SAVE_AGAIN = "save the weights alone (torch.save(model.state_dict(), …), or as safetensors)"


def load_torch(path: Path, max_bytes: int) -> Loaded:
    """Check an archive of torch.save and read it, with its tensors mapped.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    max_bytes : int
        Most bytes that it may unpack to.

    Returns
    -------
    tuple of object and list of str
        What was saved, and the names that were passed over.

    Raises
    ------
    InputError
        When it is damaged, lies about sizes or would import what weights do not need.
    """
    archive = check_zip(path, max_bytes)
    found = check_records(archive)
    if "byteorder" in archive.entries and archive.read("byteorder", _WORD) != b"little":
        raise damaged(path, "its numbers are written the other way round (big-endian)")
    mapped = torch.UntypedStorage.from_file(str(path), False, path.stat().st_size)

    def numbers(storage: Storage) -> torch.UntypedStorage:
        start = archive.places[f"data/{storage.key}"]
        part: torch.UntypedStorage = mapped[start : start + storage.nbytes]
        return part

    return _built(found, numbers, path)


def load_legacy(path: Path) -> Loaded:
    """Check a file of torch.save before PyTorch 1.6 and read it.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    tuple of object and list of str
        What was saved, and the names that were passed over.

    Raises
    ------
    InputError
        When it is damaged, lies about sizes or would import what weights do not need.
    """
    with path.open("rb") as file:
        stream = BytesIO(file.read(MOST_BYTES))
        parts = [follow(stream, path) for _ in range(_HEADERS + 2)]
        file.seek(stream.tell())
        places = _check_numbers(file, parts[-2].storages, _keys(parts[-1], path), path)

        def numbers(storage: Storage) -> torch.UntypedStorage:
            file.seek(places[storage.key])
            content = bytearray(file.read(storage.nbytes))
            return torch.frombuffer(content, dtype=torch.uint8).untyped_storage()

        return _built(parts[-2], numbers, path)


def check_records(archive: Archive) -> Outline:
    """Check all pickles of an archive and the sizes of their storages; return the main one."""
    main = None
    for name in sorted(archive.entries, key=lambda name: name != DATA):
        folder, suffix = os.path.splitext(name)  # noqa: PTH122 - the name of an entry, no path
        if suffix.casefold() in _PICKLES:
            content = archive.read(name, MOST_BYTES)
            found = whole_pickle(content, archive.path)
            _check_storages(found.storages.values(), archive, folder)
            main = main or found
    if DATA not in archive.entries or main is None:
        raise damaged(archive.path, f"it has no {DATA}")
    return main


def refuse_code(path: Path) -> None:
    """Raise `InputError` for a file of no known kind that is a pickle and would import things."""
    with path.open("rb") as file:
        stream = BytesIO(file.read(MOST_BYTES))
    try:
        while stream.tell() < len(stream.getbuffer()):
            outline(stream)
    except UnsafePickleError as error:
        if all(name.replace(".", "").isidentifier() for name in error.names):
            raise unsafe(path, error.names) from None
    except DamagedPickleError:
        return  # no pickle at all


def whole_pickle(content: bytes, path: Path) -> Outline:
    """Follow a pickle, and refuse what comes after its end."""
    stream = BytesIO(content)
    found = follow(stream, path)
    if stream.tell() < len(content):
        follow(stream, path)
        raise damaged(path, "something follows after the end of its pickle")
    return found


def follow(stream: BytesIO, path: Path) -> Outline:
    """Follow the next pickle; say in our words what is wrong with it."""
    try:
        return outline(stream)
    except UnsafePickleError as error:
        raise unsafe(path, error.names) from None
    except DamagedPickleError as error:
        raise damaged(path, str(error)) from None


def unsafe(path: Path, names: list[str]) -> InputError:
    """Build the error for a pickle that is no mere data."""
    shown = ", ".join(repr(name) for name in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return InputError(
        f"{str(path)!r} is a pickle that would import {shown}{more} when opened, which weights do "
        f"not need; nothing of it was run. If you trust where it comes from, {_SAVE_AGAIN} there"
    )


def damaged(path: Path, reason: str) -> InputError:
    """Build the error for a file that makes no sense."""
    return InputError(
        f"{str(path)!r} cannot be read as weights: {first_line(reason)}; copy it again from where "
        f"it came, or {_SAVE_AGAIN}"
    )


def first_line(text: str) -> str:
    """Return the first line of a message, without its full stop."""
    return next(iter(text.strip().splitlines()), "no reason given").rstrip(". ")


def _check_storages(storages: Iterable[Storage], archive: Archive, folder: str) -> None:
    for storage in storages:
        size = archive.entries.get(f"{folder}/{storage.key}")
        if size is None:
            raise damaged(archive.path, f"storage {storage.key!r} is not in the archive")
        if size != storage.nbytes:
            raise damaged(
                archive.path,
                f"storage {storage.key!r} should have {storage.nbytes} bytes and has {size}",
            )


def _keys(listed: Outline, path: Path) -> list[str]:
    keys = listed.value.items if hasattr(listed.value, "items") else None
    if keys is None or not all(isinstance(key, str) for key in keys):
        raise damaged(path, "it does not list its storages")
    return list(keys)


def _check_numbers(
    file: Any, storages: dict[str, Storage], keys: list[str], path: Path
) -> dict[str, int]:
    """Check that after the pickles each storage follows, in full, and nothing else."""
    if set(keys) != set(storages) or len(keys) != len(storages):
        raise damaged(path, "its tensors and the storages that it lists differ")
    place, size = file.tell(), path.stat().st_size
    places = {}
    for key in keys:
        file.seek(place)
        count = file.read(8)
        if len(count) < 8 or struct.unpack("<q", count)[0] != storages[key].numel:
            raise damaged(path, f"storage {key!r} is not where it should be")
        places[key] = place + 8
        place += 8 + storages[key].nbytes
        if place > size:
            raise damaged(path, f"storage {key!r} is cut short")
    if place < size:
        follow(BytesIO(_rest(file, place)), path)
        raise damaged(path, f"{size - place} bytes follow after its last tensor")
    return places


def _rest(file: Any, place: int) -> bytes:
    file.seek(place)
    return bytes(file.read(MOST_BYTES))


def _built(
    found: Outline, numbers: Callable[[Storage], torch.UntypedStorage], path: Path
) -> Loaded:
    """Build what an outline describes, with the numbers of each storage."""
    storages = {
        key: numbers(storage) if storage.nbytes else torch.empty(0).untyped_storage()
        for key, storage in found.storages.items()
    }
    try:
        return build(found.value, storages), found.skipped
    except (RuntimeError, ValueError, OverflowError) as error:
        raise damaged(path, str(error)) from None
