"""Runs of a study: those that are there are kept, those that were cut off go on."""

import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import torch

from latentgeo import train
from latentgeo.training import RunFolder

Job = TypeVar("Job")


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
