"""Adversarial autoencoders: every variant of the paper, its figure and its measures.

    python analyses/aae.py                   # laptop: smaller nets, a few epochs, 3 seeds
    python analyses/aae.py --scale overnight # the paper's nets with labels, 50 epochs, 1 seed
    python analyses/aae.py --scale paper     # the paper's nets, 200 epochs: a GPU

Codes against their prior, Parzen log-likelihood, errors with few labels and with none. Labels of
test images are only counted against. What is already there is kept and what was interrupted goes
on, so the same command finishes a study that was cut off.
"""

import sys
from dataclasses import dataclass
from functools import partial

import measures.aae as measures
from measures import aae_tables as tables
from models.aae import VARIANTS, WITH_NOISE
from study import Facts, Request, Run, Study, run_command, train_settings

from latentgeo.datasets import load
from latentgeo.figures import save_figure
from latentgeo.figures.variants import draw_variant
from latentgeo.models import Autoencoder

MEASURES = "aae.json"
_SHOWN = 2000  # images by which a figure shows a model
_WEIGHTS = ("discriminator_rate", "adversarial_weight", "classification_weight", "input_noise")


@dataclass(frozen=True)
class Scale:
    """How large the study is; all of it is written into its results."""

    hidden: tuple[int, ...] = (400, 400)
    epochs: int = 5
    seeds: int = 3
    samples: int = 10_000
    tested: int = 1000
    input_noise: float = 0.0
    learning_rate: float = 1e-3
    discriminator_rate: float = 5e-4
    adversarial_weight: float = 1.0
    classification_weight: float = 10.0
    batch_size: int = 100
    schedule: str = "steps"
    beta1: float = 0.5
    data: str = "mnist"
    models: tuple[str, ...] = tuple(VARIANTS)


_WITHOUT_NOISE = tuple(name for name in VARIANTS if name not in WITH_NOISE)
SCALES = {
    "smoke": Scale(
        (16, 16),
        epochs=1,
        seeds=1,
        samples=100,
        tested=60,
        input_noise=0.1,
        classification_weight=1.0,
        data="digits",
        models=_WITHOUT_NOISE,
    ),
    # The settings that did best in aae_search.py, and the variants of the committed results.
    "laptop": Scale(models=_WITHOUT_NOISE),
    "overnight": Scale((1000, 1000), 50, seeds=1, models=("semi-100", "semi-1000", *WITH_NOISE)),
    "paper": Scale((1000, 1000), 200, seeds=5),
}


def settings(run: Run) -> Facts:
    """Return the settings of training."""
    nets = {"hidden": run.scale.hidden, "discriminator": run.scale.hidden}
    chosen = {name: getattr(run.scale, name) for name in _WEIGHTS}
    return train_settings(run, backbone="mlp", options={**nets, **chosen, **run.options})


def measure(run: Run) -> Facts:
    """Measure what a variant is for, and draw the figures of seed 0."""
    model, scale = run.trained(), run.scale
    if run.seed == 0:
        _draw(run, model)
    validation, test = (load(run.data, split) for split in ("validation", "test"))
    return measures.measure(
        model, validation, test, samples=scale.samples, tested=scale.tested, seed=run.seed
    )


def _draw(run: Run, model: Autoencoder) -> None:
    test = load(run.data, "test")
    shown = draw_variant(model, test.take(min(_SHOWN, len(test))))
    for kind, display in shown.items():
        save_figure(display.plot().figure_, run.out / "study" / f"{run.name}-{kind}")


def ceiling(request: Request) -> Facts:
    """Measure what training images reach in the place of samples, where those have a likelihood."""
    trained = (VARIANTS[name].options for name in request.scale.models)
    if not any(
        measures.has_likelihood(options.get("variant", "basic"), options["latent_dim"])
        for options in trained
    ):
        return {}
    train, *others = (load(request.data, split) for split in ("train", "validation", "test"))
    drawn = train.take(min(request.scale.samples, len(train)), seed=0).batch(slice(None))
    return {"training_images_as_samples": measures.parzen(drawn, *others)}


STUDY = Study(
    "aae",
    __doc__,
    SCALES,
    models=VARIANTS,
    settings=settings,
    measure=measure,
    measured=MEASURES,
    gather=partial(tables.gather_runs, MEASURES),
    prepare=lambda request: load(request.data),  # data that cannot be had is an error now
    facts=ceiling,
    show=tables.show,
    page="aae",
    draw=tables.draw,
)
main = partial(run_command, STUDY)

if __name__ == "__main__":
    sys.exit(main())
