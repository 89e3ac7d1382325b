"""Sentences: the stacked Wasserstein autoencoder beside its rivals, on the captions of multi30k.

    python analyses/swae_sentences.py                   # laptop: 3 seeds
    python analyses/swae_sentences.py --scale overnight # all captions, 20 epochs, 1 seed
    python analyses/swae_sentences.py --scale paper     # all captions, 5 seeds: a GPU
    python analyses/swae_sentences.py --scale smoke     # sentences of a small grammar

All stand on the same nets and see the same sentences as often. What is already there is kept and
what was interrupted goes on, so the same command finishes a study that was cut off.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from measures import sentences
from measures.sentences import real_perplexities, texts_of
from study import Facts, Model, Request, Run, Study, run_command, train_settings
from study.read import of_each_model, read_json

from latentgeo.checkpoints import open_checkpoint

MEASURES = "sentences.json"
MODELS = {
    "ae": Model("cae", {"latent_activation": "linear"}),
    "vae": Model("vae"),
    # A weak divergence: as many words come back as in the models without noise in the encoder.
    "vae-0.2": Model("vae", {"kl_weight": 0.2}),
    "wae-mmd": Model("wae-mmd", {"prior_weight": 100.0}),
    # At ten times the weight, or with a discriminator of rate 5e-4, hardly a token comes back.
    "wae-gan": Model("wae-gan", {"prior_weight": 1.0, "discriminator_rate": 1e-4}),
    "swae": Model("swae", {"stage_dim": 64, "stage_hidden": (256, 256), "prior_weight": 3000.0}),
}


@dataclass(frozen=True)
class Scale:
    """How large the study is; all of it is written into its results."""

    seeds: int = 3
    epochs: int = 2
    train_samples: int | None = 16_000
    samples: int = 5000
    data: str | None = "multi30k"
    places: int = 20
    batch_size: int = 64
    learning_rate: float = 2e-3
    test_samples: int = 1000
    components: int = 10
    mixture_samples: int = 5000
    options: dict[str, Any] = field(default_factory=dict)
    models: tuple[str, ...] = tuple(MODELS)


_SMALL = {"width": 16, "heads": 2, "place_width": 4, "latent_dim": 8}
_SMOKE = Scale(seeds=2, train_samples=None, samples=40, data=None, places=10, options=_SMALL)
_PAPER = Scale(seeds=5, epochs=60, train_samples=None, samples=29_000, mixture_samples=29_000)
SCALES = {
    "smoke": replace(_SMOKE, batch_size=32, test_samples=20, components=2, mixture_samples=100),
    # The models of the committed results.
    "laptop": Scale(models=tuple(name for name in MODELS if name != "vae-0.2")),
    "overnight": replace(_PAPER, seeds=1, epochs=20),
    "paper": _PAPER,
}


def settings(run: Run) -> Facts:
    """Return the settings of training; sentences that are made up are handed over themselves."""
    scale = run.scale
    made_up = scale.data is None
    return train_settings(
        run,
        data=texts_of(scale).train if made_up else scale.data,
        size=None if made_up else scale.places,
        backbone="text",
        options={**scale.options, **run.options},
        schedule="cosine",
        gradient_clip=5.0,
    )


def measure_run(run: Run) -> Facts:
    """Measure reconstructions and samples, and decode sentences."""
    return sentences.measure(open_checkpoint(run.folder), texts_of(run.scale), run.scale, run.seed)


def gather(request: Request, runs: Sequence[Run]) -> Facts:
    """Return each measure over its seeds, what real sentences reach, and all decoded sentences."""
    measured = of_each_model(runs, lambda run: read_json(run.folder / MEASURES))
    real = real_perplexities(texts_of(request.scale), request.scale)
    return {"models": sentences.gather(measured), "real": real, "runs": measured}


def facts(request: Request) -> Facts:
    """Return the models, and which sentences were read."""
    texts = texts_of(request.scale)._asdict()
    models = {
        name: {"recipe": MODELS[name].recipe, "options": MODELS[name].options}
        for name in request.scale.models
    }
    return {"models": models, "data_sha256": {part: texts[part].fingerprint for part in texts}}


STUDY = Study(
    "swae-sentences",
    __doc__,
    SCALES,
    models=MODELS,
    settings=settings,
    measure=measure_run,
    measured=MEASURES,
    gather=gather,
    prepare=lambda request: texts_of(request.scale),
    facts=facts,
    show=lambda found: {},
    page="swae_sentences",
)
main = partial(run_command, STUDY)

if __name__ == "__main__":
    sys.exit(main())
