"""How long do several seeds take as one batched model? Beside one seed alone, and one by one.

    python benchmarks/batched_seeds.py [--device cuda] [--repeats 3] [--out benchmarks/results]

The net of the lines benchmark (ACAI, depth 6, with its critic) on lines, and an AAE of dense layers
on MNIST from memory, each by our loop: one seed alone, and eight at once. Each side is one process;
a repeat runs one after the other, and the best of each counts. A step is timed from the end of the
one before, with all that is done for it, images and draws of each seed among them; validation and
saving are left out.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from machine import describe_machine
from own_process import run_alone
from short_runs import one_epoch, seeded_model
from torch import Tensor

from latentgeo.datasets import ImageDataset, ImageStream, training_images
from latentgeo.files import write_text
from latentgeo.provenance import provenance
from latentgeo.training import RunFolder
from latentgeo.training.batched import StackedStep
from latentgeo.training.data import Splits
from latentgeo.training.loop import Loop
from latentgeo.training.run import Run

SEEDS = tuple(range(8))
RATE = 5e-4
# Steps before the timed ones. On a GPU losses are read, and the device waited for, at the first
# step and every 25 after it, so that the clock begins at such a step; ten times as many are timed.
WARMUP = {"cpu": 5, "cuda": 25}
MORE = {"cpu": 1, "cuda": 10}
AIM = 3.0

Images = ImageDataset | ImageStream
#: One run: its settings, model, images, folder and device.
Given = tuple[Any, ...]


@dataclass(frozen=True)
class Case:
    """A net and how it is trained; `steps` are timed, after the warm-up."""

    title: str
    recipe: str
    backbone: str
    data: str
    batch: int
    steps: int
    options: Mapping[str, Any] = field(default_factory=dict)


_ACAI = {"depth": 6, "scales": 4, "critic_depth": 6}

CASES = {
    "acai": Case("ACAI of the lines, depth 6", "acai", "acai", "lines", 64, 20, _ACAI),
    "aae": Case(
        "AAE 1000/1000, latent 8",
        "aae",
        "mlp",
        "mnist",
        100,
        40,
        {"hidden": (1000, 1000), "latent_dim": 8},
    ),
}


@dataclass(frozen=True)
class Trained:
    """Seconds of a step after the warm-up, and the weights of each seed that the steps led to."""

    seconds: float
    weights: dict[int, dict[str, Tensor]]


def main() -> None:
    """Measure all and write one table, or, given a side, be the process that is measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.side is not None:
        print(json.dumps(measure(chosen.side, chosen.cases, chosen.device)))
        return
    before = os.getloadavg()
    found = compare(chosen.repeats, chosen.cases, chosen.device)
    table = to_table(found, chosen.repeats, chosen.device, before)
    write_text(chosen.out / f"batched-seeds-{chosen.device}.md", table)
    print(table)


def compare(repeats: int, cases: list[str], device: str) -> dict[str, dict[str, list[float]]]:
    """Return the seconds of a step of each case and side, once per repeat."""
    found: dict[str, dict[str, list[float]]] = {case: {} for case in cases}
    for _ in range(repeats):
        for side in SIDES:
            command = [sys.executable, __file__, "--side", side, "--device", device]
            command += ["--cases", *cases]
            for case, seconds in run_alone(command).items():
                found[case].setdefault(side, []).append(seconds)
    return found


def measure(side: str, cases: list[str], device: str) -> dict[str, float]:
    """Return the seconds of a step of one side, for each case."""
    found = {}
    for name in cases:
        case = CASES[name]
        steps = WARMUP[device] + 1 + MORE[device] * case.steps
        images = training_images(case.data).take(case.batch * steps, seed=0)
        found[name] = SIDES[side](case, images, device).seconds
    return found


def alone(case: Case, images: Images, device: str, seed: int = SEEDS[0]) -> Trained:
    """Train one seed as `latentgeo train --quiet` does."""
    stamps: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        run = Run(*given(case, images, device, seed, Path(folder)))
        Loop([run]).run(lambda *step: stamps.append(perf_counter()), lambda run: None)
    return Trained(seconds_of(stamps, device), {seed: run.nets.model.state_dict()})


def at_once(case: Case, images: Images, device: str, seeds: tuple[int, ...] = SEEDS) -> Trained:
    """Train several seeds as `latentgeo train --seeds … --quiet` does."""
    stamps: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            Run(*given(case, images, device, seed, Path(folder, str(seed))), own_draws=True)
            for seed in seeds
        ]
        loop = Loop(runs, StackedStep)
        loop.run(lambda *step: stamps.append(perf_counter()), lambda run: None)
    weights = {seed: run.nets.model.state_dict() for seed, run in zip(seeds, runs, strict=True)}
    return Trained(seconds_of(stamps, device), weights)


def given(case: Case, images: Images, device: str, seed: int, folder: Path) -> Given:
    """Return what a loop takes: settings of one epoch, and a model with weights of a seed."""
    config = one_epoch(
        images,
        recipe=case.recipe,
        backbone=case.backbone,
        options=dict(case.options),
        batch_size=case.batch,
        learning_rate=RATE,
        seed=seed,
        device=device,
    )
    validation = ImageDataset.from_array(images.take(2, seed=0).batch(slice(None)).numpy())
    splits = Splits(images, validation)
    folder.mkdir(exist_ok=True)
    return config, seeded_model(config, splits), splits, RunFolder(folder), torch.device(device)


def seconds_of(stamps: list[float], device: str) -> float:
    """Return the seconds of a step after the warm-up, from the times when the steps ended."""
    timed = stamps[min(WARMUP[device], len(stamps) - 2) :]
    return (timed[-1] - timed[0]) / (len(timed) - 1)


SIDES: dict[str, Callable[[Case, Images, str], Trained]] = {"alone": alone, "at_once": at_once}


def to_table(
    found: dict[str, dict[str, list[float]]], repeats: int, device: str, before: tuple[float, ...]
) -> str:
    """Write the table with what made it."""
    place = torch.cuda.get_device_name() if device == "cuda" else "the CPU"
    return "\n".join(
        [
            "# Several seeds as one batched model",
            "",
            f"Float32 on {place}; milliseconds of a step, best of {repeats} interleaved repeats, "
            "one process each, after a warm-up. Validation and saving are left out.",
            f"{describe_machine(provenance(), before, f' with {torch.get_num_threads()} threads')} "
            f"Command: `python benchmarks/batched_seeds.py --device {device}`.",
            f"Aim on a GPU: {len(SEEDS)} seeds in at most {AIM:g} times the time of one.",
            "",
            f"| net | batch | one seed | {len(SEEDS)} seeds at once | at once / one | one by one / "
            "at once |",
            "|---|---|---|---|---|---|",
            *(_row(CASES[name], sides) for name, sides in found.items()),
            "",
        ]
    )


def _row(case: Case, sides: dict[str, list[float]]) -> str:
    one, all_ = min(sides["alone"]), min(sides["at_once"])
    times = [f"{1000 * one:.1f}", f"{1000 * all_:.1f}"]
    ratios = [f"{all_ / one:.2f}", f"{len(SEEDS) * one / all_:.2f}"]
    return f"| {' | '.join([case.title, str(case.batch), *times, *ratios])} |"


if __name__ == "__main__":
    main()
