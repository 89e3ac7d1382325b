"""How studies say numbers: a mean over seeds with its interval, tables, where they come from."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from latentgeo.metrics import interval_over_seeds
from latentgeo.training import RunFolder

Facts = dict[str, Any]


def over_seeds(values: Iterable[float]) -> Facts:
    """Give a number of each seed, their mean and its 95 % interval, None for a single seed."""
    seeds = [float(value) for value in values]
    mean, low, high = (float(end) for end in interval_over_seeds(seeds))
    # JSON knows no NaN.
    interval = None if math.isnan(low) else [low, high]
    return {"seeds": seeds, "mean": mean, "over_seeds_95": interval}


def say(found: Facts | None, digits: int = 2) -> str:
    """Write a mean with its interval over seeds; a dash where there is nothing."""
    if found is None:
        return "–"
    interval = found["over_seeds_95"]
    said = f"{found['mean']:.{digits}f}"
    return (
        said if interval is None else f"{said} [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"
    )


def compared(ours: Facts, theirs: Facts) -> str:
    """Say which of two means is lower, where their intervals over seeds do not touch."""
    mine, other = ours["over_seeds_95"], theirs["over_seeds_95"]
    if mine is None or other is None:
        return "not told apart from"
    if mine[1] < other[0]:
        return "lower than"
    return "higher than" if mine[0] > other[1] else "not told apart from"


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write a table, a line for each row."""
    lines = (heads, ["---"] * len(heads), *rows)
    return [f"| {' | '.join(line)} |" for line in lines]


def say_where_from(facts: Facts) -> str:
    """Say how long training took, versions, machine and command."""
    versions, machine = facts["versions"], facts["machine"]
    return (
        f"{facts['seeds']} seeds. Training took {facts['training_seconds'] / 60:.0f} minutes, "
        f"added up over processes of one thread each, {facts['workers']} at a time. latentgeo "
        f"{versions['latentgeo']}, torch {versions['torch']}, {machine['cores']} cores "
        f"({machine['architecture']}); command: `{facts['command']}`."
    )


def facts_of_run(folder: Path) -> Facts:
    """Give what a run wrote of itself."""
    facts = RunFolder(folder).facts()
    return {**facts, "trouble": facts["diagnostics"]}  # as the studies' own files call them


def is_sound(runs: Iterable[Facts]) -> bool:
    """Tell whether every run has learned and none ended in trouble."""
    return all(run["learned"] and not run["trouble"] for run in runs)


def without_nan(value: Any) -> Any:
    """Give the same with None for what is undefined, as JSON knows no NaN."""
    if isinstance(value, dict):
        return {key: without_nan(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_nan(each) for each in value]
    # NaN alone differs from itself.
    return None if isinstance(value, float) and value != value else value
