"""From the runs of a study to one number for each model: a mean over seeds with its interval."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from latentgeo.metrics import MeanInterval, interval_over_seeds

Facts = dict[str, Any]


@dataclass(frozen=True)
class Measure:
    """A number of a run.

    Attributes
    ----------
    label : str
        What tables call it, with its unit.
    of : callable
        What was measured of a run to the number, or to its mean over images with `low` and `high`;
        raises KeyError where the model is not for it.
    digits : int
        Behind the point, in tables.
    factor : float
        What the number is multiplied by in tables.
    """

    label: str
    of: Callable[[Facts], float | Facts]
    digits: int = 2
    factor: float = 1


def over_seeds(values: Iterable[float | Facts]) -> Facts:
    """Return a number of each seed, their mean and its 95 % interval.

    The interval is None for a single seed. Where the numbers have intervals over images,
    "over_images_95" is that of each seed.
    """
    given = list(values)
    seeds = [float(value["mean"] if isinstance(value, dict) else value) for value in given]
    mean, low, high = (float(end) for end in interval_over_seeds(seeds))
    # JSON knows no NaN.
    interval = None if math.isnan(low) else [low, high]
    found = {"seeds": seeds, "mean": mean, "over_seeds_95": interval}
    of_images = [[value["low"], value["high"]] for value in given if isinstance(value, dict)]
    return found | ({"over_images_95": of_images} if of_images else {})


def in_per_cent(interval: Facts) -> Facts:
    """Return a share and the ends of its interval in per cent."""
    return {end: 100 * value for end, value in interval.items()}


def interval_of(found: Facts) -> list[float] | None:
    """Return the interval of what `over_seeds` gave: over seeds, of a single one over images."""
    alone = len(found["seeds"]) == 1
    ends: list[float] | None = (
        found.get("over_images_95", [None])[0] if alone else found["over_seeds_95"]
    )
    return ends


def gather(measures: Mapping[str, Measure], runs: Mapping[str, Sequence[Facts]]) -> Facts:
    """Return each model's measures over its seeds, and whether all its runs are sound.

    Parameters
    ----------
    measures : mapping of str to Measure
        A measure that a model is not for is left out of its entry.
    runs : mapping
        Model to what was measured of its runs, one entry for each seed.

    Returns
    -------
    dict
        Model to its entry: `over_seeds` of each measure, "sound" and "diagnostics".
    """
    return {name: _gather_model(measures, seeds) for name, seeds in runs.items()}


def _gather_model(measures: Mapping[str, Measure], seeds: Sequence[Facts]) -> Facts:
    found = {}
    for name, measure in measures.items():
        try:
            found[name] = over_seeds(measure.of(seed) for seed in seeds)
        except KeyError:
            continue
    return {
        **found,
        "sound": is_sound(seeds),
        "diagnostics": [seed["diagnostics"] for seed in seeds],
    }


def is_sound(runs: Iterable[Facts]) -> bool:
    """Return whether every run has learned and none ended with a diagnostic."""
    return all(run["learned"] and not run["diagnostics"] for run in runs)


def each(seeds: Sequence[Facts], *names: str) -> Facts:
    """Return facts of each seed as lists."""
    return {name: [seed[name] for seed in seeds] for name in names}


def without_nan(value: Any) -> Any:
    """Return the same with None for what is undefined, as JSON knows no NaN."""
    if isinstance(value, dict):
        return {key: without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(entry) for entry in value]
    # NaN alone differs from itself.
    return None if isinstance(value, float) and value != value else value


def plain(interval: MeanInterval) -> dict[str, float]:
    """Return an interval as plain numbers by name."""
    return {name: float(value) for name, value in interval._asdict().items()}
