"""What is shown, and logged, while a model trains."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from latentgeo import processes
from latentgeo.errors import InputError
from latentgeo.training.progress import OnStep, Progress, Row


@contextmanager
def training_bar(label: str, epochs: int, total: int, done: int, *, show: bool) -> Iterator[OnStep]:
    """Show a bar on standard error.

    Parameters
    ----------
    label : str
        What is trained.
    epochs : int
        Epochs in all.
    total, done : int
        Steps in all, and steps that were made before.
    show : bool
        Whether to show anything; of several processes the rank-zero one does.

    Yields
    ------
    callable
        To be called after each step.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    shown = show and processes.is_rank_zero()
    with Bar(*columns, console=Console(stderr=True), disable=not shown) as bar:
        task = bar.add_task(label, total=total, completed=done, loss="")

        def on_step(progress: Progress, losses: Row) -> None:
            bar.update(
                task,
                completed=progress.step,
                description=f"{label} epoch {progress.epoch + 1}/{epochs}",
                loss=f"loss {losses['loss']:.1f}",
            )

        yield on_step


def check_tensorboard() -> None:
    """Raise `InputError` unless TensorBoard is installed."""
    if find_spec("tensorboard") is None:
        raise InputError(
            "tensorboard is not installed; install it with "
            "`python -m pip install 'latentgeo[tensorboard]'`, or leave --tensorboard out"
        )


@contextmanager
def tensorboard_writer(folder: Path, step: int, *, wanted: bool) -> Iterator[Any]:
    """Open a TensorBoard writer, dropping events after `step`; yield None if it is not wanted."""
    if not wanted:
        yield None
        return
    from torch.utils.tensorboard import SummaryWriter  # an extra, and slow to import

    with SummaryWriter(str(folder), purge_step=step + 1) as writer:
        yield writer


def log_row(writer: Any, row: Row) -> None:
    """Log the metrics of an epoch to TensorBoard."""
    for name, value in row.items():
        part, _, rest = name.partition("_")
        tag = f"{part}/{rest}" if part in ("train", "validation") else name
        writer.add_scalar(tag, value, int(row["step"]))
