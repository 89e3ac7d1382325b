"""Wasserstein autoencoders beside variational ones, on the same nets.

    python analyses/wae.py                   # laptop: narrower nets, a few epochs, 3 seeds
    python analyses/wae.py --scale paper     # the published nets, 100 epochs: a GPU

Reconstruction error, Fréchet distance of reconstructions and samples in the features of a
classifier that the study trains, sharpness; samples, reconstructions and paths as pictures. What
is already there is kept and what was interrupted goes on, so the same command finishes a study
that was cut off.
"""

import sys
import time
from dataclasses import asdict
from pathlib import Path

from image_makers import maker_of
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

from latentgeo.datasets import load
from latentgeo.files import write_json, write_text
from latentgeo.provenance import provenance

MODELS = {
    "vae": Variant("vae", {"kl_warmup": 0.0}),
    # A squared error, as the others have; its deviation of 0.1 weighs the divergence little.
    "vae-gaussian": Variant("vae", {"kl_warmup": 0.0, "likelihood": "gaussian"}),
    "wae-mmd": Variant("wae-mmd"),
    "wae-gan": Variant("wae-gan"),
    # The cost of a WAE is free: with that of the first VAE, the prior's term is all that differs.
    "wae-mmd-bernoulli": Variant("wae-mmd", {"likelihood": "bernoulli"}),
    "wae-mmd-bernoulli-100": Variant("wae-mmd", {"likelihood": "bernoulli", "prior_weight": 100.0}),
}
SCALES = {
    "smoke": Scale((2, 4, 8), epochs=1, seeds=1, feature_epochs=1, data="digits"),
    "laptop": Scale((8, 16, 32, 64), epochs=7, seeds=3),
    "paper": Scale((128, 256, 512, 1024), epochs=100, seeds=5),
}
_REPORTED = (
    "Reported of CelebA, where the nets, the data and the features are others, so that nothing "
    "is to be compared: FID of VAE 63, WAE-MMD 55, WAE-GAN 42 [Q]; sharpness 3e-3, 6e-3, 6e-3 "
    "[Q]; pythae reproduces FID 56.5 and 43.3 [V]. Of MNIST the paper has "
    "pictures alone. [Q] quoted by another document, [V] read in published code or its results."
)


def main(arguments: list[str] | None = None) -> int:
    """Run the study; 0 when done, 2 for input that cannot be used."""
    return run_command("wae", __doc__, SCALES, run_study, arguments)


def run_study(scale_name: str, scale: Scale, out: Path, *, workers: int, device: str) -> None:
    """Train and measure every model at every seed, and set the whole side by side."""
    start = time.perf_counter()
    features = finish_features(scale, out, device)
    jobs = jobs_of(MODELS, scale, out, device)
    for_each(run, jobs, workers)
    models = gather(read(out, MODELS, scale))
    facts = provenance(
        scale=scale_name,
        **asdict(scale),
        workers=workers,
        features={"name": features.name, "accuracy": features.accuracy},
        floor=floor(scale, features),
        training_seconds=round(sum(facts_of_run(job.folder)["seconds"] for job in jobs)),
        seconds_of_this_command=round(time.perf_counter() - start),
    )
    study = out / "study"
    write_json(study / "study.json", {"provenance": facts, "models": models})
    write_text(study / "study.md", to_markdown(models, facts))
    draw(read_pictures(out, MODELS), load(scale.data), study)
    print(f"study: {study / 'study.md'}")


def run(job: Job) -> None:
    """Train one model and measure it, unless that is done."""
    model = trained(job)
    if not is_measured(job.folder):
        measure(job, maker_of(model), job.folder)


def to_markdown(models: Facts, facts: Facts) -> str:
    """Write the table, and what can be claimed from it."""
    variational = [name for name in MODELS if name.startswith("vae")]
    return "\n".join(
        [
            f"# Wasserstein and variational autoencoders, scale {facts['scale']}",
            "",
            setting(facts),
            "",
            reading(facts),
            "",
            *table(models, facts["floor"]),
            "",
            "λ is 10 for wae-mmd and 1 for wae-gan, measured against the squared error per image. "
            "vae has a Bernoulli likelihood, vae-gaussian a normal one of deviation 0.1; "
            "wae-mmd-bernoulli has vae's in the place of the squared error, with λ 10 against it, "
            "and 100 where its name says so.",
            "",
            "## Beside the variational ones",
            "",
            *claims(models, "wae-mmd", variational),
            *claims(models, "wae-gan", variational),
            *claims(models, "wae-mmd-bernoulli", variational),
            *claims(models, "wae-mmd-bernoulli-100", variational),
            "",
            "## Beside the paper",
            "",
            _REPORTED,
            "",
            *troubles(models),
            *figures(),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
