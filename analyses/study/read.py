"""The files of runs and analyses: the one place that knows their keys."""

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from latentgeo.training import RunFolder
from study.plan import Run

Facts = dict[str, Any]


def facts_of_run(folder: Path) -> Facts:
    """Return the facts of a run: "learned", "diagnostics" and the like."""
    facts = read_json(RunFolder(folder).provenance)
    names = ("learned", "validation_psnr_db", "seconds", "weights_sha256")
    found = {name: facts[name] for name in names if name in facts}
    return {**found, "diagnostics": facts.get("diagnostics", [])}


def of_each_model(runs: Iterable[Run], read: Callable[[Run], Any]) -> dict[str, list[Any]]:
    """Return what is read of the runs of each model, seed by seed."""
    found: dict[str, list[Any]] = {}
    for run in runs:
        found.setdefault(run.name, []).append(read(run))
    return found


def diagnostics_of(runs: Iterable[Run]) -> dict[str, list[list[str]]]:
    """Return the diagnostics of the runs of each model, seed by seed."""
    return of_each_model(runs, lambda run: facts_of_run(run.folder)["diagnostics"])


def read_json(path: Path) -> Any:
    """Read a JSON file; diagnostics may be under their former name, "trouble"."""
    return json.loads(path.read_text(encoding="utf-8"), object_hook=_with_present_names)


def _with_present_names(found: Facts) -> Facts:
    return {"diagnostics" if name == "trouble" else name: found[name] for name in found}


def read_measures(
    runs: Iterable[Run], file: str, names: Iterable[str] = ()
) -> dict[str, list[Facts]]:
    """Read the measures and facts of runs.

    Parameters
    ----------
    runs : iterable of Run
        Finished.
    file : str
        The file of a run folder that holds the measures.
    names : iterable of str, optional
        Of the models, in the order of the tables, where that is not the order of the runs.

    Returns
    -------
    dict
        For each model one entry for each seed; a measure goes before a fact of the same name.
    """
    found = of_each_model(runs, lambda run: _facts_if_trained(run) | read_json(run.folder / file))
    return {name: found.get(name, []) for name in names} | found


def seconds_of(runs: Iterable[Run]) -> int:
    """Return the seconds of training of all runs, over all commands that worked on them."""
    return round(sum(float(_facts_if_trained(run).get("seconds", 0)) for run in runs))


def is_measured(run: Run, file: str) -> bool:
    """Return whether a run was measured, with the weights that it has now if measures name them."""
    path = run.folder / file
    if not path.is_file():
        return False
    weights = read_json(path).get("weights_sha256")
    return weights is None or bool(weights == facts_of_run(run.folder)["weights_sha256"])


def _facts_if_trained(run: Run) -> Facts:
    return facts_of_run(run.folder) if RunFolder(run.folder).provenance.is_file() else {}


def read_metric(run: Run, name: str) -> list[float]:
    """Read a metric of a run, epoch by epoch; empty where it has no such metric."""
    with RunFolder(run.folder).metrics.open(encoding="utf-8", newline="") as table:
        return [float(row[name]) for row in csv.DictReader(table) if name in row]


def read_summary(folder: Path, of: str = "models") -> Any:
    """Read the models of an analysis's summary, or another part of it (docs/summary.md)."""
    return read_json(folder / "summary.json")[of]
