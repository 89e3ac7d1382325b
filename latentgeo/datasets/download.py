"""Files of the datasets: found in the cache folder, or downloaded to it and checked."""

import gzip
import hashlib
import logging
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from latentgeo.errors import InputError
from latentgeo.files import sha256_of_file

VARIABLE = "LATENTGEO_DATA"

_ROUNDS = 2
_PAUSE_S = 1.0
_TIMEOUT_S = (10.0, 30.0)  # for the connection, and for each answer
_CHUNK = 1 << 16


@dataclass(frozen=True)
class RemoteFile:
    """A file with its checksum and the places where it can be had.

    Parameters
    ----------
    name : str
        Its canonical name.
    n_bytes : int
        Its size, for messages and for the table of datasets.
    sha256 : str
        SHA-256 as hexadecimal text.
    mirrors : tuple of str
        Addresses of folders, each with "/" at its end, in the order in which they are tried.
    content_sha256 : str, optional
        That of what is compressed in it, by which a copy that was unpacked, or packed anew, is
        known.
    """

    name: str
    n_bytes: int
    sha256: str
    mirrors: tuple[str, ...]
    content_sha256: str | None = None


def cache_folder(root: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder under which each dataset has a folder of its own.

    Parameters
    ----------
    root : path_like, optional
        By default the environment variable LATENTGEO_DATA, and without it the user's cache
        folder.

    Returns
    -------
    pathlib.Path
    """
    if root is not None:
        return Path(root).expanduser()
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else user_cache_path("latentgeo")


def fetch(file: RemoteFile, folder: Path, places: Sequence[Path] = ()) -> Path:
    """Make sure that a file lies in the cache, whole, and say where.

    Each mirror is tried in turn, and all of them once more after a pause. A file is put in
    place only when its checksum is right; a failed download leaves nothing behind.

    Parameters
    ----------
    file : RemoteFile
        The file.
    folder : pathlib.Path
        The dataset's folder in the cache.
    places : sequence of pathlib.Path, optional
        Where else other libraries may have left it: the file, or a copy that was unpacked.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        When a file of that name has another checksum, no mirror gave the file, or the folder
        cannot be written.
    """
    path = folder / file.name
    for copy in (path, *filter(Path.is_file, places)):
        if _is_cached(copy, file):
            return copy
    _make_folder(folder, file)
    _download(file, path)
    return path


def _is_cached(path: Path, file: RemoteFile) -> bool:
    """Return whether the file is there; a wrong one is an error, for it may be the user's own."""
    try:
        found = sha256_of_file(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    if found != file.sha256 and not _is_copy(path, file):
        raise InputError(
            f"{str(path)!r} is not the file that it should be: its SHA-256 is {found}, expected "
            f"{file.sha256}; delete it, and it is downloaded anew"
        )
    return True


def _is_copy(path: Path, file: RemoteFile) -> bool:
    """Return whether a file holds what is compressed in another one."""
    if file.content_sha256 is None:
        return False
    try:
        with gzip.open(path) as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, EOFError, zlib.error):
        found = sha256_of_file(path)
    return found == file.content_sha256


def _make_folder(folder: Path, file: RemoteFile) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, file, error) from error


def _download(file: RemoteFile, path: Path) -> None:
    failures = {}
    for mirror in _in_turn(file.mirrors):
        why = _failure_of(mirror, file, path)
        if why is None:
            return
        failures[mirror] = why
    tried = ", ".join(f"{mirror} ({why})" for mirror, why in failures.items())
    raise InputError(
        f"{file.name!r} ({_megabytes(file.n_bytes)}) cannot be downloaded: tried {tried}; "
        f"put it into {str(path.parent)!r} by hand, or set {VARIABLE} to a folder that has "
        f"{path.parent.name}/{file.name}"
    )


def _in_turn(mirrors: tuple[str, ...]) -> Iterator[str]:
    """Return all mirrors, and after a pause all of them again."""
    yield from mirrors
    for _ in range(1, _ROUNDS):
        time.sleep(_PAUSE_S)
        yield from mirrors


def _failure_of(mirror: str, file: RemoteFile, path: Path) -> str | None:
    """Try one mirror; give the reason when it fails, None when the file is in place."""
    from requests import RequestException  # slow to import

    try:
        _download_from(mirror, file, path)
    except (RequestException, ValueError) as error:
        return _format_failure(error)
    except OSError as error:
        raise _cannot_write(path.parent, file, error) from error
    return None


def _download_from(mirror: str, file: RemoteFile, path: Path) -> None:
    import pooch  # slow to import
    from tqdm import tqdm

    # disable=None: no bar where the output is not a terminal.
    with (
        tqdm(desc=file.name, total=file.n_bytes, unit="B", unit_scale=True, disable=None) as bar,
        _quiet(pooch.get_logger()),
    ):
        pooch.retrieve(
            mirror + file.name,
            known_hash=f"sha256:{file.sha256}",
            fname=file.name,
            path=path.parent,
            downloader=pooch.HTTPDownloader(progressbar=bar, chunk_size=_CHUNK, timeout=_TIMEOUT_S),
        )
    _make_readable(path)


def _make_readable(path: Path) -> None:
    """Return the file the permissions of any new file; pooch leaves those of a private one."""
    path.chmod(0o644)


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Keep pooch from announcing every mirror: one line at the end says it all."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _format_failure(error: Exception) -> str:
    from requests import RequestException, Timeout

    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code}"
    if isinstance(error, Timeout):
        return "no answer in time"
    if isinstance(error, RequestException):
        return "no connection, or it broke off"
    return "wrong checksum"


def _cannot_write(folder: Path, file: RemoteFile, error: OSError) -> InputError:
    return InputError(
        f"{file.name!r} ({_megabytes(file.n_bytes)}) cannot be written to {str(folder)!r}: "
        f"{error.strerror or error}; set {VARIABLE} to a folder with room that you may write to"
    )


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB"
