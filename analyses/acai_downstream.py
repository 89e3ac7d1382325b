"""What the latents of the ACAI paper's seven autoencoders are good for: probes and clusters.

    python analyses/acai_downstream.py                   # laptop: a narrower net, 3 seeds
    python analyses/acai_downstream.py --scale paper     # the paper's net and 2^24 images: a GPU

MNIST at latents of 32 and 256 numbers: a softmax layer that is trained beside each model, one that
is fitted to the frozen encoder, and k-means of whitened latents. Labels of test images are only
counted against. What is already there is kept and what was interrupted goes on, so the same
command finishes a study that was cut off.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from acai_downstream_tables import draw, gather, to_markdown
from acai_models import BACKBONE, SEVEN, Sizes, options_of
from numpy.typing import NDArray
from study_command import run_command
from study_runs import finish_run, for_each
from study_tables import facts_of_run

from latentgeo.datasets import ImageDataset, load
from latentgeo.files import write_json, write_text
from latentgeo.metrics import (
    MeanInterval,
    clustering_accuracy,
    linear_probe,
    matched_clustering_error,
    whitened_kmeans,
)
from latentgeo.models import Autoencoder, choose_device, load_model
from latentgeo.provenance import provenance
from latentgeo.training import probe_accuracy

SCORES = "downstream.json"
#: Channels of a 4×4 latent, by its numbers.
LATENTS = {32: 2, 256: 16}
_BATCH = 64  # larger ones leave the caches, and take twice the time


@dataclass(frozen=True)
class Scale:
    """How large the study is; all of it is written into its results."""

    depth: int
    learning_rate: float
    epochs: int
    seeds: int
    probe_rate: float
    codebook_size: int
    fitted: int | None
    restarts: int
    batch_size: int = 64
    scales: int = 3
    train_samples: int | None = None
    data: str = "mnist"
    size: int | None = None

    def options(self, name: str, numbers: int) -> dict[str, Any]:
        """Give the options of a model whose latents have so many numbers."""
        sizes = Sizes(
            (1, 28, 28),
            self.depth,
            self.scales,
            LATENTS[numbers],
            self.learning_rate,
            self.codebook_size,
        )
        return options_of(name, sizes)


SCALES = {
    "smoke": Scale(
        1,
        1e-3,
        epochs=1,
        seeds=1,
        probe_rate=1e-2,
        codebook_size=16,
        fitted=150,
        restarts=2,
        train_samples=128,
        data="digits",
        size=28,
    ),
    "laptop": Scale(
        6,
        1e-3,
        epochs=2,
        seeds=3,
        probe_rate=1e-2,
        codebook_size=512,
        fitted=20_000,
        restarts=20,
    ),
    # 305 passes over 55,000 images are 2^24.
    "paper": Scale(
        16,
        1e-4,
        epochs=305,
        seeds=5,
        probe_rate=1e-4,
        codebook_size=2**14,
        fitted=None,
        restarts=1000,
    ),
}


@dataclass(frozen=True)
class Job:
    """One run."""

    name: str
    numbers: int
    seed: int
    scale: Scale
    out: Path
    device: str

    @property
    def folder(self) -> Path:
        """Its run folder."""
        return self.out / "runs" / str(self.numbers) / f"seed-{self.seed}" / self.name


def main(arguments: list[str] | None = None) -> int:
    """Run the study; 0 when done, 2 for input that cannot be used."""
    return run_command("acai-downstream", __doc__, SCALES, run_study, arguments)


def run_study(scale_name: str, scale: Scale, out: Path, *, workers: int, device: str) -> None:
    """Train and measure every model at every size and seed, and set the whole beside the paper."""
    start = time.perf_counter()
    load(scale.data, size=scale.size)  # data that cannot be had is an error now
    # The dearest first, so that no worker is left alone with it at the end.
    jobs = [
        Job(name, numbers, seed, scale, out, device)
        for name in reversed(SEVEN)
        for numbers in LATENTS
        for seed in range(scale.seeds)
    ]
    for_each(run, jobs, workers)
    latents = {
        str(numbers): gather({name: _read(jobs, name, numbers) for name in SEVEN})
        for numbers in LATENTS
    }
    facts = provenance(
        scale=scale_name,
        **asdict(scale),
        workers=workers,
        training_seconds=round(sum(facts_of_run(job.folder)["seconds"] for job in jobs)),
        seconds_of_this_command=round(time.perf_counter() - start),
    )
    study = out / "study"
    write_json(study / "study.json", {"provenance": facts, "latents": latents})
    write_text(study / "study.md", to_markdown(latents, facts))
    draw(latents, study)
    print(f"study: {study / 'study.md'}")


def run(job: Job) -> None:
    """Train one model with a probe beside it, and measure its latents, unless that is done."""
    scale = job.scale
    finish_run(
        SEVEN[job.name].recipe,
        job.folder,
        backbone=BACKBONE,
        data=scale.data,
        size=scale.size,
        options=scale.options(job.name, job.numbers),
        epochs=scale.epochs,
        batch_size=scale.batch_size,
        learning_rate=scale.learning_rate,
        train_samples=scale.train_samples,
        probe=True,
        probe_rate=scale.probe_rate,
        seed=job.seed,
        device=job.device,
        progress=False,
    )
    if not (job.folder / SCORES).exists():
        write_json(job.folder / SCORES, _measure(job))
        print(f"{job.name}, {job.numbers} numbers, seed {job.seed}: measured", flush=True)


def _measure(job: Job) -> dict[str, Any]:
    scale, model = job.scale, load_model(job.folder)
    known, test = (load(scale.data, split, size=scale.size) for split in ("train", "test"))
    if scale.fitted is not None:
        known = known.take(scale.fitted, seed=0)
    fit, seen = (_encode(model, images, job.device) for images in (known, test))
    frozen = linear_probe(fit, known.labels, seen, test.labels, seed=0)
    found = whitened_kmeans(fit, seen, restarts=scale.restarts, seed=job.seed)
    return {
        "probe_beside": _say(probe_accuracy(job.folder, test, device=job.device)),
        "probe_frozen": _say(frozen.accuracy),
        "probe_frozen_converged": frozen.converged,
        "clustering": _say(clustering_accuracy(found.clusters, test.labels, seed=0)),
        "clustering_each": [
            1 - matched_clustering_error(clusters, test.labels) for clusters in found.each
        ],
        "dropped_directions": found.dropped,
    }


@torch.no_grad()
def _encode(model: Autoencoder, images: ImageDataset, device: str) -> NDArray[np.float32]:
    place = choose_device(device)
    model.eval().to(place)
    batches = [model.encode(batch.to(place)).cpu() for batch, _ in images.batches(_BATCH)]
    latents: NDArray[np.float32] = torch.cat(batches).flatten(1).numpy()
    return latents


def _say(interval: MeanInterval) -> dict[str, float]:
    return {name: float(value) for name, value in interval._asdict().items()}


def _read(jobs: list[Job], name: str, numbers: int) -> list[dict[str, Any]]:
    """Read what was measured, one entry for each seed."""
    return [_read_run(job) for job in jobs if (job.name, job.numbers) == (name, numbers)]


def _read_run(job: Job) -> dict[str, Any]:
    scores: dict[str, Any] = json.loads((job.folder / SCORES).read_text(encoding="utf-8"))
    facts = facts_of_run(job.folder)
    kept = {key: facts[key] for key in ("validation_psnr_db", "learned", "trouble")}
    return scores | kept


if __name__ == "__main__":
    sys.exit(main())
