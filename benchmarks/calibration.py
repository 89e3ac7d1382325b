"""Measure, on populations that are known, how often intervals hold what they say.

    python benchmarks/calibration.py --repeats 200 --out benchmarks/results
    python benchmarks/calibration.py --only two-nn --repeats 20

Each study draws its populations with seeds from 0 and writes one table, calibration-<study>.md.
"""

import argparse
import os
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from machine import describe_machine

from latentgeo.files import write_text
from latentgeo.geometry import Settling, principal_angles, settling, two_nn_dimension
from latentgeo.geometry.hilbert import continuous_dimension
from latentgeo.provenance import provenance

Rows = Iterator[tuple[object, ...]]


def main() -> None:
    """Run the studies that are asked for, and write a table of each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=STUDIES, nargs="*", default=list(STUDIES))
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for name in chosen.only:
        before = os.getloadavg()
        title, words, header, rows = STUDIES[name]
        lines = [header, "|".join(["", *["---"] * header.count(" | "), "---", ""])]
        for row in rows(chosen.repeats):
            lines.append(f"| {' | '.join(map(str, row))} |")
            print(lines[-1], flush=True)
        command = f"python benchmarks/calibration.py --only {name} --repeats {chosen.repeats}"
        machine = describe_machine(provenance(), before)
        text = "\n\n".join(
            [f"# {title}", words, "\n".join(lines), f"{machine}\n\nSeeds 0 on. `{command}`"]
        )
        write_text(chosen.out / f"calibration-{name}.md", text + "\n")


def torus(rng: np.random.Generator, n: int, d: int) -> tuple[np.ndarray, str]:
    """Draw distances of uniform points of a flat torus: no edges, no change of density."""
    x, squared = rng.random((n, d)), np.zeros((n, n))
    for column in x.T:
        gap = np.abs(column[:, None] - column)
        squared += np.minimum(gap, 1 - gap) ** 2
    return np.sqrt(squared), "precomputed"


def cube(rng: np.random.Generator, n: int, d: int) -> tuple[np.ndarray, str]:
    """Draw uniform points of a cube: edges."""
    return rng.random((n, d)), "euclidean"


def normal(rng: np.random.Generator, n: int, d: int) -> tuple[np.ndarray, str]:
    """Draw normal points: a density that changes."""
    return rng.normal(size=(n, d)), "euclidean"


def two_nn(repeats: int) -> Rows:
    """Estimate TwoNN of tori, cubes and normal points."""
    for draw in (torus, cube, normal):
        for n in (300, 1000):
            for d in (2, 5, 10, 20):
                rng = np.random.default_rng(0)
                found = []
                for _ in range(repeats):
                    points, kind = draw(rng, n, d)
                    found.append(two_nn_dimension(points, metric=kind))
                value, low, high, *_ = map(np.array, zip(*found, strict=True))
                mean = value.mean()
                alone = np.exp(1.96 / np.sqrt(0.9 * n))
                yield (
                    draw.__name__,
                    n,
                    d,
                    f"{mean:.2f}",
                    share((value / alone <= d) & (d <= value * alone)),
                    share((low <= d) & (d <= high)),
                    share((low <= mean) & (mean <= high)),
                    share(np.array([each.is_local for each in found])),
                )


POPULATIONS = {
    "power-law, exponent 1": np.arange(1.0, 101) ** -1,
    "power-law, exponent 2": np.arange(1.0, 101) ** -2,
    "flat, 100 dimensions": np.ones(100),
    "low rank, 12 of 100": np.concatenate([np.linspace(1, 0.3, 12), np.full(88, 1e-5)]),
}
DIMS = 5


def dimension(repeats: int) -> Rows:
    """Follow the dimension at 95 % of normal points, and of points with heavier tails."""
    for name, spectrum in POPULATIONS.items():
        truth = float(continuous_dimension(torch.from_numpy(spectrum), 0.95))
        for tails in ("normal", "t(5)"):
            for n in (100, 300, 1000):
                rng = np.random.default_rng(0)
                found = []
                for _ in range(repeats):
                    points = rng.normal(size=(n, 100)) * np.sqrt(spectrum)
                    if tails == "t(5)":
                        points /= np.sqrt(rng.chisquare(5, size=(n, 1)) / 3)
                    statistic = partial(_dimension, points)
                    found.append(settling(statistic, n, bound=n - 1))
                yield (name, tails, n, *_coverage(found, truth))


def angle(repeats: int) -> Rows:
    """Follow the mean angle between leading subspaces of points and of what noise makes of them."""
    for name, spectrum in POPULATIONS.items():
        if name.startswith("flat"):
            continue  # has no leading subspace
        turn = np.eye(100) + 0.1 * np.random.default_rng(1).normal(size=(100, 100))
        own = [np.diag(spectrum), turn.T @ np.diag(spectrum) @ turn + 0.01 * np.eye(100)]
        truth = float(principal_angles(*(_leading(s) for s in own)).mean())
        for n in (100, 300, 1000):
            rng = np.random.default_rng(0)
            found = []
            for _ in range(repeats):
                clean = rng.normal(size=(n, 100)) * np.sqrt(spectrum)
                noisy = clean @ turn + 0.1 * rng.normal(size=(n, 100))
                found.append(settling(partial(_angle, clean, noisy), n))
            yield (name, "normal", n, *_coverage(found, truth, scale=180 / np.pi))


def _dimension(points: np.ndarray, some: np.ndarray) -> float:
    energies = np.linalg.eigvalsh(np.cov(points[some].T))[::-1].copy()
    return float(continuous_dimension(torch.from_numpy(energies), 0.95))


def _leading(covariance: np.ndarray) -> np.ndarray:
    return np.linalg.eigh(covariance)[1][:, -DIMS:]


def _angle(clean: np.ndarray, noisy: np.ndarray, some: np.ndarray) -> float:
    return float(principal_angles(*(_leading(np.cov(x[some].T)) for x in (clean, noisy))).mean())


def _coverage(found: list[Settling], truth: float, scale: float = 1.0) -> tuple[object, ...]:
    value = np.array([each.values[2] for each in found])
    settled = [each for each in found if each.word == "settled"]
    words = Counter(each.word for each in found)
    mean = value.mean()
    held = np.array([each.population_low <= truth <= each.population_high for each in settled])
    return (
        f"{scale * truth:.1f}",
        f"{scale * mean:.1f}",
        share(np.array([each.low <= mean <= each.high for each in found])),
        ", ".join(f"{word} {share(np.arange(len(found)) < k)}" for word, k in words.most_common()),
        share(held) if len(settled) > 0.1 * len(found) else "no interval",
    )


def share(true: np.ndarray) -> str:
    """Write a share in percent."""
    return f"{100 * np.mean(true):.0f} %"


_SETTLING = (
    "How often the 95 % interval at this n holds the mean over samples of this size, and, of the "
    "samples that are called settled (change from n/2 to n below 5 %), how often the population's "
    "interval holds the population's value. Where hardly any is settled there is no interval."
)
_HEADER = (
    "| spectrum | points | n | population | mean at n | interval at n | word "
    "| interval of the population |"
)

STUDIES: dict[str, tuple[str, str, str, Callable[[int], Rows]]] = {
    "two-nn": (
        "Intervals of TwoNN",
        "How often the 95 % interval holds the dimension d, by the likelihood alone and as "
        "`two_nn_dimension` gives it, which adds up the scores of points that share a neighbour; "
        "and how often the latter holds the mean of the estimates at this n. On a torus nothing is "
        "wrong but the width. Edges (cube) and density (normal) bias the estimate from d = 5 on, "
        "and no interval repairs that: `is_local` says where neighbours are near enough.",
        "| points | n | d | mean estimate | likelihood alone holds d | interval holds d "
        "| interval holds the mean | `is_local` |",
        two_nn,
    ),
    "dimension": ("Intervals of the dimension at 95 %", _SETTLING, _HEADER, dimension),
    "angle": (
        f"Intervals of the mean angle between subspaces of dimension {DIMS}",
        _SETTLING + " Angles in degrees; the second set is the first, turned and made noisy.",
        _HEADER,
        angle,
    ),
}


if __name__ == "__main__":
    main()
