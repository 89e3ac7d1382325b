"""How an adversarial prior learns on a latent tensor: discriminators and encoders side by side.

    python analyses/adversarial_latents.py             # laptop: MNIST, 10,000 images, 3 seeds

Each variant of AAE and WAE-GAN on the nets of `sctc` and of `acai`, beside the same net without a
prior. Measured: what comes back, how far samples are from test images, and how often a fresh
classifier, which the training never met, tells codes of test images from draws of the prior. What
is already there is kept and what was interrupted goes on.
"""

import sys
from dataclasses import dataclass
from functools import partial

from measures import codes, image_runs
from measures.images import maker_of
from study import Facts, Model, Run, Study, run_command, train_settings
from study.render import measures_table


@dataclass(frozen=True)
class Scale:
    """How large the study is; all of it is written into its results."""

    widths: tuple[int, int, int]
    depth: int
    latent_channels: int
    epochs: int
    seeds: int
    train_samples: int
    feature_epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    data: str = "mnist"


WHOLE = {"discriminator_sees": "latent"}
ON_SCTC = {
    "none": Model("cae", {"latent_activation": "linear", "likelihood": "squared"}),
    "aae": Model("aae"),
    "aae-whole": Model("aae", WHOLE),
    "aae-whole-slow": Model("aae", {**WHOLE, "discriminator_rate": 1e-4}),
    "aae-whole-noise": Model("aae", {**WHOLE, "discriminator_noise": 0.5}),
    "aae-gaussian": Model("aae", {"encoder": "gaussian"}),
    "wae-gan": Model("wae-gan"),
    "wae-gan-whole": Model("wae-gan", WHOLE),
}
ON_ACAI = {name: ON_SCTC[name] for name in ("none", "aae", "aae-whole")}
MODELS = {
    f"{backbone}-{name}": model
    for backbone, models in (("sctc", ON_SCTC), ("acai", ON_ACAI))
    for name, model in models.items()
}
SCALES = {
    "smoke": Scale((4, 8, 8), 4, 4, 1, 1, 128, feature_epochs=1, data="digits"),
    "laptop": Scale((8, 16, 16), 8, 16, epochs=3, seeds=3, train_samples=10_000),
}
MEASURES = {
    name: image_runs.MEASURES[name] for name in ("psnr_db", "fd_reconstructions", "fd_samples")
} | codes.MEASURES


def settings(run: Run) -> Facts:
    """Return the settings of training."""
    backbone = run.name.partition("-")[0]
    sizes: dict[str, Facts] = {
        "sctc": {"widths": run.scale.widths},
        "acai": {"depth": run.scale.depth, "latent_channels": run.scale.latent_channels},
    }
    return train_settings(run, backbone=backbone, options={**sizes[backbone], **run.options})


def measure(run: Run) -> Facts:
    """Measure the images that a model makes, and its codes beside its prior."""
    has_prior = run.model is not None and run.model.recipe != "cae"
    made = image_runs.measure(run, maker_of(run.trained(), samples=has_prior))
    return {**made, **codes.beside_prior(run)} if has_prior else made


def show(found: Facts) -> Facts:
    """Return what the page sets."""
    return {"measured": measures_table(MEASURES, found["models"])}


STUDY = Study(
    "adversarial-latents",
    __doc__,
    SCALES,
    models=MODELS,
    settings=settings,
    measure=measure,
    measured=image_runs.QUALITY,
    measures=MEASURES,
    prepare=image_runs.prepare,
    facts=image_runs.features_and_floor,
    show=show,
    page="adversarial_latents",
    picture=image_runs.picture_samples,
)
main = partial(run_command, STUDY)

if __name__ == "__main__":
    sys.exit(main())
