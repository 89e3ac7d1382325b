"""A search for settings of the adversarial autoencoder: what each does to its errors.

    python analyses/aae_search.py                   # laptop: smaller nets, a few epochs, 2 seeds
    python analyses/aae_search.py --scale paper     # the paper's nets: a GPU

Each setting differs from the first in what is said of it alone. Errors are those of validation
images: no test image is read. What is already there is kept and what was interrupted goes on, so
the same command finishes a search that was cut off.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from aae import SCALES as STUDY_SCALES
from aae import Job, trained
from aae_measures import validation_error
from aae_variants import VARIANTS
from study_command import run_command
from study_runs import for_each
from study_tables import Facts, facts_of_run, markdown_table, over_seeds, say_where_from

from latentgeo.datasets import load
from latentgeo.files import write_json, write_text
from latentgeo.provenance import provenance

FOUND = "validation.json"
SEARCHED = ("semi-100", "clusters-16")
_START = {
    "input_noise": 0.3,
    "learning_rate": 1e-3,
    "discriminator_rate": 5e-4,
    "adversarial_weight": 1.0,
    "classification_weight": 1.0,
    "batch_size": 100,
    "beta1": 0.5,
    "schedule": "steps",
}
#: By what each setting differs from the first.
SETTINGS: dict[str, dict[str, Any]] = {
    "start": {},
    "no-noise": {"input_noise": 0.0},
    "little-noise": {"input_noise": 0.1},
    "fast": {"learning_rate": 2e-3},
    "fast-discriminator": {"discriminator_rate": 2e-3},
    "slow-discriminator": {"discriminator_rate": 1e-4},
    "weak-adversary": {"adversarial_weight": 0.3},
    "strong-adversary": {"adversarial_weight": 10.0},
    "strong-labels": {"classification_weight": 10.0},
    "momentum": {"beta1": 0.9},
    "no-noise-fast": {"input_noise": 0.0, "learning_rate": 2e-3},
    "no-noise-strong-labels": {"input_noise": 0.0, "classification_weight": 10.0},
}


@dataclass(frozen=True)
class Scale:
    """How large the search is; the nets are the study's."""

    epochs: int
    seeds: int
    nets: str


SCALES = {
    "smoke": Scale(epochs=1, seeds=1, nets="smoke"),
    "laptop": Scale(epochs=3, seeds=2, nets="laptop"),
    "paper": Scale(epochs=100, seeds=3, nets="paper"),
}


@dataclass(frozen=True)
class Try:
    """A setting, and the run that it is tried on."""

    setting: str
    job: Job

    @property
    def found(self) -> Path:
        """Where its error is written."""
        return self.job.folder / FOUND


def main(arguments: list[str] | None = None) -> int:
    """Run the search; 0 when done, 2 for input that cannot be used."""
    return run_command("aae-search", __doc__, SCALES, run_search, arguments)


def run_search(scale_name: str, scale: Scale, out: Path, *, workers: int, device: str) -> None:
    """Train and measure every setting at every seed, and write what it gave."""
    start = time.perf_counter()
    base = replace(STUDY_SCALES[scale.nets], epochs=scale.epochs, **_START)
    load(base.data)  # data that cannot be had is an error now
    tries = [
        Try(setting, Job(name, seed, replace(base, **changes), out / setting, device))
        for name in SEARCHED
        for setting, changes in SETTINGS.items()
        for seed in range(scale.seeds)
    ]
    for_each(attempt, tries, workers)
    found = {setting: _gather(tries, setting) for setting in SETTINGS}
    facts = provenance(
        scale=scale_name,
        **{**asdict(base), "seeds": scale.seeds},
        workers=workers,
        training_seconds=round(sum(facts_of_run(each.job.folder)["seconds"] for each in tries)),
        seconds_of_this_command=round(time.perf_counter() - start),
    )
    write_json(out / "study" / "study.json", {"provenance": facts, "settings": found})
    write_text(out / "study" / "study.md", to_markdown(found, facts))
    print(f"search: {out / 'study' / 'study.md'}")


def attempt(each: Try) -> None:
    """Train and measure one setting at one seed, unless that is done."""
    if each.found.exists():
        return
    job = each.job
    error = validation_error(trained(job), load(job.scale.data, "validation"))
    write_json(each.found, {"error": error})
    print(f"{each.setting}, {job.name}, seed {job.seed}: {100 * error:.2f} %", flush=True)


def _gather(tries: list[Try], setting: str) -> Facts:
    errors: Facts = {}
    for name in SEARCHED:
        of_name = [each for each in tries if (each.setting, each.job.name) == (setting, name)]
        errors[name] = over_seeds(100 * _error(each) for each in of_name)
    return errors | {"changes": SETTINGS[setting]}


def _error(each: Try) -> float:
    found: Facts = json.loads(each.found.read_text(encoding="utf-8"))
    return float(found["error"])


def to_markdown(found: Facts, facts: Facts) -> str:
    """Write the table."""
    rows = [
        [setting, _say_changes(entry["changes"]), *(_say_seeds(entry[name]) for name in SEARCHED)]
        for setting, entry in found.items()
    ]
    heads = ["setting", "differs in", *(f"{VARIANTS[name].summary}: %" for name in SEARCHED)]
    return "\n".join(
        [
            f"# Settings of the adversarial autoencoder, scale {facts['scale']}",
            "",
            f"{facts['data']}; hidden layers of {' and '.join(map(str, facts['hidden']))} units, "
            f"epochs: {facts['epochs']}. The first setting: {_say_changes(_START)}. "
            f"{say_where_from(facts)}",
            "",
            "Errors on validation images: mean, and each seed in brackets. With labels, the "
            "category is the class; without, each cluster has its name from the image that belongs "
            "to it most surely.",
            "",
            *markdown_table(heads, rows),
            "",
        ]
    )


def _say_changes(changes: Facts) -> str:
    return ", ".join(f"{name} {value}" for name, value in changes.items()) or "–"


def _say_seeds(error: Facts) -> str:
    # Two seeds make no interval worth the name.
    return f"{error['mean']:.1f} ({', '.join(f'{each:.1f}' for each in error['seeds'])})"


if __name__ == "__main__":
    sys.exit(main())
