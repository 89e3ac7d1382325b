"""What the study of sentences says in the end: means over seeds and a table."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from study.gather import plain, without_nan
from study.render import table, with_ends

from latentgeo.metrics import interval_over_seeds

Runs = Mapping[str, Sequence[Mapping[str, Any]]]

# Where a number lies in the measures of a run, what the table calls it, its factor and digits.
_COLUMNS = {
    "token_accuracy": ("tokens that come back, % ↑", 100.0, 1),
    "exact_match": ("whole sentences, % ↑", 100.0, 1),
    "reverse_perplexity": ("reverse perplexity ↓", 1.0, 0),
    "perplexity": ("perplexity of samples ↓", 1.0, 0),
    "distinct": ("distinct samples, % ↑", 100.0, 0),
}
_PATHS = {"latent": "", "code": " through z"}


def gather(runs: Runs) -> dict[str, Any]:
    """Return each measure of each model: its mean over seeds with Student's interval.

    Parameters
    ----------
    runs : mapping
        Model to the measures of its runs, one for each seed.

    Returns
    -------
    dict
        Model (and path of reconstruction) to measure to "mean", "low", "high", "seeds"; None
        where there is no interval.
    """
    rows: dict[str, Any] = {}
    for model, seeds in runs.items():
        for path in seeds[0]["reconstruction"]:
            own = rows.setdefault(f"{model}{_PATHS[path]}", {})
            for name in ("token_accuracy", "exact_match"):
                own[name] = _over_seeds(run["reconstruction"][path][name]["mean"] for run in seeds)
        own = rows[model]
        for name in ("reverse_perplexity", "perplexity"):
            own[name] = _over_seeds(run["samples"][name]["mean"] for run in seeds)
        own["distinct"] = _over_seeds(run["samples"]["distinct"] for run in seeds)
    found: dict[str, Any] = without_nan(rows)
    return found


def show(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table of the page, and what real sentences reach."""
    real = found["real"]
    return {
        "measured": table(
            ["model", *(title for title, *_ in _COLUMNS.values())],
            [
                [model, *(_cell(own.get(name), *form) for name, (_, *form) in _COLUMNS.items())]
                for model, own in found["models"].items()
            ],
        ),
        "reverse": _cell(real["reverse_perplexity"], 1.0, 0),
        "forward": _cell(real["perplexity"], 1.0, 0),
    }


def _over_seeds(values: Iterable[float]) -> dict[str, float]:
    listed = list(values)
    return {**plain(interval_over_seeds(listed)), "seeds": len(listed)}


def _cell(found: Mapping[str, float | None] | None, factor: float, digits: int) -> str:
    if found is None or found["mean"] is None:
        return ""
    return with_ends(found["mean"], (found["low"], found["high"]), f".{digits}f", factor)
