"""Memory that a process keeps from one step of training to the next."""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_MIB = 2**20
# Freed memory at the end of the heap that is not given back: the most that can be asked for.
_KEPT = 2**31 - 1
# Where glibc's own adjustment ends, which the first setting switches off: blocks above 32 MiB are
# mapped, at most 65,536 of them, and twice as much is kept.
_AS_BEFORE = ((_MMAP_MAX, 65_536), (_MMAP_THRESHOLD, 32 * _MIB), (_TRIM_THRESHOLD, 64 * _MIB))


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep freed memory in the process for reuse instead of returning it to the system.

    By default glibc maps large blocks one by one and gives them back as soon as they are freed, so
    that each step of training gets its activations as new pages, which the system has to fill with
    zeros: up to a fifth of a step's time on a CPU. Within the context up to 2 GiB are kept. Other C
    libraries are left as they are.
    """
    settings = _settings()
    if settings is None:
        yield
        return
    change, give_back = settings
    change(_MMAP_MAX, 0)
    change(_TRIM_THRESHOLD, _KEPT)
    try:
        yield
    finally:
        for name, value in _AS_BEFORE:
            change(name, value)
        give_back(0)


def _settings() -> tuple[Callable[[int, int], int], Callable[[int], int]] | None:
    """Return glibc's `mallopt` and `malloc_trim`, None where there is no glibc."""
    try:
        library = ctypes.CDLL("libc.so.6")
    except OSError:
        return None
    return library.mallopt, library.malloc_trim
