"""Work in pieces of bounded size."""

from collections.abc import Iterator

GIB = 2**30
DEFAULT_BUDGET = GIB
"""Bytes of temporaries that one call may hold."""


def tiles(count: int, bytes_each: float, budget: float = DEFAULT_BUDGET / 8) -> Iterator[slice]:
    """Cut a range into slices whose items together stay within the budget (at least one each)."""
    step = max(1, int(budget // max(bytes_each, 1)))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))
