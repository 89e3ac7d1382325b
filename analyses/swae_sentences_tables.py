"""What the study of sentences says in the end: means over seeds, tables, and sentences."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from study_tables import markdown_table, say_where_from, without_nan

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
    """Give each measure of each model, its mean over seeds with Student's interval.

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


def to_markdown(
    gathered: Mapping[str, Any],
    real: Mapping[str, Mapping[str, float]],
    runs: Runs,
    facts: Mapping[str, Any],
) -> str:
    """Write the page of the study.

    Parameters
    ----------
    gathered : mapping
        From `gather`.
    real : mapping
        What real sentences reach in the place of samples.
    runs : mapping
        As for `gather`; what the first seed said is printed.
    facts : mapping
        Provenance.

    Returns
    -------
    str
        Markdown.
    """
    lines = [
        "# Sentences: the stacked Wasserstein autoencoder beside its rivals",
        "",
        f"Scale {facts['scale']}: {facts['train_samples'] or 'all'} training sentences of "
        f"{facts['data'] or 'a small grammar'}, {facts['places']} places, {facts['epochs']} "
        f"epochs, {facts['samples']} samples, {say_where_from(facts)}",
        "",
        "Mean over seeds and, in brackets, its 95 % interval over seeds (Student's t).",
        "",
        *markdown_table(["model", *(title for title, *_ in _COLUMNS.values())], _rows(gathered)),
        "",
        _real_line(real),
        "",
        "The language model behind the perplexities counts trigrams (interpolated Kneser-Ney, "
        "discount 0.75). *Reverse*: it counts the samples and is asked for real test sentences. "
        "`ae` has no prior: its samples are those of a Gaussian mixture of "
        f"{facts['components']} components, fitted to its latents. `swae through z` is "
        "reconstructed x → h → z → h → x. A reconstruction from the abstract of arXiv 1910.02560.",
    ]
    for model, seeds in runs.items():
        lines += ["", f"## What {model} says (seed 0)", *_said(seeds[0]["said"])]
    return "\n".join(lines) + "\n"


def _over_seeds(values: Iterable[float]) -> dict[str, float]:
    listed = list(values)
    found = interval_over_seeds(listed)
    ends = {name: float(value) for name, value in found._asdict().items()}
    return {**ends, "seeds": len(listed)}


def _rows(gathered: Mapping[str, Any]) -> list[list[str]]:
    return [
        [model, *(_cell(own.get(name), *form) for name, (_, *form) in _COLUMNS.items())]
        for model, own in gathered.items()
    ]


def _cell(found: Mapping[str, float | None] | None, factor: float, digits: int) -> str:
    if found is None or found["mean"] is None:
        return ""
    mean = f"{factor * found['mean']:.{digits}f}"
    if found["low"] is None or found["high"] is None:
        return mean
    return f"{mean} [{factor * found['low']:.{digits}f}, {factor * found['high']:.{digits}f}]"


def _real_line(real: Mapping[str, Mapping[str, float]]) -> str:
    reverse, forward = (real[name] for name in ("reverse_perplexity", "perplexity"))
    return (
        "As many real training sentences in the place of the samples have a reverse perplexity of "
        f"{_cell(reverse, 1.0, 0)}, real test sentences a perplexity of {_cell(forward, 1.0, 0)} "
        "(intervals over sentences): no model can be expected to do better."
    )


def _said(said: Mapping[str, Any]) -> list[str]:
    lines = ["", "Samples:", "", *(f"- {text}" for text in said["samples"])]
    lines += ["", "Reconstructions of test sentences:", ""]
    lines += [f"- {real} → {back}" for real, back in said["reconstructions"][:4]]
    for way in said["interpolations"]:
        lines += ["", "From one sentence to another:", "", *(f"- {text}" for text in way)]
    lines += ["", "Sums:", ""]
    for answer in said["arithmetic"]:
        first, minus, plus = answer["asked"]
        lines.append(f"- ({first}) − ({minus}) + ({plus}), {answer['code']}: {answer['said']}")
    return lines
