"""Work in pieces of bounded size, and refuse beforehand what cannot be cut small enough."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from latentgeo.machine import physical_memory

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


def require_result(size: float, x: Tensor, what: str, way_out: str) -> None:
    """Refuse a call whose result alone is more than all memory of the device."""
    there = memory(x.device)
    if size > there:
        raise ValueError(
            f"{what} takes {_words(size)} and the memory of this device is {_words(there)}; "
            f"{way_out}"
        )


def memory(device: torch.device) -> float:
    """Bytes of memory that a device has in all; infinite where that is not known."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[1])
    return physical_memory() if device.type == "cpu" else float("inf")


def fill(out: Tensor, function: Callable[[slice], Tensor], bytes_each: float) -> Tensor:
    """Fill a result a few items at a time; what makes an item takes ``bytes_each``."""
    for tile in tiles(len(out), bytes_each):
        out[tile] = function(tile)
    return out


def _words(size: float) -> str:
    return f"{size / GIB:.2f} GiB" if size >= GIB / 10 else f"{size / 2**20:.2f} MiB"
