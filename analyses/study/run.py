"""Runs of a study: those that are there are kept, those that were cut off go on."""

import multiprocessing
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from latentgeo import InputError, train
from latentgeo.datasets import name_of_data
from latentgeo.files import write_json
from latentgeo.provenance import provenance
from latentgeo.settings import parse
from latentgeo.training import RunFolder, TrainConfig
from study.gather import Facts, gather, without_nan
from study.plan import Request, Run, Study
from study.read import is_measured, read_measures, seconds_of
from study.render import render

#: What of a scale, where it has it, is a setting of training.
_SETTINGS = (
    *("backbone", "size", "epochs", "batch_size", "learning_rate", "beta1", "schedule"),
    *("train_samples", "probe_rate"),
)


def carry_out(study: Study, request: Request) -> None:
    """Train and measure every run of a study, gather them, and write what they say together.

    Parameters
    ----------
    study : Study
        The study.
    request : Request
        What is asked for; what lies in its folder is kept.
    """
    start = time.perf_counter()
    if study.adapt is not None:
        request = study.adapt(request)
    if study.prepare is not None:
        study.prepare(request)
    runs = study.runs_of(request)
    if request.only:
        runs = _named(request.only, runs)
    work = partial(finish, study.settings, study.measure, study.measured)
    # What is measured alone stands on runs that are trained.
    for_each(work, [run for run in runs if run.model is not None], request.workers)
    for_each(work, [run for run in runs if run.model is None], request.workers)
    if request.only:
        print(f"study: {len(runs)} runs are done; without --only all are gathered")
        return
    content = (study.gather or partial(_gather, study))(request, runs)
    if content is None:
        return
    facts = study.facts(request) if study.facts is not None else {}
    if study.trains:
        facts = _asked(request) | facts | {"training_seconds": seconds_of(runs)}
        facts["seconds_of_this_command"] = round(time.perf_counter() - start)
    folder = request.out / study.folder
    found = {"provenance": provenance(**facts), **content}
    write_json(folder / f"{study.stem}.json", without_nan(found))
    page = render(study, folder)
    if study.picture is not None:
        study.picture(request, runs, folder)
    print(f"study: {page}")


def _named(models: Sequence[str], runs: Sequence[Run]) -> list[Run]:
    """Return the runs of these models."""
    known = dict.fromkeys(run.name for run in runs)
    for name in models:
        if name not in known:
            raise InputError(f"only has {name!r}; expected some of {', '.join(known)}")
    return [run for run in runs if run.name in models]


def _gather(study: Study, request: Request, runs: Sequence[Run]) -> Facts:
    """Gather the models of a study over their seeds."""
    found = read_measures(runs, study.measured)
    return {"models": gather(study.measures, found)}


def _asked(request: Request) -> Facts:
    return {
        "data": request.data,
        "scale": request.scale_name,
        **asdict(request.scale),
        "workers": request.workers,
    }


def train_settings(run: Run, **more: Any) -> Facts:
    """Return settings of `latentgeo.train`: those that a run's scale has, and more."""
    scale = {name: getattr(run.scale, name) for name in _SETTINGS if hasattr(run.scale, name)}
    return {"data": run.data, "progress": False, **scale, **more}


def finish(
    settings: Callable[[Run], Facts],
    measure: Callable[[Run], Facts] | None,
    file: str,
    run: Run,
) -> None:
    """Train a run and measure it, unless that is done."""
    if run.model is not None:
        chosen = {"seed": run.seed, "device": run.device, "precision": run.precision}
        chosen |= settings(run)
        _check_settings(run, chosen)
        finish_run(run.model.recipe, run.folder, **chosen)
    if measure is not None and not is_measured(run, file):
        write_json(run.folder / file, measure(run))
        print(f"{run.folder.relative_to(run.out / 'runs')}: measured", flush=True)


def _check_settings(run: Run, chosen: Facts) -> None:
    """Raise `InputError` where a run is finished that was trained with other settings."""
    folder = RunFolder(run.folder)
    if run.model is None or not folder.finished:
        return  # training itself compares what it resumes
    values = {"recipe": run.model.recipe, **chosen, "data": name_of_data(chosen["data"])}
    known = {name: value for name, value in values.items() if name in TrainConfig.model_fields}
    folder.check_settings(parse(TrainConfig, known, "setting"))


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


def for_each(work: Callable[[Run], object], runs: Iterable[Run], workers: int) -> None:
    """Do some work for each run, several at a time, each in a process of one thread.

    Nets as small as these gain nothing from a second thread, and results are the same with any
    number of workers.

    Parameters
    ----------
    work : callable
        Can be pickled; its result is dropped.
    runs : iterable of Run
        What it is called with.
    workers : int
        Processes; with 1 all is done here, one after the other.
    """
    listed = list(runs)
    if workers == 1 or not listed:
        for run in listed:
            work(run)
        return
    processes = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        workers, processes, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        for _ in pool.map(work, listed):
            pass
