"""Work in pieces of bounded size, and refuse beforehand what cannot be cut small enough."""

from collections.abc import Iterator

from torch import Tensor

GIB = 2**30
DEFAULT_BUDGET = float(GIB)
"""Bytes of temporaries that one call may hold."""


def tiles(count: int, bytes_each: float, budget: float = DEFAULT_BUDGET / 8) -> Iterator[slice]:
    """Cut a range into slices whose items together stay within the budget (at least one each)."""
    step = max(1, int(budget // max(bytes_each, 1)))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def piece_bytes(x: Tensor) -> float:
    """Bytes of one piece of work: what stays in a core's cache, or what fills a card."""
    return 2.0**24 if x.device.type == "cpu" else 2.0**28


def require(needed: float, budget: float, what: str, way_out: str) -> None:
    """Refuse a call whose least need of temporaries is over its budget."""
    if needed > budget:
        raise ValueError(
            f"{what} needs {_words(needed)} of temporaries and the budget is {_words(budget)}; "
            f"{way_out}"
        )


def _words(size: float) -> str:
    return f"{size / GIB:.2f} GiB" if size >= GIB / 10 else f"{size / 2**20:.2f} MiB"
