"""Latent spaces of autoencoders under noise: train, analyse, compare with the paper.

    python analyses/latent_characterization.py                                  # bundled digits
    python analyses/latent_characterization.py --data mnist --scale laptop
    python analyses/latent_characterization.py --data mnist --scale laptop --models all --workers 2
    python analyses/latent_characterization.py --data mnist --scale paper --backbone maxpool

An independent re-implementation, from abstract and captions, of arXiv 2412.04755 (CAE, DAE, VAE);
`--models all` adds adversarial and Wasserstein autoencoders, `--backbone maxpool` takes plain
convolutions whose latent is what ReLU and max pooling leave. An interrupted study goes on.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from claims import paper, statements
from measures import characterization
from models.characterization import ALL_CONTROLS, ALL_MODELS, CONTROLS, LIKELIHOODS, MODELS
from study import Facts, Request, Run, Study, judge, run_command, train_settings
from study.read import diagnostics_of, read_summary

from latentgeo import InputError, analyze
from latentgeo.datasets import load
from latentgeo.report import write_page


@dataclass(frozen=True)
class Scale:
    """How large a study is; all of it is written into its results."""

    widths: tuple[int, int, int]
    epochs: int
    batch_size: int
    train_samples: int | None
    seeds: int
    samples: int
    controls: bool = False
    learning_rate: float = 1e-3
    backbone: str = "sctc"


SCALES = {
    "smoke": Scale((4, 8, 16), 1, batch_size=32, train_samples=128, seeds=1, samples=24),
    # With more numbers in the latent the VAE has not learned which to leave unused by then.
    "demo": Scale((8, 16, 16), 12, 16, None, seeds=1, samples=300, learning_rate=2e-3),
    "laptop": Scale((16, 32, 64), 2, 64, 20_000, seeds=3, samples=300, controls=True),
    # All images, at half the widths and a quarter of the epochs: a fifteenth of the arithmetic.
    "overnight": Scale((16, 32, 64), 8, 64, None, seeds=1, samples=300, controls=True),
    "paper": Scale((32, 64, 128), 30, 128, None, seeds=5, samples=300, controls=True),
}
SCALES_ON = {
    "sctc": SCALES,
    # Half the arithmetic for each image: trained out at either scale.
    "maxpool": SCALES | {name: replace(SCALES[name], epochs=10) for name in ("laptop", "paper")},
}
ARGUMENTS: dict[str, Facts] = {
    "--data": {"default": "digits", "help": "a data set's name (default: digits)"},
    "--models": {"default": "paper", "choices": ("paper", "all"), "help": "default: paper"},
    "--backbone": {"default": "sctc", "choices": tuple(SCALES_ON), "help": "default: sctc"},
}


def adapt(request: Request) -> Request:
    """Return a request for all models, or on the other backbone, with its own scale."""
    backbone = request.more["backbone"]
    scale = replace(
        SCALES_ON[backbone][request.scale_name], backbone=backbone, seeds=request.scale.seeds
    )
    return replace(request, scale=scale)


def runs(request: Request) -> list[Run]:
    """Return every model and control at every seed."""
    every = request.more["models"] == "all"
    models, controls = (ALL_MODELS, ALL_CONTROLS) if every else (MODELS, CONTROLS)
    return request.runs(models | controls if request.scale.controls else models)


def settings(run: Run) -> Facts:
    """Return the settings of training."""
    options = {"widths": run.scale.widths, **LIKELIHOODS[run.scale.backbone], **run.options}
    return train_settings(run, options=options, schedule="cosine", progress=True)


def gather(request: Request, runs: Sequence[Run]) -> Facts | None:
    """Analyse each seed, and set the whole beside the paper."""
    seeds, every = range(request.scale.seeds), request.more["models"] == "all"
    summaries = [read_summary(_analysed(request, seed, runs)) for seed in seeds]
    if not (request.scale.controls or every):
        return None
    found: Facts = {"models": characterization.gather(summaries)}
    found["comparison"] = judge(paper.CLAIMS, found["models"])
    found["positions"] = [_positions(summary) for summary in summaries]
    return found | ({"diagnostics": diagnostics_of(runs)} if every else {})


def _positions(models: Facts) -> Facts:
    """Return which ranks of clean images are those of equal positions, model by model."""
    return {name: found["equal_positions"]["0"] for name, found in models.items()}


def _analysed(request: Request, seed: int, runs: Sequence[Run]) -> Path:
    """Return the folder of a seed's analysis, which has the paper beside it in its report."""
    place = request.out / f"seed-{seed}"
    if not (place / "summary.json").exists():
        folders = [run.folder for run in runs if run.seed == seed]
        chosen: Facts = {"samples": request.scale.samples, "seed": seed, "device": request.device}
        noise = characterization.NOISE
        found = analyze(folders, data=request.data, noise=noise, out=place, progress=True, **chosen)
        write_page(found, place, [statements.section_of(found)])
    elif (there := read_summary(place, "samples")) != request.scale.samples:
        raise InputError(
            f"analysis {str(place)!r} is of {there} images, {request.scale.samples} are asked for; "
            "remove it, or name another folder with --out"
        )
    print(f"report: {place / 'report.html'}")
    return place


STUDY = Study(
    "latent-characterization",
    __doc__,
    SCALES,
    runs=runs,
    settings=settings,
    gather=gather,
    prepare=lambda request: load(request.data),  # data that cannot be had is an error now
    facts=lambda _: {"noise": characterization.NOISE},
    show=characterization.show,
    page="latent_characterization",
    draw=characterization.draw,
    arguments=ARGUMENTS,
    adapt=adapt,
    scale="demo",
    workers=1,
)
main = partial(run_command, STUDY)

if __name__ == "__main__":
    sys.exit(main())
