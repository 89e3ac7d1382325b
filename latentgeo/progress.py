"""The progress bar of everything that is not training."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track as rich_track

from latentgeo import processes

Item = TypeVar("Item")


def track(items: Sequence[Item], what: str, *, show: bool) -> Iterable[Item]:
    """Yield `items`, with a progress bar on standard error or without one."""
    shown = show and processes.is_rank_zero()
    return rich_track(items, what, console=Console(stderr=True), disable=not shown)
