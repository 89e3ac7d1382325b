"""Latent spaces of autoencoders under noise: train, analyse, compare with the paper.

    python analyses/latent_characterization.py                                  # bundled digits
    python analyses/latent_characterization.py --data mnist --scale laptop
    python analyses/latent_characterization.py --data mnist --scale paper
    python analyses/latent_characterization.py --data mnist --scale laptop --models all --workers 2

An independent re-implementation, from the abstract and the captions, of "Latent Space
Characterization of Autoencoder Variants" (arXiv 2412.04755), which has CAE, DAE and VAE; with
`--models all` adversarial and Wasserstein autoencoders stand beside them. What is already there is
kept and what was interrupted goes on, so the same command finishes a study that was cut off.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from characterization_order import say_orders, say_troubles
from characterization_tables import compare_with_paper, draw_over_seeds, gather, to_markdown
from study_command import count
from study_runs import finish_run, for_each
from study_tables import facts_of_run

from latentgeo import InputError, analyze
from latentgeo.datasets import load as load_images
from latentgeo.files import write_json, write_text
from latentgeo.provenance import provenance

NOISE = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


@dataclass(frozen=True)
class Scale:
    """How large a study is; all of it is written into its results."""

    widths: tuple[int, int, int]
    epochs: int
    batch_size: int
    train_samples: int | None
    seeds: int
    samples: int
    controls: bool = False


@dataclass(frozen=True)
class Variant:
    """A model of the study: its recipe and what differs from the recipe's defaults."""

    recipe: str
    options: dict[str, Any] = field(default_factory=dict)


SCALES = {
    "smoke": Scale((4, 8, 16), epochs=1, batch_size=32, train_samples=128, seeds=1, samples=24),
    "demo": Scale((8, 16, 64), epochs=12, batch_size=32, train_samples=None, seeds=1, samples=300),
    "laptop": Scale(
        (16, 32, 64),
        epochs=2,
        batch_size=64,
        train_samples=20_000,
        seeds=3,
        samples=300,
        controls=True,
    ),
    "paper": Scale(
        (32, 64, 128),
        epochs=30,
        batch_size=128,
        train_samples=None,
        seeds=5,
        samples=300,
        controls=True,
    ),
}
MODELS = {"cae": Variant("cae"), "dae": Variant("dae"), "vae": Variant("vae")}
CONTROLS = {
    # Without the last ReLU no latent value is cut off at zero: does that decide the ranks?
    "cae-linear": Variant("cae", {"latent_activation": "linear"}),
    # The paper's VAE reconstructs as well as its CAE: does a weak divergence decide that?
    "vae-weak": Variant("vae", {"kl_weight": 0.01, "kl_warmup": 0.0}),
}
ALL_MODELS = {
    **MODELS,
    # A latent tensor has more numbers than the images have dimensions, so that no encoder without
    # noise makes it follow the prior; without the norm it would shrink. Nor can a batch tell the
    # covariance that the encoder would first be trained to match.
    "aae": Variant("aae", {"latent_norm": True}),
    "wae-mmd": Variant("wae-mmd", {"latent_norm": True, "pretrain_steps": 0}),
    "wae-gan": Variant("wae-gan", {"latent_norm": True, "pretrain_steps": 0}),
    "swae": Variant("swae"),
}
ALL_CONTROLS = {
    **CONTROLS,
    # What the adversarial and Wasserstein ones are without their prior.
    "cae-squared": Variant("cae", {"latent_activation": "linear", "likelihood": "squared"}),
}
# Twice as many models in the same time.
ALL_SCALES = SCALES | {"laptop": replace(SCALES["laptop"], epochs=1, samples=200)}


@dataclass(frozen=True)
class Study:
    """What a command asks for."""

    data: str
    scale_name: str
    scale: Scale
    models: dict[str, Variant]
    every_model: bool
    out: Path
    device: str


@dataclass(frozen=True)
class Job:
    """One run."""

    name: str
    seed: int
    study: Study

    @property
    def folder(self) -> Path:
        """Its run folder."""
        return self.study.out / "runs" / f"seed-{self.seed}" / self.name


def main(arguments: list[str] | None = None) -> int:
    """Run the study; 0 when done, 2 for input that cannot be used."""
    chosen = _parse(arguments)
    study = _study_of(chosen)
    try:
        run_study(study, workers=chosen.workers)
    except (InputError, OSError) as error:
        print(f"latent_characterization: {error}", file=sys.stderr)
        return 2
    return 0


def _study_of(chosen: argparse.Namespace) -> Study:
    every = chosen.models == "all"
    scale = (ALL_SCALES if every else SCALES)[chosen.scale]
    if chosen.seeds is not None:
        scale = replace(scale, seeds=chosen.seeds)
    models, controls = (ALL_MODELS, ALL_CONTROLS) if every else (MODELS, CONTROLS)
    name = f"latent-characterization-{chosen.data}-{chosen.scale}{'-all' if every else ''}"
    return Study(
        chosen.data,
        chosen.scale,
        scale,
        models | controls if scale.controls else models,
        every,
        chosen.out or Path("results") / name,
        chosen.device,
    )


def run_study(study: Study, *, workers: int = 1) -> None:
    """Train every model at every seed, analyse each seed, and set the whole beside the paper."""
    start = time.perf_counter()
    load_images(study.data)  # data that cannot be had is an error now, not after the first training
    seeds = range(study.scale.seeds)
    jobs = [Job(name, seed, study) for seed in seeds for name in study.models]
    for_each(_train, jobs, workers)
    summaries = []
    for seed in seeds:
        place = study.out / f"seed-{seed}"
        folders = [job.folder for job in jobs if job.seed == seed]
        summaries.append(_analyze(folders, study, seed, place))
        print(f"report: {place / 'report.html'}")
    if study.scale.controls or study.every_model:
        seconds = {
            "workers": workers,
            "training_seconds": round(sum(facts_of_run(job.folder)["seconds"] for job in jobs)),
            "seconds_of_this_command": round(time.perf_counter() - start),
        }
        troubles = {
            name: [facts_of_run(job.folder)["trouble"] for job in jobs if job.name == name]
            for name in study.models
        }
        _conclude(summaries, study, troubles, seconds)


def _train(job: Job) -> None:
    scale, variant = job.study.scale, job.study.models[job.name]
    finish_run(
        variant.recipe,
        job.folder,
        data=job.study.data,
        options={"widths": scale.widths, **variant.options},
        epochs=scale.epochs,
        batch_size=scale.batch_size,
        train_samples=scale.train_samples,
        schedule="cosine",
        seed=job.seed,
        device=job.study.device,
    )


def _analyze(folders: list[Path], study: Study, seed: int, place: Path) -> dict[str, Any]:
    summary = place / "summary.json"
    if not summary.exists():
        analyze(
            folders,
            data=study.data,
            noise=NOISE,
            samples=study.scale.samples,
            seed=seed,
            out=place,
            device=study.device,
            progress=True,
        )
    found: dict[str, Any] = json.loads(summary.read_text(encoding="utf-8"))
    return found


def _conclude(
    summaries: list[dict[str, Any]],
    study: Study,
    troubles: dict[str, list[list[str]]],
    seconds: dict[str, int],
) -> None:
    """Write what the seeds say together: numbers, a table beside the paper's, a figure."""
    gathered = gather(summaries)
    comparison = compare_with_paper(gathered)
    facts = provenance(
        data=study.data,
        scale=study.scale_name,
        **asdict(study.scale),
        noise=list(NOISE),
        **seconds,
    )
    page = to_markdown(gathered, comparison, facts)
    content = {"provenance": facts, "models": gathered, "comparison": comparison}
    if study.every_model:
        content["trouble"] = troubles
        page += "\n".join(["", *say_orders(gathered), "", *say_troubles(troubles), ""])
    out = study.out / "study"
    write_json(out / "study.json", content)
    write_text(out / "study.md", page)
    draw_over_seeds(gathered, out)
    print(f"study: {out / 'study.md'}")


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default="digits", help="a data set's name (default: digits)")
    parser.add_argument("--scale", default="demo", choices=SCALES, help="default: demo")
    parser.add_argument("--seeds", type=count, help="how many seeds; default: the scale's")
    parser.add_argument(
        "--models",
        default="paper",
        choices=("paper", "all"),
        help="CAE, DAE and VAE, or adversarial and Wasserstein ones beside them; default: paper",
    )
    parser.add_argument(
        "--workers", type=count, default=1, help="trainings at a time, each on one core; default: 1"
    )
    parser.add_argument("--out", type=Path, help="default: results/latent-characterization-…")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
