"""Stacked Wasserstein autoencoders beside their rivals, on the same nets, data and budget.

    python analyses/swae.py                   # laptop: narrower nets, a few epochs, 3 seeds
    python analyses/swae.py --scale paper     # the WAE's published nets, 100 epochs: a GPU

Reconstruction error, Fréchet distance of samples in the features of a classifier that the study
trains, sharpness; samples, reconstructions and paths as pictures. What is already there is kept
and what was interrupted goes on, so the same command finishes a study that was cut off.
"""

import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from image_makers import maker_of, maker_of_stacked
from image_runs import (
    Job,
    Scale,
    Variant,
    finish_features,
    floor,
    is_measured,
    jobs_of,
    measure,
    read,
    read_pictures,
    trained,
)
from image_tables import claims, draw, figures, gather, reading, setting, table, troubles
from study_command import run_command
from study_runs import for_each
from study_tables import Facts, facts_of_run
from swae_rivals import (
    draw_latents,
    finish_second_stage,
    fit_mixture,
    maker_of_mixture,
    maker_of_two_stages,
)

from latentgeo.datasets import load
from latentgeo.files import write_json, write_text
from latentgeo.models import Autoencoder
from latentgeo.provenance import provenance

GRADIENTS = ("stop", "normalised", "raw")
MODELS = {
    "ae": Variant("cae", {"latent_activation": "linear", "likelihood": "squared"}),
    "vae": Variant("vae", {"kl_warmup": 0.0, "likelihood": "gaussian"}),
    "wae-mmd": Variant("wae-mmd"),
    "wae-gan": Variant("wae-gan"),
    **{f"swae-{way}": Variant("swae", {"stage_gradients": way}) for way in GRADIENTS},
}
#: Each with the model whose latents they give a density.
ADDED = {"ae-mixture": "ae", "two-stage-vae": "vae"}
RIVALS = ("ae", "vae", "wae-mmd", "wae-gan", *ADDED)


@dataclass(frozen=True)
class StackedScale(Scale):
    """How large the study is, with what second stages have."""

    latent_dim: int = 32
    stage_hidden: tuple[int, ...] = (1024, 1024, 1024)
    stage_dim: int = 8
    second_epochs: int = 200
    components: tuple[int, ...] = (10, 20, 50, 100)
    fitted: int = 55_000


SCALES = {
    "smoke": StackedScale(
        (2, 4, 8),
        epochs=1,
        seeds=1,
        feature_epochs=1,
        data="digits",
        latent_dim=6,
        stage_hidden=(8,),
        stage_dim=2,
        second_epochs=1,
        components=(2, 3),
        fitted=200,
    ),
    "laptop": StackedScale(
        (8, 16, 32, 64),
        epochs=4,
        seeds=3,
        stage_hidden=(256, 256, 256),
        second_epochs=20,
        components=(10, 30),
        fitted=20_000,
    ),
    "paper": StackedScale((128, 256, 512, 1024), epochs=100, seeds=5),
}


def main(arguments: list[str] | None = None) -> int:
    """Run the study; 0 when done, 2 for input that cannot be used."""
    return run_command("swae", __doc__, SCALES, run_study, arguments)


def run_study(
    scale_name: str, scale: StackedScale, out: Path, *, workers: int, device: str
) -> None:
    """Train and measure every model at every seed, and set the whole side by side."""
    start = time.perf_counter()
    features = finish_features(scale, out, device)
    jobs = jobs_of(MODELS, scale, out, device)
    for_each(run, jobs, workers)
    names = [*MODELS, *ADDED]
    models = gather(read(out, names, scale))
    folders = [job.folder for job in jobs]
    folders += [job.beside("two-stage-vae") for job in jobs if job.name == ADDED["two-stage-vae"]]
    facts = provenance(
        scale=scale_name,
        **asdict(scale),
        workers=workers,
        features={"name": features.name, "accuracy": features.accuracy},
        floor=floor(scale, features),
        training_seconds=round(sum(facts_of_run(folder)["seconds"] for folder in folders)),
        seconds_of_this_command=round(time.perf_counter() - start),
    )
    study = out / "study"
    write_json(study / "study.json", {"provenance": facts, "models": models})
    write_text(study / "study.md", to_markdown(models, facts))
    shown = read_pictures(out, names)
    for name in ADDED:
        shown[name] = {"samples": shown[name]["samples"]}
    draw(shown, load(scale.data), study)
    print(f"study: {study / 'study.md'}")


def run(job: Job) -> None:
    """Train one model, measure it and what its latents are given, unless that is done."""
    model = trained(_sized(job))
    if not is_measured(job.folder):
        stacked = job.variant.recipe == "swae"
        maker = maker_of_stacked(model) if stacked else maker_of(model, samples=job.name != "ae")
        measure(job, maker, job.folder)
    for name, base in ADDED.items():
        if base == job.name and not is_measured(job.beside(name)):
            _ADD[name](job, model, job.beside(name))


def _sized(job: Job) -> Job:
    """Give the job with the options of a stacked model that hang on the scale."""
    if job.variant.recipe != "swae":
        return job
    sizes = {"stage_hidden": job.scale.stage_hidden, "stage_dim": job.scale.stage_dim}
    return replace(job, variant=replace(job.variant, options={**job.variant.options, **sizes}))


def _add_mixture(job: Job, model: Autoencoder, folder: Path) -> None:
    scale = job.scale
    known, validation = (load(scale.data, split) for split in ("train", "validation"))
    few = known.take(min(scale.fitted, len(known)), seed=job.seed)
    mixture = fit_mixture(
        draw_latents(model, few, seed=job.seed),
        draw_latents(model, validation, seed=job.seed),
        scale.components,
        seed=job.seed,
    )
    maker = maker_of_mixture(model, mixture)
    measure(job, maker, folder, components=mixture.n_components)


def _add_second_stage(job: Job, model: Autoencoder, folder: Path) -> None:
    scale = job.scale
    second = finish_second_stage(
        draw_latents(model, load(scale.data, "train"), seed=job.seed),
        folder,
        hidden=scale.stage_hidden,
        epochs=scale.second_epochs,
        batch_size=scale.batch_size,
        learning_rate=scale.learning_rate,
        schedule=scale.schedule,
        seed=job.seed,
        device=job.device,
        progress=False,
    )
    measure(job, maker_of_two_stages(model, second), folder, **_both(job.folder, folder))


def _both(first: Path, second: Path) -> Facts:
    """Say of two runs together whether they have learned, and their trouble."""
    facts = [facts_of_run(folder) for folder in (first, second)]
    return {
        "learned": all(each["learned"] for each in facts),
        "trouble": [line for each in facts for line in each["trouble"]],
    }


_ADD: dict[str, Any] = {"ae-mixture": _add_mixture, "two-stage-vae": _add_second_stage}


def to_markdown(models: Facts, facts: Facts) -> str:
    """Write the table, and what can be claimed from it."""
    hidden = "-".join(str(width) for width in facts["stage_hidden"])
    counts = ", ".join(str(count) for count in facts["components"])
    return "\n".join(
        [
            f"# Stacked Wasserstein autoencoders, scale {facts['scale']}",
            "",
            "A reconstruction from the abstract of arXiv 1910.02560: no equation, architecture or "
            "table of the paper could be read, so there is nothing reported to set beside.",
            "",
            setting(facts),
            "",
            reading(facts),
            "",
            *table(models, facts["floor"]),
            "",
            f"swae has a second code of {facts['stage_dim']} through nets of {hidden}; stop, "
            "normalised and raw say how the second stage acts on the first code. Its paths lie "
            "in the second code. ae-mixture draws the latents of ae from a Gaussian mixture with "
            f"full covariances, fitted to {facts['fitted']:,} training images at most, the number "
            f"of components ({counts}) chosen by the likelihood of validation images. "
            "two-stage-vae draws those of vae from a second variational autoencoder with hidden "
            f"layers of {hidden} and a latent of {facts['latent_dim']}, trained for "
            f"{facts['second_epochs']} epochs, its residual fixed and not learned. Both "
            "reconstruct as ae and vae do.",
            "",
            "## Beside the rivals",
            "",
            *(line for way in GRADIENTS for line in claims(models, f"swae-{way}", RIVALS)),
            "",
            *troubles(models),
            *figures(),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
