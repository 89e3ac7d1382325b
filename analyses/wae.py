"""Wasserstein autoencoders beside variational ones, on the same nets.

    python analyses/wae.py                   # laptop: narrower nets, a few epochs, 3 seeds
    python analyses/wae.py --scale paper     # the published nets, 100 epochs: a GPU

Reconstruction error, Fréchet distance of reconstructions and samples in the features of a
classifier that the study trains, sharpness; samples, reconstructions and paths as pictures. What
is already there is kept and what was interrupted goes on, so the same command finishes a study
that was cut off.
"""

import sys
from functools import partial

from measures import image_runs
from measures.image_runs import Scale
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
}
SCALES = {
    "smoke": Scale((2, 4, 8), epochs=1, seeds=1, feature_epochs=1, data="digits"),
    "laptop": Scale((8, 16, 32, 64), epochs=7, seeds=3),
    "paper": Scale((128, 256, 512, 1024), epochs=100, seeds=5),
}
VARIATIONAL = ("vae", "vae-gaussian")
WASSERSTEIN = [name for name in MODELS if name not in VARIATIONAL]


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
    show=partial(image_runs.show, dict.fromkeys(WASSERSTEIN, VARIATIONAL)),
    page="wae",
    picture=partial(image_runs.picture, MODELS, ()),
)
main = partial(run_command, STUDY)

if __name__ == "__main__":
    sys.exit(main())
