"""Does the arithmetic of training change what an analysis says? float32 beside mixed precision.

    python benchmarks/precision.py [--scale laptop] [--device auto] [--out benchmarks/results]
    python benchmarks/precision.py --scale paper --device cuda --runs runs --train-only

The same models, seeds and images are trained in float32 and in another precision, with float32
weights in both, and analysed in float32. Two precisions agree in a number when their means over the
seeds lie no farther apart than the seeds of float32 do. That grows easier with more seeds, so the
difference stands beside it: that of each seed from itself, for both begin with the same weights and
see the same images.

With `--runs` the trained models are kept there: what was cut off goes on, and models that were
trained on a GPU can be analysed on another machine.
"""

import argparse
import json
import multiprocessing
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from latentgeo import analyze, train
from latentgeo.datasets import load
from latentgeo.files import write_text
from latentgeo.metrics import interval_over_seeds
from latentgeo.training import RunFolder

FLOAT32 = "32-true"
MODELS = ("cae", "vae")
LEVELS = (0.0, 0.1)

#: A number of each seed, by what it is.
Numbers = dict[str, list[float]]
#: A seed, a recipe and a precision.
Wanted = tuple[int, str, str]


@dataclass(frozen=True)
class Scale:
    """How large the comparison is."""

    widths: tuple[int, int, int]
    epochs: int
    samples: int
    data: str = "mnist"
    train_samples: int | None = None
    batch_size: int = 64
    seeds: int = 3


SCALES = {
    "smoke": Scale(
        (4, 8, 16), epochs=4, samples=40, data="digits", train_samples=320, batch_size=32
    ),
    "laptop": Scale((16, 32, 64), epochs=2, samples=300, train_samples=10_000, seeds=6),
    "paper": Scale((32, 64, 128), epochs=30, samples=300, batch_size=128),
}


def main() -> None:
    """Train, analyse and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", choices=SCALES, default="laptop")
    parser.add_argument("--epochs", type=int, help="default: the scale's")
    parser.add_argument("--seeds", type=int, help="default: the scale's")
    parser.add_argument("--precision", default="bf16-mixed", help="set beside float32")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--runs", type=Path, help="keep the trained models there, and go on there")
    parser.add_argument("--train-only", action="store_true", help="leave out the analyses")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    asked = {name: getattr(chosen, name) for name in ("epochs", "seeds")}
    scale = replace(SCALES[chosen.scale], **{name: n for name, n in asked.items() if n})
    with tempfile.TemporaryDirectory() as folder:
        runs = chosen.runs or Path(folder)
        precisions = (FLOAT32, chosen.precision)
        found = measure(chosen, scale, precisions, runs)
        if found is None:
            return
        trained_on = facts_of(runs)
    table = to_table(found, scale, chosen.scale, trained_on)
    write_text(chosen.out / f"precision-{trained_on['device']}.md", table)
    print(table)


def measure(
    chosen: argparse.Namespace, scale: Scale, precisions: tuple[str, ...], runs: Path
) -> dict[str, dict[str, Numbers]] | None:
    """Return what the analyses of all models say, or, where they are left out, none."""
    wanted = list(product(range(scale.seeds), chosen.models, precisions))
    processes = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(chosen.workers, processes) as pool:
        list(pool.map(partial(train_one, scale, chosen.device, runs), wanted))
        if chosen.train_only:
            return None
        measured = list(pool.map(partial(analyze_one, scale, chosen.device, runs), wanted))
    found: dict[str, dict[str, Numbers]] = {}
    for (_, model, precision), numbers in zip(wanted, measured, strict=True):
        gathered = found.setdefault(model, {}).setdefault(precision, {})
        for name, value in numbers.items():
            gathered.setdefault(name, []).append(value)
    return found


def folder_of(runs: Path, wanted: Wanted) -> Path:
    """Return the folder of a run."""
    seed, recipe, precision = wanted
    return runs / f"seed-{seed}" / f"{recipe}-{precision}"


def train_one(scale: Scale, device: str, runs: Path, wanted: Wanted) -> None:
    """Train a model, unless that is done, from where it was cut off."""
    seed, recipe, precision = wanted
    run = RunFolder(folder_of(runs, wanted))
    if run.finished:
        return
    images = load(scale.data, "train")
    if scale.train_samples is not None:
        images = images.take(scale.train_samples, seed=0)
    begun = run.state.is_file()
    train(
        recipe,
        data=images,
        out=run.path,
        options={"widths": scale.widths},
        epochs=scale.epochs,
        batch_size=scale.batch_size,
        seed=seed,
        device=device,
        precision=precision,
        progress=False,
        resume=begun,
        force=not begun,
    )


def analyze_one(scale: Scale, device: str, runs: Path, wanted: Wanted) -> dict[str, float]:
    """Return what the analysis of a model says."""
    run = folder_of(runs, wanted)
    chosen: dict[str, Any] = {"samples": scale.samples, "seed": 0, "device": device}
    found = analyze(run, data=scale.data, noise=LEVELS, tsne_seeds=(), **chosen)
    return _verdicts(found.summary["models"][run.name])


def facts_of(runs: Path) -> dict[str, Any]:
    """Return what is recorded of where the first model was trained."""
    first = min(runs.glob("seed-*/*/provenance.json"))
    return dict(json.loads(first.read_text()))


def _verdicts(model: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for level in map("{:g}".format, LEVELS):
        for mode, counts in model["ranks"][level].items():
            found[f"commonest rank {mode}, σ {level}"] = _commonest(counts)
        found[f"Hilbert dimension, σ {level}"] = model["hilbert_dimension"][level]["0.95"]["value"]
        found[f"PSNR, dB, σ {level}"] = model["psnr_db"][level]["mean"]
    return found


def _commonest(counts: Mapping[str, int]) -> float:
    return float(max(counts, key=lambda rank: counts[rank]))


def agree(one: list[float], other: list[float]) -> bool:
    """Return whether two means lie no farther apart than the seeds of the first."""
    return bool(abs(np.mean(one) - np.mean(other)) <= np.ptp(one))


def to_table(
    found: Mapping[str, Mapping[str, Numbers]],
    scale: Scale,
    name: str,
    trained_on: Mapping[str, Any],
) -> str:
    """Write the table with what made it."""
    machine, versions = trained_on["machine"], trained_on["versions"]
    precisions = list(next(iter(found.values())))
    return "\n".join(
        [
            f"# {' beside '.join(precisions)}, scale {name}",
            "",
            f"{', '.join(f'{each} {value}' for each, value in asdict(scale).items())}. "
            "Weights are float32 in both; the analysis computes in float32.",
            f"Trained on {trained_on.get('device_name') or 'the CPU'}, {machine['cores']} cores, "
            f"{machine['architecture']}; torch {versions['torch']}. Command: "
            f"`{trained_on['command']}`.",
            "Mean over the seeds [smallest, largest]. They agree where the means lie no farther "
            "apart than the seeds of float32 do. Difference: the second less the first, of one "
            "seed; the mean over the seeds [Student's 95 % interval].",
            "",
            f"| model | number | {' | '.join(precisions)} | agree | difference |",
            f"|---|---|{'---|' * len(precisions)}---|---|",
            *(line for model in found for line in _rows(model, found[model])),
            "",
        ]
    )


def _rows(model: str, found: Mapping[str, Numbers]) -> list[str]:
    first, second = found.values()
    return [
        f"| {model} | {name} | {_format_interval(first[name])} | "
        f"{_format_interval(second[name])} | {_yes(agree(first[name], second[name]))} | "
        f"{_differ(first[name], second[name])} |"
        for name in first
    ]


def _format_interval(values: list[float]) -> str:
    return f"{np.mean(values):.4g} [{min(values):.4g}, {max(values):.4g}]"


def _differ(one: list[float], other: list[float]) -> str:
    found = interval_over_seeds(np.subtract(other, one))
    return f"{found.mean:.2g} [{found.low:.2g}, {found.high:.2g}]"


def _yes(agreed: bool) -> str:
    return "yes" if agreed else "no"


if __name__ == "__main__":
    main()
