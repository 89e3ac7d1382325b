"""Progress of everything that is not training: a bar over items, and one over stages."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.progress import track as rich_track

from latentgeo import processes

Item = TypeVar("Item")

_listener: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)


def track(items: Sequence[Item], what: str, *, show: bool) -> Iterable[Item]:
    """Yield `items`, with a progress bar on standard error or without one."""
    shown = show and processes.is_rank_zero()
    return rich_track(items, what, console=Console(stderr=True), disable=not shown)


def tell(text: str, *, show: bool) -> None:
    """Print a line on standard error, or nothing."""
    if show and processes.is_rank_zero():
        Console(stderr=True).print(text, highlight=False, markup=False)


def announce(stage: str) -> None:
    """Say that a stage of the work begins; whoever shows progress hears it."""
    listener = _listener.get()
    if listener is not None:
        listener(stage)


class Plan:
    """The stages of a piece of work, and how long what is left of them will take.

    Parameters
    ----------
    stages : sequence of str
        All of them in their order; a name may come several times, once for every model.
    clock : callable, default=time.monotonic
        The time in seconds.
    """

    def __init__(
        self, stages: Sequence[str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stages = list(stages)
        self._clock = clock
        self._took: dict[str, list[float]] = defaultdict(list)
        self._running: tuple[str, float] | None = None
        self.done = 0

    def begin(self, stage: str) -> None:
        """End the stage that was running and begin the next one of this name."""
        self.end()
        if stage in self._stages[self.done :]:
            self.done = self._stages.index(stage, self.done)
        self._running = stage, self._clock()

    def end(self) -> None:
        """End the stage that was running."""
        if self._running is not None:
            stage, since = self._running
            self._took[stage].append(self._clock() - since)
            self.done = min(self.done + 1, len(self._stages))
            self._running = None

    @property
    def seconds_left(self) -> float | None:
        """Return about how long the rest takes, None until one stage has ended.

        A stage takes as long as it took for the models before; one that was not seen yet, as long
        as the others on average.
        """
        known = [seconds for each in self._took.values() for seconds in each]
        if not known:
            return None
        usual = sum(known) / len(known)
        left = 0.0
        for stage in self._stages[self.done :]:
            own = self._took.get(stage)
            left += sum(own) / len(own) if own else usual
        if self._running is not None:
            left -= self._clock() - self._running[1]
        return max(left, 0.0)


@contextmanager
def stages(planned: Sequence[str], *, show: bool) -> Iterator[None]:
    """Show a bar over stages while the block runs, which says what is done and what is left.

    Parameters
    ----------
    planned : sequence of str
        The stages in their order, as they will be announced.
    show : bool
        Whether to show it.
    """
    if not show or not processes.is_rank_zero():
        yield
        return
    plan = Plan(planned)
    columns = (
        TextColumn("{task.description:<34}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("start", total=len(planned), left="")

        def heard(stage: str) -> None:
            plan.begin(stage)
            left = _left(plan.seconds_left)
            bar.update(task, description=stage, completed=plan.done, left=left)

        token = _listener.set(heard)
        try:
            yield
        finally:
            _listener.reset(token)


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 60:
        return f"about {max(round(seconds), 1)} s left"
    return f"about {round(seconds / 60)} min left"
