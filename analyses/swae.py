"""Stacked Wasserstein autoencoders beside their rivals, on the same nets, data and budget.

    python analyses/swae.py                   # laptop: narrower nets, a few epochs, 3 seeds
    python analyses/swae.py --scale overnight # five of the models, 50 epochs, 1 seed
    python analyses/swae.py --scale paper     # the WAE's published nets, 100 epochs: a GPU

Reconstruction error, Fréchet distance of samples in the features of a classifier that the study
trains, sharpness; samples, reconstructions and paths as pictures. What is already there is kept
and what was interrupted goes on, so the same command finishes a study that was cut off.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from measures import densities, image_runs
from measures.images import maker_of, maker_of_stacked
from study import Facts, Model, Request, Run, Study, run_command

GRADIENTS = ("stop", "normalised", "raw")
MODELS = {
    "ae": Model("cae", {"latent_activation": "linear", "likelihood": "squared"}),
    "vae": Model("vae", {"kl_warmup": 0.0, "likelihood": "gaussian"}),
    "wae-mmd": Model("wae-mmd"),
    "wae-gan": Model("wae-gan"),
    **{f"swae-{way}": Model("swae", {"stage_gradients": way}) for way in GRADIENTS},
}
#: Measures of what gives the latents of a trained model a density.
ADDED: dict[str, Callable[[Run], Facts]] = {
    "ae-mixture": partial(densities.measure_mixture, "ae"),
    "two-stage-vae": partial(densities.measure_second_stage, "vae"),
}
RIVALS = ("ae", "vae", "wae-mmd", "wae-gan", *ADDED)


@dataclass(frozen=True)
class Scale(image_runs.Scale):
    """How large the study is, which models it has, and what second stages have."""

    latent_dim: int = 32
    stage_hidden: tuple[int, ...] = (1024, 1024, 1024)
    stage_dim: int = 8
    second_epochs: int = 200
    components: tuple[int, ...] = (10, 20, 50, 100)
    fitted: int = 55_000
    models: tuple[str, ...] = (*MODELS, *ADDED)


_LAPTOP = Scale(
    (8, 16, 32, 64),
    epochs=4,
    seeds=3,
    stage_hidden=(256, 256, 256),
    second_epochs=20,
    components=(10, 30),
    fitted=20_000,
)
SCALES = {
    "smoke": Scale(
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
    "laptop": _LAPTOP,
    # The stacked model that did best there, and its nearest rivals.
    "overnight": replace(
        _LAPTOP,
        epochs=50,
        seeds=1,
        models=("ae", "wae-mmd", "wae-gan", "swae-normalised", "ae-mixture"),
    ),
    "paper": Scale((128, 256, 512, 1024), epochs=100, seeds=5),
}


def runs(request: Request) -> list[Run]:
    """Return the scale's models at every seed, and what is added to trained ones."""
    scale = request.scale
    trained = {name: MODELS[name] for name in scale.models if name in MODELS}
    added = [
        request.run(name, seed, None)
        for name in scale.models
        if name in ADDED
        for seed in range(scale.seeds)
    ]
    return [*request.runs(trained), *added]


def settings(run: Run) -> Facts:
    """Return the settings of training; those of stacked models hang on the scale."""
    if run.name.startswith("swae"):
        stages = {"stage_hidden": run.scale.stage_hidden, "stage_dim": run.scale.stage_dim}
        return image_runs.settings(run, **stages)
    return image_runs.settings(run)


def measure(run: Run) -> Facts:
    """Measure the images that a model makes."""
    if run.name in ADDED:
        return ADDED[run.name](run)
    model = run.trained()
    stacked = run.name.startswith("swae")
    maker = maker_of_stacked(model) if stacked else maker_of(model, samples=run.name != "ae")
    return image_runs.measure(run, maker)


STUDY = Study(
    "swae",
    __doc__,
    SCALES,
    models=MODELS,
    runs=runs,
    settings=settings,
    measure=measure,
    measured=image_runs.QUALITY,
    measures=image_runs.MEASURES,
    prepare=image_runs.prepare,
    facts=image_runs.features_and_floor,
    show=partial(image_runs.show, {f"swae-{way}": RIVALS for way in GRADIENTS}),
    page="swae",
    picture=partial(image_runs.picture, added=ADDED),
)
main = partial(run_command, STUDY)

if __name__ == "__main__":
    sys.exit(main())
