"""Locks between processes, which end with the process that holds them."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def lock(path: Path) -> Iterator[bool]:
    """Hold a lock while a block runs, unless another process holds it.

    Parameters
    ----------
    path : pathlib.Path
        A file that is made for it, and removed at the end. One that a killed process left is
        no hindrance.

    Yields
    ------
    bool
        Whether it is held.
    """
    held = FileLock(path, timeout=0, thread_local=False)
    try:
        held.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        # While it is held: who waits for it finds that the file is gone, and makes a new one.
        with suppress(OSError):
            path.unlink()
        held.release()
