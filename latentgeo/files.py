"""Atomic writes, output folders and hashes."""

import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from latentgeo.errors import InputError
from latentgeo.locks import lock

_BLOCK = 1 << 20
_PART = ".latentgeo-"  # what is being written, until it takes its place
_PARTS = (f"{_PART}*", "*.partial")  # ours, and zarr's


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Write to a temporary sibling of `path` with `write`, then rename it in one step.

    Parameters
    ----------
    path : pathlib.Path
        Where the file shall lie. Its folder is made if it is missing.
    write : callable
        Given the path of the temporary file, writes the whole content to it.

    Raises
    ------
    OSError
        When the disk refuses (for instance because it is full). The file that was there
        before, if any, is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=_PART, suffix=f"-{path.name}")
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_atomically(path, lambda temporary: _write_text(temporary, text))


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, indented, with the order of keys kept; NaN is refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def check_free(folder: Path, *, holds: str, force: bool = False, reads: Iterable[Any] = ()) -> None:
    """Refuse an output folder that holds something already, or what is read.

    Parameters
    ----------
    folder : pathlib.Path
        The output folder; it need not exist.
    holds : str
        What will lie there, for the message ("a training run", "an analysis").
    force : bool, default=False
        Let a folder that holds something pass.
    reads : iterable, default=()
        What is read for it: even with `force`, the folder may neither be nor hold a path among
        these; names and objects are passed over.

    Raises
    ------
    InputError
        When the path is a file, the folder holds something and `force` is false, or overwriting it
        would take what is read.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"output {str(folder)!r} is a file; give a folder for {holds}")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise InputError(
            f"output folder {str(folder)!r} already holds files; "
            f"choose an empty folder for {holds}, or overwrite it with --force (force=True)"
        )
    for source in reads:
        if isinstance(source, str | Path) and Path(source).exists():
            _check_apart(folder, Path(source))
    _check_writable(folder)


def _check_writable(folder: Path) -> None:
    """Refuse a folder that cannot be made, before anything is computed for it."""
    above = folder.absolute().parent
    while not above.exists():
        above = above.parent
    try:
        Path(tempfile.mkdtemp(dir=above, prefix=".latentgeo-")).rmdir()
    except OSError as error:
        raise InputError(
            f"output folder {str(folder)!r} cannot be written: {str(above)!r} says "
            f"{(error.strerror or str(error)).lower()}; choose another folder"
        ) from None


def _check_apart(folder: Path, source: Path) -> None:
    here, there = folder.resolve(), source.resolve()
    if here == there or here in there.parents:
        raise InputError(
            f"output folder {str(folder)!r} would replace {str(source)!r}, which is an input; "
            "choose another output folder"
        )


def claim_folder(folder: Path, *, holds: str, force: bool = False) -> None:
    """Make an empty output folder, emptying what is there only with `force`.

    Takes and raises what `check_free` does.
    """
    check_free(folder, holds=holds, force=force)
    folder.mkdir(parents=True, exist_ok=True)
    _empty(folder)


@contextmanager
def folder_in_place(folder: Path) -> Iterator[Path]:
    """Yield a temporary sibling folder that takes the place of `folder` when the block succeeds."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary, former = (
        Path(tempfile.mkdtemp(dir=folder.parent, prefix=_PART, suffix=f"-{folder.name}"))
        for _ in range(2)
    )
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if folder.exists():  # moved whole: half of it could pass for all of it
            os.replace(folder, former / folder.name)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(former, ignore_errors=True)


@contextmanager
def kept(folder: Path | None) -> Iterator[None]:
    """Keep an output folder for this process while a block runs.

    Parameters
    ----------
    folder : pathlib.Path or None
        The folder, which need not exist; nothing is done for None. What a killed process left half
        written in it and beside it is removed.

    Raises
    ------
    InputError
        When another process writes into it.
    OSError
        When the place may not be written to.
    """
    if folder is None:
        yield
        return
    place = folder.absolute()
    missing = [parent for parent in place.parents if not parent.exists()]
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        with lock(place.parent / f".{place.name}.lock") as held:
            if not held:
                raise InputError(
                    f"another process is writing to {str(folder)!r}; wait for it, or choose "
                    "another output folder"
                )
            _sweep(place)
            yield
    finally:
        for parent in missing:
            with suppress(OSError):  # what was written stays
                parent.rmdir()


def _sweep(folder: Path) -> None:
    """Remove what a killed process left half written in a folder, and in place of it."""
    beside = folder.parent.glob(f"{_PART}????????-{glob.escape(folder.name)}")
    within = (path for pattern in _PARTS for path in folder.rglob(pattern))
    for left in [*beside, *within]:
        _remove(left)
    for lock_file in folder.glob(".*.lock"):  # of what lies in it
        with lock(lock_file):
            pass


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _write_text(path: Path, text: str) -> None:
    # Names of files that are not UTF-8 come as lone surrogates, which JSON writes as escapes too.
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def _empty(folder: Path) -> None:
    for child in folder.iterdir():
        _remove(child)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _umask() -> int:
    # There is no way to read the umask without setting it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
