"""The latents of all checkpoints in a folder, on the same images under the same noise.

    python analyses/pretrained.py checkpoints --data mnist --data fashion-mnist@64
    python analyses/pretrained.py checkpoints --data faces=path/to/images@64 --scale paper

Every run folder of ours, every folder with a card, of diffusers or of pythae, and every file of
weights below the folder is opened. `--cards` (by default the file beside this script, for public
checkpoints) says how, where a checkpoint does not; what it names as code is run. Data is a data
set's name, or NAME=FOLDER of images, and @PIXELS to resize. A checkpoint that cannot be opened, or
does not take these images, is a row of the table with the reason. Data sets that are done are kept,
so the same command finishes a study that was cut off.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from measures import checkpoints
from study import Facts, Request, Run, Study, run_command
from study.read import read_json

from latentgeo import InputError, analyze
from latentgeo.datasets import load
from latentgeo.files import write_json
from latentgeo.measures import AnalysisSettings

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Scale:
    """How large a study is; all of it is written into its results."""

    samples: int
    noise: tuple[float, ...]
    halves: int
    pullback: tuple[int, int]  # images and directions of the decoder's metric


SCALES = {
    "smoke": Scale(12, (0.0, 0.1), halves=4, pullback=(2, 2)),
    "laptop": Scale(60, (0.0, 0.05, 0.1, 0.3), halves=20, pullback=(6, 4)),
    "paper": Scale(1000, (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5), halves=20, pullback=(16, 16)),
}


def gather(request: Request, runs: Sequence[Run]) -> Facts:
    """Analyse every checkpoint below a folder on every data set, and return the rows."""
    folder, data = request.more["folder"], request.more["data"]
    if folder is None or not data:
        raise InputError("there is nothing to analyse; give a folder of checkpoints and --data")
    known = checkpoints.read_cards(request.more["cards"])
    opening = partial(checkpoints.open_all, folder, checkpoints.find_all(folder), known)
    chosen = [checkpoints.read_data(text) for text in data]
    return {
        "scale": {"name": request.scale_name, **asdict(request.scale)},
        "seed": request.more["seed"],
        "rows": [row for images in chosen for row in _rows(request, opening, images)],
    }


def _rows(request: Request, opening: Any, data: checkpoints.Data) -> list[Facts]:
    """Analyse what takes these images; keep an analysis that is there."""
    place, scale, seed = request.out / data.label, request.scale, request.more["seed"]
    done = place / "rows.json"
    if done.is_file():
        kept: list[Facts] = read_json(done)
        return kept
    images = load(data.source, "test", size=data.size)
    images = images.take(min(scale.samples, len(images)), seed=seed)
    models, refused = opening(images)
    rows = [
        {"data": data.label, "checkpoint": name, "refused": why} for name, why in refused.items()
    ]
    if models:
        start = time.monotonic()
        chosen: Facts = {"samples": len(images), "settings": _settings(scale, seed), "force": True}
        found = analyze(
            models, data=images, noise=scale.noise, seed=seed, out=place, progress=True, **chosen
        )
        print(f"{data.label}: {len(models)} models, {time.monotonic() - start:.0f} s")
        level = max(scale.noise[1:], key=lambda level: level == 0.1)
        rows = checkpoints.rows_of(data.label, models, found.summary["models"], level) + rows
    write_json(done, rows)
    return rows


def _settings(scale: Scale, seed: int) -> AnalysisSettings:
    images, directions = scale.pullback
    more: Facts = {"pullback_images": images, "pullback_directions": directions}
    return AnalysisSettings(seed=seed, halves=scale.halves, tsne_seeds=(), **more)


STUDY = Study(
    "pretrained",
    __doc__,
    SCALES,
    settings=lambda run: {},
    gather=gather,
    show=checkpoints.show,
    page="pretrained",
    arguments={
        "folder": {"type": Path, "nargs": "?", "help": "holds checkpoints, at any depth"},
        "--data": {"action": "append", "help": "NAME or NAME=FOLDER, and @PIXELS; repeat"},
        "--cards": {"type": Path, "default": HERE / "pretrained.yaml"},
        "--seed": {"type": int, "default": 0},
    },
    trains=False,
    folder="",
    stem="pretrained",
)
main = partial(run_command, STUDY)

if __name__ == "__main__":
    sys.exit(main())
