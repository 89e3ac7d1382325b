"""Adversarial autoencoders: every variant of the paper, its figure and its measures.

    python analyses/aae.py                   # laptop: smaller nets, a few epochs, 3 seeds
    python analyses/aae.py --scale paper     # the paper's nets, 200 epochs: a GPU

Codes against their prior, Parzen log-likelihood, errors with few labels and with none. Labels of
test images are only counted against. What is already there is kept and what was interrupted goes
on, so the same command finishes a study that was cut off.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aae_measures import measure, parzen
from aae_tables import draw, gather, to_markdown
from aae_variants import VARIANTS
from study_command import run_command
from study_runs import finish_run, for_each
from study_tables import facts_of_run

from latentgeo.datasets import load
from latentgeo.figures import save_figure
from latentgeo.figures.variants import draw_variant
from latentgeo.files import write_json, write_text
from latentgeo.models import Autoencoder, choose_device, load_model
from latentgeo.provenance import provenance

MEASURES = "aae.json"
_SHOWN = 2000  # images by which a figure shows a model


@dataclass(frozen=True)
class Scale:
    """How large the study is; all of it is written into its results."""

    hidden: tuple[int, ...]
    epochs: int
    seeds: int
    samples: int
    tested: int
    input_noise: float
    learning_rate: float = 1e-3
    discriminator_rate: float = 5e-4
    adversarial_weight: float = 1.0
    classification_weight: float = 1.0
    batch_size: int = 100
    schedule: str = "steps"
    beta1: float = 0.5
    data: str = "mnist"


SCALES = {
    "smoke": Scale(
        (16, 16), epochs=1, seeds=1, samples=100, tested=60, input_noise=0.1, data="digits"
    ),
    # The settings that did best in aae_search.py.
    "laptop": Scale(
        (400, 400),
        epochs=5,
        seeds=3,
        samples=10_000,
        tested=1000,
        input_noise=0.0,
        classification_weight=10.0,
    ),
    "paper": Scale((1000, 1000), epochs=200, seeds=5, samples=10_000, tested=1000, input_noise=0.3),
}


@dataclass(frozen=True)
class Job:
    """One run."""

    name: str
    seed: int
    scale: Scale
    out: Path
    device: str

    @property
    def folder(self) -> Path:
        """Its run folder."""
        return self.out / "runs" / f"seed-{self.seed}" / self.name


def main(arguments: list[str] | None = None) -> int:
    """Run the study; 0 when done, 2 for input that cannot be used."""
    return run_command("aae", __doc__, SCALES, run_study, arguments)


def run_study(scale_name: str, scale: Scale, out: Path, *, workers: int, device: str) -> None:
    """Train, measure and draw every variant at every seed, and set the whole beside the paper."""
    start = time.perf_counter()
    load(scale.data)  # data that cannot be had is an error now
    jobs = [Job(name, seed, scale, out, device) for name in VARIANTS for seed in range(scale.seeds)]
    for_each(run, jobs, workers)
    found = gather({name: [_read(job) for job in jobs if job.name == name] for name in VARIANTS})
    facts = provenance(
        scale=scale_name,
        **asdict(scale),
        workers=workers,
        training_images_as_samples=_ceiling(scale),
        training_seconds=round(sum(facts_of_run(job.folder)["seconds"] for job in jobs)),
        seconds_of_this_command=round(time.perf_counter() - start),
    )
    study = out / "study"
    write_json(study / "study.json", {"provenance": facts, "variants": found})
    write_text(study / "study.md", to_markdown(found, facts))
    draw(found, study)
    print(f"study: {study / 'study.md'}")


def run(job: Job) -> None:
    """Train one variant, measure it and draw its figures, unless that is done."""
    model = trained(job)
    if not (job.folder / MEASURES).exists():
        _measure(job, model)
        print(f"{job.name}, seed {job.seed}: measured", flush=True)


def trained(job: Job) -> Autoencoder:
    """Train one variant, unless that is done, and give it."""
    scale = job.scale
    finish_run(
        "aae",
        job.folder,
        backbone="mlp",
        data=scale.data,
        options={
            "hidden": scale.hidden,
            "discriminator": scale.hidden,
            "discriminator_rate": scale.discriminator_rate,
            "adversarial_weight": scale.adversarial_weight,
            "classification_weight": scale.classification_weight,
            "input_noise": scale.input_noise,
            **VARIANTS[job.name].options,
        },
        epochs=scale.epochs,
        batch_size=scale.batch_size,
        learning_rate=scale.learning_rate,
        beta1=scale.beta1,
        schedule=scale.schedule,
        seed=job.seed,
        device=job.device,
        progress=False,
    )
    return load_model(job.folder).eval().to(choose_device(job.device))


def _measure(job: Job, model: Autoencoder) -> None:
    scale = job.scale
    validation, test = (load(scale.data, split) for split in ("validation", "test"))
    if job.seed == 0:
        shown = draw_variant(model, test.take(min(_SHOWN, len(test))))
        for kind, display in shown.items():
            folder = job.out / "study"
            save_figure(display.plot().figure_, folder / f"{job.name}-{kind}")
    found = measure(
        model, validation, test, samples=scale.samples, tested=scale.tested, seed=job.seed
    )
    write_json(job.folder / MEASURES, found)


def _read(job: Job) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((job.folder / MEASURES).read_text(encoding="utf-8"))
    facts = facts_of_run(job.folder)
    return found | {key: facts[key] for key in ("validation_psnr_db", "learned", "trouble")}


def _ceiling(scale: Scale) -> dict[str, Any]:
    """Measure what training images themselves would reach in the place of samples."""
    train, validation, test = (load(scale.data, split) for split in ("train", "validation", "test"))
    drawn = train.take(min(scale.samples, len(train)), seed=0).batch(slice(None))
    return parzen(drawn, validation, test)


if __name__ == "__main__":
    sys.exit(main())
