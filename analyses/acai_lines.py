"""The lines benchmark of ACAI: seven autoencoders, scored by how they interpolate.

    python analyses/acai_lines.py                   # laptop: a narrower net, 2^18 lines, 3 seeds
    python analyses/acai_lines.py --scale paper     # the paper's net, 2^24 lines, 5 seeds: a GPU

Every run sees fresh lines only, and after each 65,536 of them 256 pairs are scored. What is already
there is kept and what was interrupted goes on, so the same command finishes a study that was
cut off.
"""

import sys
from dataclasses import dataclass
from functools import partial

from measures import lines
from measures.lines import Evaluations, read_scores, write_scores
from models.acai import BACKBONE, SEVEN, Sizes, options_of
from study import Facts, Request, Run, Study, run_command, train_settings

from latentgeo.interpolation import line_scores
from latentgeo.models import Autoencoder


@dataclass(frozen=True)
class Scale:
    """How large the study is; all of it is written into its results."""

    depth: int
    learning_rate: float
    codebook_size: int
    epochs: int
    seeds: int
    last_evaluations: int
    batch_size: int = 64
    scales: int = 4
    latent_channels: int = 16
    pairs: int = 256
    references: int = 10_000
    train_samples: int | None = None

    @property
    def sizes(self) -> Sizes:
        """What the seven have in common."""
        return Sizes(
            (1, 32, 32),
            self.depth,
            self.scales,
            self.latent_channels,
            self.learning_rate,
            self.codebook_size,
        )


SCALES = {
    "smoke": Scale(
        1,
        1e-3,
        codebook_size=16,
        epochs=2,
        seeds=2,
        last_evaluations=1,
        pairs=8,
        references=200,
        train_samples=128,
    ),
    "laptop": Scale(6, 5e-4, codebook_size=512, epochs=4, seeds=3, last_evaluations=1),
    "paper": Scale(16, 1e-4, codebook_size=2**14, epochs=256, seeds=5, last_evaluations=20),
}


def runs(request: Request) -> list[Run]:
    """Return the dearest first, so that no worker is left alone with it at the end."""
    return request.runs(dict(reversed(SEVEN.items())))


def settings(run: Run) -> Facts:
    """Return the settings of training; each epoch ends with a score."""
    options = options_of(run.name, run.scale.sizes)
    score = partial(score_epoch, run)
    return train_settings(run, data="lines", backbone=BACKBONE, options=options, on_epoch=score)


def score_epoch(run: Run, model: Autoencoder, epoch: int) -> None:
    """Score a model, and put it behind the scores of earlier epochs."""
    found = line_scores(model, pairs=run.scale.pairs, references=run.scale.references)
    distance = found.distance.mean(axis=1)
    scores = Evaluations.of(distance, found.pair_smoothness, found.pair_shortest_arc)
    if epoch > 1:
        scores = read_scores(run.folder).up_to(epoch - 1).and_then(scores)
    write_scores(run.folder, scores)
    print(
        f"{run.name}, seed {run.seed}, epoch {epoch}: mean distance {found.mean_distance:.5f}, "
        f"smoothness {found.smoothness:.3f}, undefined {found.undefined}",
        flush=True,
    )


STUDY = Study(
    "acai-lines",
    __doc__,
    SCALES,
    runs=runs,
    settings=settings,
    gather=lines.gather_runs,
    show=lines.show,
    page="acai_lines",
    draw=lines.draw,
)
main = partial(run_command, STUDY)

if __name__ == "__main__":
    sys.exit(main())
