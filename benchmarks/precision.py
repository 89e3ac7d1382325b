"""Does the arithmetic of training change what an analysis says? float32 beside mixed precision.

    python benchmarks/precision.py [--scale laptop] [--device auto] [--out benchmarks/results]

The same models, seeds and images are trained in float32 and in another precision, with float32
weights in both, and analysed in float32. Two precisions agree in a number when their means over the
seeds lie no farther apart than the seeds of float32 do. That grows easier with more seeds, so the
difference stands beside it: that of each seed from itself, for both begin with the same weights and
see the same images.
"""

import argparse
import multiprocessing
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from latentgeo import analyze, train
from latentgeo.datasets import load
from latentgeo.files import write_text
from latentgeo.metrics import interval_over_seeds
from latentgeo.models import choose_device
from latentgeo.provenance import provenance

FLOAT32 = "32-true"
MODELS = ("cae", "vae")
LEVELS = (0.0, 0.1)

#: A number of each seed, by what it is.
Numbers = dict[str, list[float]]


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
        (4, 8, 16), epochs=4, samples=60, data="digits", train_samples=640, batch_size=32
    ),
    "laptop": Scale((16, 32, 64), epochs=2, samples=300, train_samples=10_000, seeds=6),
    "paper": Scale((32, 64, 128), epochs=30, samples=300, batch_size=128),
}


def main() -> None:
    """Train, analyse and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", choices=SCALES, default="laptop")
    parser.add_argument("--precision", default="bf16-mixed", help="set beside float32")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    scale = SCALES[chosen.scale]
    wanted = list(product(chosen.models, (FLOAT32, chosen.precision), range(scale.seeds)))
    work = partial(_measure_one, scale, chosen.device)
    if chosen.workers == 1:
        measured = list(map(work, wanted))
    else:
        processes = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(chosen.workers, processes) as pool:
            measured = list(pool.map(work, wanted))
    found: dict[str, dict[str, Numbers]] = {}
    for (model, precision, _), numbers in zip(wanted, measured, strict=True):
        gathered = found.setdefault(model, {}).setdefault(precision, {})
        for name, value in numbers.items():
            gathered.setdefault(name, []).append(value)
    place = choose_device(chosen.device).type
    table = to_table(found, chosen.scale, place)
    write_text(chosen.out / f"precision-{place}.md", table)
    print(table)


def _measure_one(scale: Scale, device: str, wanted: tuple[str, str, int]) -> dict[str, float]:
    recipe, precision, seed = wanted
    return _once(recipe, _images(scale), precision, scale, seed, device)


def _images(scale: Scale) -> Any:
    images = load(scale.data, "train")
    return images if scale.train_samples is None else images.take(scale.train_samples, seed=0)


def measure(recipe: str, precision: str, scale: Scale, device: str) -> Numbers:
    """Train a model at every seed and give what its analysis says."""
    found: Numbers = {}
    images = _images(scale)
    for seed in range(scale.seeds):
        for name, value in _once(recipe, images, precision, scale, seed, device).items():
            found.setdefault(name, []).append(value)
    return found


def _once(
    recipe: str, images: Any, precision: str, scale: Scale, seed: int, device: str
) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        run = train(
            recipe,
            data=images,
            out=Path(folder) / "run",
            options={"widths": scale.widths},
            epochs=scale.epochs,
            batch_size=scale.batch_size,
            seed=seed,
            device=device,
            precision=precision,
            progress=False,
        )
        found = analyze(
            run,
            data=scale.data,
            noise=LEVELS,
            samples=scale.samples,
            seed=0,
            tsne_seeds=(),
            device=device,
        ).summary
    return _verdicts(found["models"]["run"])


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


def to_table(found: Mapping[str, Mapping[str, Numbers]], scale: str, device: str) -> str:
    """Write the table with what made it."""
    facts = provenance()
    precisions = list(next(iter(found.values())))
    return "\n".join(
        [
            f"# {' beside '.join(precisions)}, scale {scale}",
            "",
            f"{', '.join(f'{name} {value}' for name, value in asdict(SCALES[scale]).items())}. "
            "Weights are float32 in both; the analysis computes in float32.",
            f"Device {device}, {facts['machine']['cores']} cores, "
            f"{facts['machine']['architecture']}; torch {facts['versions']['torch']}. Command: "
            f"`python benchmarks/precision.py --scale {scale}`.",
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
