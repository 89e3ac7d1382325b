"""A search for settings of the adversarial autoencoder: what each does to its errors.

    python analyses/aae_search.py                   # laptop: smaller nets, a few epochs, 2 seeds
    python analyses/aae_search.py --scale paper     # the paper's nets: a GPU

Each setting differs from the first in the settings named beside it. Errors are those of validation
images: no test image is read. An interrupted search goes on.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import aae
from measures.aae import validation_error
from models.aae import VARIANTS
from study import Facts, Request, Run, Study, over_seeds, read_measures, run_command
from study.render import table

from latentgeo.datasets import load

FOUND = "validation.json"
SEARCHED = ("semi-100", "clusters-16")
_START: Facts = {
    **{"input_noise": 0.3, "learning_rate": 1e-3, "discriminator_rate": 5e-4},
    **{"adversarial_weight": 1.0, "classification_weight": 1.0},
    **{"batch_size": 100, "beta1": 0.5, "schedule": "steps"},
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
SCALES = {
    name: replace(aae.SCALES[name], epochs=epochs, seeds=seeds, models=SEARCHED, **_START)
    for name, epochs, seeds in (("smoke", 1, 1), ("laptop", 3, 2), ("paper", 100, 3))
}


def runs(request: Request) -> list[Run]:
    """Return every setting of what is searched at every seed."""
    return [run for setting in SETTINGS for run in runs_of(request, setting)]


def runs_of(request: Request, setting: str) -> list[Run]:
    """Return the runs of one setting, in its own folder."""
    scale = replace(request.scale, **SETTINGS[setting])
    tried = replace(request, scale=scale, out=request.out / setting)
    return tried.runs({name: VARIANTS[name] for name in SEARCHED})


def measure(run: Run) -> Facts:
    """Measure the error on validation images."""
    return {"error": validation_error(run.trained(), load(run.data, "validation"))}


def gather(request: Request, runs: Sequence[Run]) -> Facts:
    """Return each setting's errors over its seeds, in per cent."""
    settings = {}
    for setting, changes in SETTINGS.items():
        found = read_measures(runs_of(request, setting), FOUND)
        errors = {
            name: over_seeds(100 * seed["error"] for seed in seeds) for name, seeds in found.items()
        }
        settings[setting] = {**errors, "changes": changes}
    return {"settings": settings}


def show(found: Facts) -> Facts:
    """Return the table."""
    rows = [
        [
            setting,
            _format_changes(entry["changes"]),
            *(format_seeds(entry[name]) for name in SEARCHED),
        ]
        for setting, entry in found["settings"].items()
    ]
    heads = ["setting", "differs in", *(f"{VARIANTS[name].summary}: %" for name in SEARCHED)]
    return {"start": _format_changes(_START), "errors": table(heads, rows)}


def _format_changes(changes: Facts) -> str:
    return ", ".join(f"{name} {value}" for name, value in changes.items()) or "–"


def format_seeds(error: Facts) -> str:
    """Return a mean with each seed: two seeds make no interval worth the name."""
    return f"{error['mean']:.1f} ({', '.join(f'{each:.1f}' for each in error['seeds'])})"


STUDY = Study(
    "aae-search",
    __doc__,
    SCALES,
    runs=runs,
    settings=aae.settings,
    measure=measure,
    measured=FOUND,
    gather=gather,
    prepare=aae.STUDY.prepare,
    show=show,
    page="aae_search",
)
main = partial(run_command, STUDY)

if __name__ == "__main__":
    sys.exit(main())
