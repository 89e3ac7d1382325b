"""Runs of the studies that compare how well models of one net make images."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from image_makers import Maker, pictures, quality, realism_of_images
from numpy.typing import NDArray
from study_runs import finish_run
from study_tables import facts_of_run

from latentgeo.datasets import load
from latentgeo.features import Features, load_features, train_classifier
from latentgeo.files import write_atomically, write_json
from latentgeo.models import Autoencoder, choose_device, load_model

Facts = dict[str, Any]
QUALITY, PICTURES = "quality.json", "pictures.npz"
BACKBONE = "wae"


@dataclass(frozen=True)
class Variant:
    """A recipe, and what differs from its defaults."""

    recipe: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scale:
    """How large a study is; all of it is written into its results."""

    channels: tuple[int, ...]
    epochs: int
    seeds: int
    latent_dim: int = 8
    feature_epochs: int = 5
    batch_size: int = 100
    learning_rate: float = 1e-3
    schedule: str = "steps"
    beta1: float = 0.5
    data: str = "mnist"


@dataclass(frozen=True)
class Job:
    """One run."""

    name: str
    variant: Variant
    seed: int
    scale: Any
    out: Path
    device: str

    @property
    def folder(self) -> Path:
        """Its run folder."""
        return self.beside(self.name)

    def beside(self, name: str) -> Path:
        """Give the folder of what else is made at its seed."""
        return self.out / "runs" / f"seed-{self.seed}" / name


def jobs_of(models: Mapping[str, Variant], scale: Scale, out: Path, device: str) -> list[Job]:
    """Give a job for each model and seed."""
    return [
        Job(name, variant, seed, scale, out, device)
        for name, variant in models.items()
        for seed in range(scale.seeds)
    ]


def finish_features(scale: Scale, out: Path, device: str) -> Features:
    """Train the classifier whose features images are compared in, unless that is done."""
    folder = out / "features"
    if not folder.exists():
        train_classifier(
            scale.data, out=folder, epochs=scale.feature_epochs, device=device, progress=False
        )
    return load_features(folder)


def trained(job: Job) -> Autoencoder:
    """Train the job's model, unless that is done, and give it."""
    scale = job.scale
    finish_run(
        job.variant.recipe,
        job.folder,
        backbone=BACKBONE,
        data=scale.data,
        options={
            "channels": scale.channels,
            "latent_dim": scale.latent_dim,
            **job.variant.options,
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


def is_measured(folder: Path) -> bool:
    """Tell whether what was made in a folder has been measured."""
    return (folder / QUALITY).exists()


def measure(job: Job, maker: Maker, folder: Path, **facts: Any) -> None:
    """Measure what makes images, and write it into a folder with further facts."""
    test = load(job.scale.data)
    features = load_features(job.out / "features")
    shown = pictures(maker, test, seed=job.seed)
    write_atomically(folder / PICTURES, partial(_write, shown))
    found = quality(maker, test, features, seed=job.seed)
    write_json(folder / QUALITY, {**_sound_facts(job), **found, **facts})
    print(f"{folder.name}, seed {job.seed}: measured", flush=True)


def _sound_facts(job: Job) -> Facts:
    facts = facts_of_run(job.folder)
    return {key: facts[key] for key in ("learned", "trouble")}


def read(out: Path, names: Iterable[str], scale: Scale) -> dict[str, list[Facts]]:
    """Read what was measured of each name, one entry for each seed."""
    return {
        name: [_read(out / "runs" / f"seed-{seed}" / name) for seed in range(scale.seeds)]
        for name in names
    }


def read_pictures(out: Path, names: Iterable[str]) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Read the pictures of each name, those of seed 0."""
    shown = {}
    for name in names:
        with np.load(out / "runs" / "seed-0" / name / PICTURES) as saved:
            shown[name] = dict(saved)
    return shown


def floor(scale: Scale, features: Features) -> Facts:
    """Measure test images, and as many training images in the place of samples."""
    train, test = load(scale.data, "train"), load(scale.data)
    real = train.take(min(len(test), len(train)), seed=0)
    found = realism_of_images(real, test, features)
    own = realism_of_images(test, test, features)
    return {**found, "images": len(real), "sharpness_test": own["sharpness_samples"]}


def _read(folder: Path) -> Facts:
    found: Facts = json.loads((folder / QUALITY).read_text(encoding="utf-8"))
    return found


def _write(shown: dict[str, NDArray[np.float32]], path: Path) -> None:
    with path.open("wb") as file:  # of a name, numpy would make another
        np.savez_compressed(file, **shown)
