"""What the latents of the ACAI paper's seven autoencoders are good for: probes and clusters.

    python analyses/acai_downstream.py                   # laptop: a narrower net, 3 seeds
    python analyses/acai_downstream.py --scale paper     # the paper's net and 2^24 images: a GPU

MNIST at latents of 32 and 256 numbers: a softmax layer that is trained beside each model, one that
is fitted to the frozen encoder, and k-means of whitened latents. Labels of test images are only
counted against. What is already there is kept and what was interrupted goes on, so the same
command finishes a study that was cut off.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from measures import downstream
from models.acai import BACKBONE, SEVEN, Sizes, options_of
from study import Facts, Request, Run, Study, read_measures, run_command, train_settings

from latentgeo.datasets import load

SCORES = "downstream.json"
#: Channels of a 4×4 latent, by its numbers.
LATENTS = {"32": 2, "256": 16}


@dataclass(frozen=True)
class Scale:
    """How large the study is; all of it is written into its results."""

    depth: int = 6
    learning_rate: float = 1e-3
    epochs: int = 2
    seeds: int = 3
    probe_rate: float = 1e-2
    codebook_size: int = 512
    fitted: int | None = 20_000
    restarts: int = 20
    batch_size: int = 64
    scales: int = 3
    train_samples: int | None = None
    data: str = "mnist"
    size: int | None = None


_SMOKE = Scale(depth=1, epochs=1, seeds=1, codebook_size=16, fitted=150, restarts=2)
# 305 passes over 55,000 images are 2^24.
_PAPER = Scale(depth=16, learning_rate=1e-4, epochs=305, seeds=5, probe_rate=1e-4, restarts=1000)
SCALES = {
    "smoke": replace(_SMOKE, train_samples=128, data="digits", size=28),
    "laptop": Scale(),
    "paper": replace(_PAPER, codebook_size=2**14, fitted=None),
}


def runs(request: Request) -> list[Run]:
    """Return the dearest first, so that no worker is left alone with it at the end."""
    dearest = reversed(SEVEN.items())
    return [
        run
        for name, model in dearest
        for group in LATENTS
        for run in request.runs({name: model}, group)
    ]


def settings(run: Run) -> Facts:
    """Return the settings of training, with a probe beside it."""
    scale, channels = run.scale, LATENTS[run.group]
    rate, codes = scale.learning_rate, scale.codebook_size
    sizes = Sizes((1, 28, 28), scale.depth, scale.scales, channels, rate, codes)
    return train_settings(run, backbone=BACKBONE, probe=True, options=options_of(run.name, sizes))


def measure(run: Run) -> Facts:
    """Measure probes and clusters of a model's latents."""
    known, test = (load(run.data, split, size=run.scale.size) for split in ("train", "test"))
    if run.scale.fitted is not None:
        known = known.take(run.scale.fitted, seed=0)
    return downstream.measure(run, known, test)


def gather(request: Request, runs: Sequence[Run]) -> Facts:
    """Return each model's measures over its seeds, for each size."""
    of_size = {size: [run for run in runs if run.group == size] for size in LATENTS}
    return {
        "latents": {
            size: downstream.gather(read_measures(found, SCORES, SEVEN))
            for size, found in of_size.items()
        }
    }


STUDY = Study(
    "acai-downstream",
    __doc__,
    SCALES,
    runs=runs,
    settings=settings,
    measure=measure,
    measured=SCORES,
    gather=gather,
    # Data that cannot be had are an error now.
    prepare=lambda request: load(request.data, size=request.scale.size),
    show=downstream.show,
    page="acai_downstream",
    draw=downstream.draw,
)
main = partial(run_command, STUDY)

if __name__ == "__main__":
    sys.exit(main())
