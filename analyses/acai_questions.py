"""Two questions that the ACAI paper leaves open, each answered by pairs of runs.

    python analyses/acai_questions.py                   # laptop: MNIST, a narrow net
    python analyses/acai_questions.py --scale paper     # the paper's net, 262,144 steps: a GPU
    python analyses/acai_questions.py --scale smoke --data digits

Does its critic give a VAE better random samples? Does it help where the data are no images, here
8x8 digits as vectors in a fully connected net? The runs of a pair differ in the critic alone: same
nets, first weights and order of data. What is already there is kept and what was interrupted
goes on, so the same command finishes a study that was cut off.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from acai_questions_measures import (
    Seen,
    controls_of_images,
    controls_of_vectors,
    digits_as_vectors,
    images_seen,
    measure_images,
    measure_vectors,
    vectors_seen,
)
from acai_questions_tables import (
    QUESTIONS,
    VARIANTS,
    draw_examples,
    draw_measures,
    gather,
    to_markdown,
)
from study_command import count
from study_runs import finish_run, for_each

from latentgeo import InputError
from latentgeo.features import Features, load_features, train_classifier
from latentgeo.files import write_json, write_text
from latentgeo.models import load_model
from latentgeo.provenance import provenance
from latentgeo.training import RunFolder

Facts = dict[str, Any]

FEATURES, MEASURES = "features", "measures.json"
SAMPLES, TABULAR = QUESTIONS
RECIPES = {SAMPLES: "vae", TABULAR: "cae"}
CRITIC_WEIGHT = 0.5


@dataclass(frozen=True)
class Scale:
    """How large the study is; all of it is written into its results."""

    depth: int
    learning_rate: float
    epochs: int
    seeds: int
    samples: int
    real: int
    vector_epochs: int
    vector_seeds: int
    classifier_epochs: int = 5
    batch_size: int = 64
    train_samples: int | None = None
    latent_channels: int = 2
    vector_hidden: tuple[int, int] = (256, 128)
    vector_latent: int = 8
    vector_critic_depth: int = 16


SCALES = {
    "smoke": Scale(
        2,
        1e-3,
        epochs=1,
        seeds=2,
        samples=40,
        real=50,
        vector_epochs=1,
        vector_seeds=2,
        classifier_epochs=1,
        train_samples=128,
    ),
    "laptop": Scale(
        6,
        1e-3,
        epochs=3,
        seeds=4,
        samples=10_000,
        real=5_000,
        vector_epochs=150,
        vector_seeds=8,
        train_samples=45_000,
    ),
    "paper": Scale(
        16,
        1e-4,
        epochs=305,
        seeds=5,
        samples=10_000,
        real=55_000,
        vector_epochs=600,
        vector_seeds=20,
    ),
}


@dataclass(frozen=True)
class Job:
    """One run."""

    question: str
    variant: str
    seed: int
    scale: Scale
    data: str
    out: Path
    device: str

    @property
    def run(self) -> RunFolder:
        """Its run folder."""
        return RunFolder(self.out / "runs" / self.question / f"seed-{self.seed}" / self.variant)

    @property
    def measures(self) -> Path:
        """What was measured of it."""
        return self.run.path / MEASURES


def main(arguments: list[str] | None = None) -> int:
    """Run the study; 0 when done, 2 for input that cannot be used."""
    chosen = _parse(arguments)
    out = chosen.out or Path("results") / f"acai-questions-{chosen.data}-{chosen.scale}"
    scale = SCALES[chosen.scale]
    if chosen.seeds is not None:
        scale = replace(scale, seeds=chosen.seeds, vector_seeds=chosen.seeds)
    try:
        run_study(chosen.data, chosen.scale, scale, out, chosen.workers, chosen.device)
    except (InputError, OSError) as error:
        print(f"acai_questions: {error}", file=sys.stderr)
        return 2
    return 0


def run_study(
    data: str, scale_name: str, scale: Scale, out: Path, workers: int, device: str
) -> None:
    """Train and measure every pair at every seed, and say what they answer."""
    start = time.perf_counter()
    features = _features(data, scale, out, device)
    jobs = [
        Job(question, variant, seed, scale, data, out, device)
        for question, seeds in ((SAMPLES, scale.seeds), (TABULAR, scale.vector_seeds))
        for seed in range(seeds)
        for variant in VARIANTS
    ]
    for_each(work, jobs, workers)
    seen = _images_seen(jobs[0])
    controls = {
        SAMPLES: controls_of_images(seen, features),
        TABULAR: controls_of_vectors(vectors_seen()),
    }
    answers = {
        question: gather(
            question,
            _by_variant(_measures, question, jobs),
            controls[question],
            _by_variant(_learned, question, jobs),
        )
        for question in QUESTIONS
    }
    facts = provenance(
        scale=scale_name,
        data=data,
        **asdict(scale),
        test_images=len(seen.test),
        real_images=len(seen.real),
        critic_weight=CRITIC_WEIGHT,
        features={"name": features.name, "sha256": features.sha256, "accuracy": features.accuracy},
        workers=workers,
        training_seconds=_training_seconds(jobs),
        seconds_of_this_command=round(time.perf_counter() - start),
    )
    _write(answers, facts, jobs, out / "study")


def work(job: Job) -> None:
    """Train one model, and measure it unless that is done."""
    finish_run(
        RECIPES[job.question],
        job.run.path,
        batch_size=job.scale.batch_size,
        learning_rate=job.scale.learning_rate,
        schedule="cosine",
        seed=job.seed,
        device=job.device,
        progress=False,
        **_SETTINGS[job.question](job),
    )
    weights = _run_facts(job)["weights_sha256"]
    if _measured_weights(job.measures) != weights:
        write_json(
            job.measures, {"weights_sha256": weights, "measures": _MEASURED[job.question](job)}
        )
        print(f"{job.question}, seed {job.seed}, {job.variant} the critic: measured", flush=True)


def _settings_of_images(job: Job) -> Facts:
    scale = job.scale
    nets = {
        "depth": scale.depth,
        "latent_channels": scale.latent_channels,
        "head": "dense",
        "kl_warmup": 0.0,
    }
    return {
        "data": job.data,
        "backbone": "acai",
        "epochs": scale.epochs,
        "train_samples": scale.train_samples,
        "options": nets | _critic(job, scale.depth),
    }


def _settings_of_vectors(job: Job) -> Facts:
    scale = job.scale
    nets = {
        "hidden": scale.vector_hidden,
        "latent_dim": scale.vector_latent,
        "latent_activation": "linear",
        "likelihood": "squared-signed",
    }
    return {
        "data": digits_as_vectors("train"),
        "backbone": "mlp",
        "epochs": scale.vector_epochs,
        "options": nets | _critic(job, scale.vector_critic_depth),
    }


def _critic(job: Job, depth: int) -> Facts:
    """Give the options of the critic, as the paper has them; none where it is left out."""
    if job.variant == "without":
        return {}
    return {
        "critic_weight": CRITIC_WEIGHT,
        "critic_depth": depth,
        "critic_rate": job.scale.learning_rate,
    }


def _measure_images(job: Job) -> dict[str, float]:
    features = load_features(job.out / FEATURES)
    return measure_images(load_model(job.run.path), features, _images_seen(job))


def _measure_vectors(job: Job) -> dict[str, float]:
    return measure_vectors(load_model(job.run.path), vectors_seen())


_SETTINGS = {SAMPLES: _settings_of_images, TABULAR: _settings_of_vectors}
_MEASURED = {SAMPLES: _measure_images, TABULAR: _measure_vectors}


def _measured_weights(path: Path) -> str | None:
    """Give the hash of the weights that were measured, None where none were."""
    if not path.is_file():
        return None
    return str(json.loads(path.read_text(encoding="utf-8"))["weights_sha256"])


def _features(data: str, scale: Scale, out: Path, device: str) -> Features:
    folder = out / FEATURES
    if not (folder / "features.json").is_file():
        train_classifier(
            data,
            out=folder,
            epochs=scale.classifier_epochs,
            device=device,
            force=True,
            progress=False,
        )
    return load_features(folder)


def _images_seen(job: Job) -> Seen:
    return images_seen(job.data, job.scale.samples, job.scale.real)


def _by_variant(read: Callable[[Job], Any], question: str, jobs: list[Job]) -> dict[str, list[Any]]:
    """Give what is read of a question's runs: for each variant, one entry for each seed."""
    return {
        variant: [read(job) for job in jobs if (job.question, job.variant) == (question, variant)]
        for variant in VARIANTS
    }


def _measures(job: Job) -> dict[str, float]:
    found: dict[str, float] = json.loads(job.measures.read_text(encoding="utf-8"))["measures"]
    return found


def _run_facts(job: Job) -> Facts:
    facts: Facts = json.loads(job.run.provenance.read_text(encoding="utf-8"))
    return facts


def _learned(job: Job) -> bool:
    return bool(_run_facts(job)["learned"])


def _write(answers: dict[str, Facts], facts: Facts, jobs: list[Job], study: Path) -> None:
    write_json(study / "study.json", {"provenance": facts, "questions": answers})
    write_text(study / "study.md", to_markdown(answers, facts))
    for question, answer in answers.items():
        draw_measures(question, answer, study / question)
        first = {
            job.variant: load_model(job.run.path)
            for job in jobs
            if job.question == question and job.seed == 0
        }
        sampled = question == SAMPLES
        seen = _images_seen(jobs[0]) if sampled else vectors_seen()
        draw_examples(first, seen, study / f"{question}_examples", sampled=sampled)
    print(f"study: {study / 'study.md'}")


def _training_seconds(jobs: list[Job]) -> int:
    """Add up the seconds of all runs, over all commands that worked on them."""
    return round(sum(_run_facts(job)["seconds"] for job in jobs))


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default="mnist", help="a labelled data set (default: mnist)")
    parser.add_argument("--scale", default="laptop", choices=SCALES, help="default: laptop")
    parser.add_argument("--seeds", type=count, help="how many seeds; default: the scale's")
    parser.add_argument("--out", type=Path, help="default: results/acai-questions-…")
    parser.add_argument("--workers", type=count, default=os.cpu_count(), help="default: all cores")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
