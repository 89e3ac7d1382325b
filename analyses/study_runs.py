"""What studies share: the command line, runs that go on where they were cut off, tables."""

import argparse
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from latentgeo import InputError, train
from latentgeo.training import RunFolder

Job = TypeVar("Job")


def study_main(
    arguments: list[str] | None,
    *,
    name: str,
    summary: str,
    scales: Mapping[str, Any],
    study: Callable[..., None],
) -> int:
    """Read the command line of a study and run it.

    Parameters
    ----------
    arguments : list of str or None
        The arguments; those of the process for None.
    name : str
        Of the study, as in acai-lines; by default its results go to results/NAME-SCALE.
    summary : str
        One line for --help.
    scales : mapping of str to dataclass
        By name, each with a field `seeds`; "laptop" is the default.
    study : callable
        Takes the scale's name, the scale, the folder of results, and by name `workers` and
        `device`.

    Returns
    -------
    int
        0 when done, 2 for input that cannot be used.
    """
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("--scale", default="laptop", choices=scales, help="default: laptop")
    parser.add_argument("--seeds", type=_count, help="how many seeds; default: the scale's")
    parser.add_argument("--out", type=Path, help=f"default: results/{name}-…")
    parser.add_argument("--workers", type=_count, default=os.cpu_count(), help="default: all cores")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    chosen = parser.parse_args(arguments)
    scale = scales[chosen.scale]
    if chosen.seeds is not None:
        scale = replace(scale, seeds=chosen.seeds)
    out = chosen.out or Path("results") / f"{name}-{chosen.scale}"
    try:
        study(chosen.scale, scale, out, workers=chosen.workers, device=chosen.device)
    except (InputError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    return 0


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def finish_run(recipe: str, out: Path, **settings: Any) -> Path:
    """Train a model, unless that is done; go on where it was cut off.

    Parameters
    ----------
    recipe : str
        As for `latentgeo.train`.
    out : pathlib.Path
        The run folder.
    **settings
        Further settings of `latentgeo.train`.

    Returns
    -------
    pathlib.Path
        The run folder.
    """
    run = RunFolder(out)
    if run.finished:
        return run.path
    begun = run.state.is_file()
    # Without a state it was cut off before anything could be lost.
    return train(recipe, out=run.path, resume=begun, force=not begun, **settings)


def for_each(work: Callable[[Job], object], jobs: Iterable[Job], workers: int) -> None:
    """Do some work for each job, several at a time, each in a process of one thread.

    Nets as small as these gain nothing from a second thread, and results are the same with any
    number of workers.

    Parameters
    ----------
    work : callable
        A function of a module; its result is dropped.
    jobs : iterable
        What it is called with; they can be pickled.
    workers : int
        Processes; with 1 all is done here, one after the other.
    """
    if workers == 1:
        for job in jobs:
            work(job)
        return
    processes = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        workers, processes, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        for _ in pool.map(work, jobs):
            pass


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Give the lines of a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def without_nan(value: Any) -> Any:
    """Give the same with None for what is undefined, as JSON knows no NaN."""
    if isinstance(value, dict):
        return {key: without_nan(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_nan(each) for each in value]
    # NaN alone differs from itself.
    return None if isinstance(value, float) and value != value else value
