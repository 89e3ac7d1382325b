"""The lines benchmark of ACAI: seven autoencoders, scored by how they interpolate.

    python analyses/acai_lines.py                   # laptop: a narrower net, 2^18 lines, 3 seeds
    python analyses/acai_lines.py --scale paper     # the paper's net, 2^24 lines, 5 seeds: a GPU

Every run sees fresh lines only, and after each 65,536 of them 256 pairs are scored. What is already
there is kept and what was interrupted goes on, so the same command finishes a study that was
cut off.
"""

import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from acai_lines_tables import Evaluations, draw, gather, to_markdown
from acai_models import BACKBONE, SEVEN, Sizes, options_of
from study_command import run_command
from study_runs import finish_run, for_each
from study_tables import facts_of_run, without_nan

from latentgeo.files import write_atomically, write_json, write_text
from latentgeo.interpolation import line_scores
from latentgeo.models import Autoencoder
from latentgeo.provenance import provenance

SCORES = "lines.npz"


@dataclass(frozen=True)
class Scale:
    """How large the study is; all of it is written into its results."""

    depth: int
    learning_rate: float
    codebook_size: int
    epochs: int
    seeds: int
    last_evaluations: int
    batch_size: int = 64
    scales: int = 4
    latent_channels: int = 16
    pairs: int = 256
    references: int = 10_000
    train_samples: int | None = None

    @property
    def sizes(self) -> Sizes:
        """What the seven have in common."""
        return Sizes(
            (1, 32, 32),
            self.depth,
            self.scales,
            self.latent_channels,
            self.learning_rate,
            self.codebook_size,
        )


SCALES = {
    "smoke": Scale(
        1,
        1e-3,
        codebook_size=16,
        epochs=2,
        seeds=2,
        last_evaluations=1,
        pairs=8,
        references=200,
        train_samples=128,
    ),
    "laptop": Scale(6, 5e-4, codebook_size=512, epochs=4, seeds=3, last_evaluations=1),
    "paper": Scale(16, 1e-4, codebook_size=2**14, epochs=256, seeds=5, last_evaluations=20),
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
    return run_command("acai-lines", __doc__, SCALES, run_study, arguments)


def run_study(scale_name: str, scale: Scale, out: Path, *, workers: int, device: str) -> None:
    """Train and score every model at every seed, and set the whole beside the paper."""
    start = time.perf_counter()
    # The dearest first, so that no worker is left alone with it at the end.
    jobs = [
        Job(name, seed, scale, out, device)
        for name in reversed(SEVEN)
        for seed in range(scale.seeds)
    ]
    for_each(run, jobs, workers)
    folders = {name: [job.folder for job in jobs if job.name == name] for name in SEVEN}
    models = gather(
        {name: [_read(folder) for folder in found] for name, found in folders.items()},
        {name: [facts_of_run(folder) for folder in found] for name, found in folders.items()},
        scale.last_evaluations,
    )
    facts = provenance(
        scale=scale_name,
        **asdict(scale),
        workers=workers,
        training_seconds=round(sum(sum(found["seconds"]) for found in models.values())),
        seconds_of_this_command=round(time.perf_counter() - start),
    )
    study = out / "study"
    write_json(study / "study.json", {"provenance": facts, "models": without_nan(models)})
    write_text(study / "study.md", to_markdown(models, facts))
    draw(models, study)
    print(f"study: {study / 'study.md'}")


def run(job: Job) -> None:
    """Train one model and score it after each epoch."""
    scale = job.scale
    finish_run(
        SEVEN[job.name].recipe,
        job.folder,
        backbone=BACKBONE,
        data="lines",
        options=options_of(job.name, scale.sizes),
        epochs=scale.epochs,
        batch_size=scale.batch_size,
        learning_rate=scale.learning_rate,
        train_samples=scale.train_samples,
        seed=job.seed,
        device=job.device,
        progress=False,
        on_epoch=partial(_score, job),
    )


def _score(job: Job, model: Autoencoder, epoch: int) -> None:
    found = line_scores(model, pairs=job.scale.pairs, references=job.scale.references)
    scores = Evaluations.of(
        found.distance.mean(axis=1), found.pair_smoothness, found.pair_shortest_arc
    )
    if epoch > 1:
        scores = _read(job.folder).up_to(epoch - 1).and_then(scores)
    write_atomically(job.folder / SCORES, partial(_write, scores))
    print(
        f"{job.name}, seed {job.seed}, epoch {epoch}: mean distance {found.mean_distance:.5f}, "
        f"smoothness {found.smoothness:.3f}, undefined {found.undefined}",
        flush=True,
    )


def _write(scores: Evaluations, path: Path) -> None:
    with path.open("wb") as file:  # of a name, numpy would make another
        np.savez(file, **scores._asdict())


def _read(folder: Path) -> Evaluations:
    with np.load(folder / SCORES) as saved:
        return Evaluations(**saved)


if __name__ == "__main__":
    sys.exit(main())
