"""Two questions that the ACAI paper leaves open, each answered by pairs of runs.

    python analyses/acai_questions.py                   # laptop: MNIST, a narrow net
    python analyses/acai_questions.py --scale paper     # the paper's net, 262,144 steps: a GPU
    python analyses/acai_questions.py --scale smoke --data digits

Does its critic give a VAE better random samples? Does it help where the data are no images, here
8x8 digits as vectors in a fully connected net? The runs of a pair differ in the critic alone: same
nets, first weights and order of data. What is already there is kept and what was interrupted
goes on, so the same command finishes a study that was cut off.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from measures import questions
from measures import questions_tables as tables
from models.questions import MODELS, SAMPLES, TABULAR, settings
from study import Facts, Request, Run, Study, read_measures, run_command

from latentgeo.features import load_features, train_classifier
from latentgeo.models import load_model


@dataclass(frozen=True)
class Scale:
    """How large the study is; all of it is written into its results."""

    depth: int = 6
    learning_rate: float = 1e-3
    epochs: int = 3
    seeds: int = 4
    samples: int = 10_000
    real: int = 5_000
    vector_epochs: int = 150
    vector_seeds: int = 8
    classifier_epochs: int = 5
    batch_size: int = 64
    train_samples: int | None = 45_000
    latent_channels: int = 2
    vector_hidden: tuple[int, int] = (256, 128)
    vector_latent: int = 8
    vector_critic_depth: int = 16
    critic_weight: float = 0.5


_PAPER = Scale(
    depth=16, learning_rate=1e-4, epochs=305, seeds=5, vector_epochs=600, vector_seeds=20
)
_SMOKE = Scale(depth=2, epochs=1, seeds=2, samples=40, real=50, vector_epochs=1, vector_seeds=2)
SCALES = {
    "smoke": replace(_SMOKE, classifier_epochs=1, train_samples=128),
    "laptop": Scale(),
    "paper": replace(_PAPER, real=55_000, train_samples=None),
}


def prepare(request: Request) -> None:
    """Train the classifier whose features images are compared in, unless that is done."""
    folder, epochs = request.out / questions.FEATURES, request.scale.classifier_epochs
    if not (folder / "features.json").is_file():
        more: Facts = {"device": request.device, "force": True, "progress": False}
        train_classifier(request.data, out=folder, epochs=epochs, **more)


def runs(request: Request) -> list[Run]:
    """Return the pairs of both questions."""
    seeds = {SAMPLES: request.scale.seeds, TABULAR: request.scale.vector_seeds}
    return [
        request.run(variant, seed, MODELS[question], question)
        for question, count in seeds.items()
        for seed in range(count)
        for variant in tables.VARIANTS
    ]


def gather(request: Request, runs: Sequence[Run]) -> Facts:
    """Set the sides of both questions against each other."""
    features = load_features(request.out / questions.FEATURES)
    controls = {
        SAMPLES: questions.controls_of_images(questions.seen_in(SAMPLES, request), features),
        TABULAR: questions.controls_of_vectors(questions.seen_in(TABULAR, request)),
    }
    of = {name: [run for run in runs if run.group == name] for name in controls}
    sides = {name: read_measures(of[name], questions.MEASURES) for name in of}
    return {"questions": {name: tables.answer(name, sides[name], controls[name]) for name in of}}


def picture(request: Request, runs: Sequence[Run], folder: Path) -> None:
    """Draw what the runs of seed 0 make."""
    for name in MODELS:
        first = [run for run in runs if run.group == name and run.seed == 0]
        models = {run.name: load_model(run.folder) for run in first}
        tables.draw_examples(name, models, questions.seen_in(name, request), folder)


STUDY = Study(
    "acai-questions",
    __doc__,
    SCALES,
    runs=runs,
    settings=settings,
    measure=questions.measure,
    measured=questions.MEASURES,
    gather=gather,
    prepare=prepare,
    facts=questions.facts,
    show=tables.show,
    page="acai_questions",
    draw=tables.draw,
    picture=picture,
    arguments={"--data": {"default": "mnist", "help": "a labelled data set (default: mnist)"}},
)
main = partial(run_command, STUDY)

if __name__ == "__main__":
    sys.exit(main())
