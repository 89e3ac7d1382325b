"""Wasserstein autoencoders beside variational ones, on the same nets.

    python analyses/wae.py                   # laptop: narrower nets, a few epochs, 3 seeds
    python analyses/wae.py --scale overnight # four of the models, 50 epochs, 1 seed
    python analyses/wae.py --scale paper     # the published nets, 100 epochs: a GPU

Reconstruction error, Fréchet distance of reconstructions and samples in the features of a
classifier that the study trains, sharpness; samples, reconstructions and paths as pictures. What
is already there is kept and what was interrupted goes on, so the same command finishes a study
that was cut off.
"""

import sys
from dataclasses import dataclass, replace
from functools import partial

from measures import image_runs
from measures.images import maker_of
from study import Facts, Model, Run, Study, run_command

MODELS = {
    "vae": Model("vae", {"kl_warmup": 0.0}),
    # A squared error, as the others have; its deviation of 0.1 weighs the divergence little.
    "vae-gaussian": Model("vae", {"kl_warmup": 0.0, "likelihood": "gaussian"}),
    "wae-mmd": Model("wae-mmd"),
    "wae-gan": Model("wae-gan"),
    # The cost of a WAE is free: with that of the first VAE, the prior's term is all that differs.
    "wae-mmd-bernoulli": Model("wae-mmd", {"likelihood": "bernoulli"}),
    "wae-mmd-bernoulli-100": Model("wae-mmd", {"likelihood": "bernoulli", "prior_weight": 100.0}),
    "wae-mmd-bernoulli-400": Model("wae-mmd", {"likelihood": "bernoulli", "prior_weight": 400.0}),
}
VARIATIONAL = ("vae", "vae-gaussian")
RIVALS = {name: VARIATIONAL for name in MODELS if name not in VARIATIONAL}


@dataclass(frozen=True)
class Scale(image_runs.Scale):
    """How large the study is, and which models it has."""

    models: tuple[str, ...] = tuple(MODELS)


# The models of the committed results.
_LAPTOP = Scale(
    (8, 16, 32, 64),
    epochs=7,
    seeds=3,
    models=tuple(name for name in MODELS if name != "wae-mmd-bernoulli-400"),
)
SCALES = {
    "smoke": Scale(
        (2, 4, 8),
        epochs=1,
        seeds=1,
        feature_epochs=1,
        data="digits",
        models=("vae", "vae-gaussian", "wae-mmd", "wae-gan", "wae-mmd-bernoulli"),
    ),
    "laptop": _LAPTOP,
    "overnight": replace(
        _LAPTOP,
        epochs=50,
        seeds=1,
        models=("vae", "wae-mmd-bernoulli-100", "wae-mmd-bernoulli-400", "wae-gan"),
    ),
    "paper": Scale((128, 256, 512, 1024), epochs=100, seeds=5),
}


def measure(run: Run) -> Facts:
    """Measure the images that a model makes."""
    return image_runs.measure(run, maker_of(run.trained()))


STUDY = Study(
    "wae",
    __doc__,
    SCALES,
    models=MODELS,
    settings=image_runs.settings,
    measure=measure,
    measured=image_runs.QUALITY,
    measures=image_runs.MEASURES,
    prepare=image_runs.prepare,
    facts=image_runs.features_and_floor,
    show=partial(image_runs.show, RIVALS),
    page="wae",
    picture=image_runs.picture,
)
main = partial(run_command, STUDY)

if __name__ == "__main__":
    sys.exit(main())
