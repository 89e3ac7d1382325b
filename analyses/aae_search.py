"""A search for settings of the adversarial autoencoder: what each does to its errors.

    python analyses/aae_search.py                   # laptop: smaller nets, a few epochs, 2 seeds
    python analyses/aae_search.py --scale overnight # noise with 100 labels: 15 epochs, 4 seeds
    python analyses/aae_search.py --scale paper     # the paper's nets: a GPU

Each setting differs from one and the same in what is named beside it. Errors are those of
validation images: no test image is read. An interrupted search goes on.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import aae
from measures.aae import category_error, category_probabilities, finds_clusters, most_confused
from measures.aae_tables import format_confusions
from models.aae import VARIANTS
from study import Facts, Request, Run, Study, compare, over_seeds, read_measures, run_command
from study.render import table

from latentgeo.datasets import load

FOUND = "validation.json"
_FEW = 3  # seeds that a difference is tested from
_START: Facts = {
    **{"input_noise": 0.3, "learning_rate": 1e-3, "discriminator_rate": 5e-4},
    **{"adversarial_weight": 1.0, "classification_weight": 1.0},
    **{"batch_size": 100, "beta1": 0.5, "schedule": "steps"},
}
#: By what each setting differs from that.
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
class Scale(aae.Scale):
    """How large the search is, what is trained, and with which settings."""

    models: tuple[str, ...] = ("semi-100", "clusters-16")
    settings: tuple[str, ...] = tuple(SETTINGS)


_LAPTOP = Scale(epochs=3, seeds=2, **_START)
SCALES = {
    "smoke": replace(_LAPTOP, hidden=(16, 16), epochs=1, seeds=1, data="digits"),
    "laptop": _LAPTOP,
    # What noise does with 100 labels: more epochs, which it takes to show, and more seeds.
    "overnight": replace(
        _LAPTOP,
        epochs=15,
        seeds=4,
        models=("semi-100",),
        settings=("no-noise-strong-labels", "strong-labels"),
    ),
    "paper": replace(_LAPTOP, hidden=(1000, 1000), epochs=100, seeds=3),
}


def runs(request: Request) -> list[Run]:
    """Return every model with every setting; each seed of all of them before the next."""
    listed = [run for setting in request.scale.settings for run in runs_of(request, setting)]
    return sorted(listed, key=lambda run: run.seed)


def runs_of(request: Request, setting: str) -> list[Run]:
    """Return the runs of one setting, in its own folder."""
    scale = replace(request.scale, **SETTINGS[setting])
    tried = replace(request, scale=scale, out=request.out / setting)
    return tried.runs({name: VARIANTS[name] for name in request.scale.models})


def measure(run: Run) -> Facts:
    """Measure the error on validation images, and of classes the most frequent confusion."""
    model, validation = run.trained(), load(run.data, "validation")
    belongs = category_probabilities(model, validation)
    found: Facts = {"error": category_error(model, belongs, validation.labels)}
    if not finds_clusters(model):
        found["confused"] = most_confused(belongs.argmax(axis=1), validation.labels)
    return found


def gather(request: Request, runs: Sequence[Run]) -> Facts:
    """Return each setting's errors over its seeds, in per cent, and its confusions."""
    return {
        "settings": {
            setting: {
                **_gather_models(read_measures(runs_of(request, setting), FOUND)),
                "changes": SETTINGS[setting],
            }
            for setting in request.scale.settings
        }
    }


def _gather_models(found: Mapping[str, Sequence[Facts]]) -> Facts:
    return {
        name: {
            **over_seeds(100 * seed["error"] for seed in seeds),
            "confused": [seed["confused"] for seed in seeds if "confused" in seed],
        }
        for name, seeds in found.items()
    }


def show(found: Facts) -> Facts:
    """Return the table of errors, and where there are seeds for it their differences."""
    settings = found["settings"]
    first, *others = settings
    models = [name for name in settings[first] if name != "changes"]
    rows = [
        [
            setting,
            _format_changes(entry["changes"]),
            *(format_seeds(entry[name]) for name in models),
        ]
        for setting, entry in settings.items()
    ]
    heads = ["setting", "differs in", *(f"{VARIANTS[name].summary}: %" for name in models)]
    less = compare(
        {
            f"{other} less {first}, {VARIANTS[name].summary}": tuple(
                settings[setting][name] for setting in (other, first)
            )
            for other in others
            for name in models
        },
        paired=True,
    )
    return {
        "start": _format_changes(_START),
        "errors": table(heads, rows),
        "differences": less if found["provenance"]["seeds"] >= _FEW else {},
        "confused": {
            f"{setting}, {VARIANTS[name].summary}": format_confusions(confused)
            for setting, entry in settings.items()
            for name in models
            if (confused := entry[name].get("confused"))
        },
    }


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
