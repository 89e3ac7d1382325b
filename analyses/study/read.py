"""What runs and analyses wrote of themselves: the one place that knows their keys."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from latentgeo.training import RunFolder
from study.plan import Run

Facts = dict[str, Any]


def facts_of_run(folder: Path) -> Facts:
    """Return what a run says of itself: "learned", "trouble" and the like."""
    facts = read_json(RunFolder(folder).provenance)
    names = ("learned", "validation_psnr_db", "seconds", "weights_sha256")
    # Runs call their diagnostics by one of two names; studies have kept the older.
    trouble = facts.get("diagnostics", facts.get("trouble", []))
    return {**{name: facts[name] for name in names if name in facts}, "trouble": trouble}


def troubles_of(runs: Iterable[Run]) -> dict[str, list[list[str]]]:
    """Return what the runs of each model say of themselves, seed by seed."""
    found: dict[str, list[list[str]]] = {}
    for run in runs:
        found.setdefault(run.name, []).append(facts_of_run(run.folder)["trouble"])
    return found


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def read_measures(runs: Iterable[Run], file: str, names: Iterable[str]) -> dict[str, list[Facts]]:
    """Read what was measured of runs, and what they say of themselves.

    Parameters
    ----------
    runs : iterable of Run
        Finished.
    file : str
        The file of a run folder that holds the measures.
    names : iterable of str
        Of the models, in the order of the tables.

    Returns
    -------
    dict
        For each model one entry for each seed; what was measured goes before what a run says.
    """
    listed = list(runs)
    return {
        name: [
            _facts_if_trained(run) | read_json(run.folder / file)
            for run in listed
            if run.name == name
        ]
        for name in names
    }


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


def read_summary(folder: Path) -> Mapping[str, Any]:
    """Read the models of an analysis's summary (docs/summary.md)."""
    models: Mapping[str, Any] = read_json(folder / "summary.json")["models"]
    return models
