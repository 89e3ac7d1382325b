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
from itertools import product
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from machine import describe_machine

from latentgeo.files import write_text
from latentgeo.geometry import (
    Settling,
    dimension_settling,
    gram_dimension,
    matched_angles,
    mode_unfoldings,
    principal_angles,
    settling,
    stratification,
    two_nn_dimension,
)
from latentgeo.geometry.hilbert import continuous_dimension
from latentgeo.geometry.resampling import DIMENSIONS
from latentgeo.geometry.settling import Word
from latentgeo.measures.embedding import Grams, gram_matrices
from latentgeo.measures.latents import LatentReader, kernel_words, reader_of, small_shares
from latentgeo.metrics import jackknife_interval
from latentgeo.provenance import provenance
from latentgeo.settings import AnalysisSettings

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


SIZES = (100, 300, 1000)
SUBSPACES = ("95 % of the variance", "1 dimension", 2, 5, 10, 20)


def reported_angle(repeats: int) -> Rows:
    """Cover the mean angles that a report shows, between subspaces of a share and of dimensions."""
    halves = AnalysisSettings().halves
    for name, spectrum in POPULATIONS.items():
        turn = np.eye(100) + 0.1 * np.random.default_rng(1).normal(size=(100, 100))
        for n in SIZES:
            rng = np.random.default_rng(0)
            whole, halved = [], []
            for _ in range(repeats):
                clean = rng.normal(size=(n, 100)) * np.sqrt(spectrum)
                noisy = clean @ turn + 0.1 * rng.normal(size=(n, 100))
                drawn = [rng.permutation(n)[: n // 2] for _ in range(halves)]
                whole.append(_mean_angles(clean, noisy))
                halved.append([_mean_angles(clean[half], noisy[half]) for half in drawn])
            value = np.array(whole)
            low, high = jackknife_interval(value, np.moveaxis(np.array(halved), 1, -1))
            held = (low <= value.mean(0)) & (value.mean(0) <= high)
            means = ", ".join(f"{mean:.1f}" for mean in value.mean(0))
            yield (name, n, means, *map(share, held.T))


def _mean_angles(clean: np.ndarray, noisy: np.ndarray) -> list[float]:
    """Return the mean angle in degrees between subspaces of a share and of each dimension."""
    found = [np.linalg.eigh(np.cov(points.T)) for points in (clean, noisy)]
    axes = [vectors[:, ::-1] for _, vectors in found]
    energies = [values[::-1].cumsum() / values.sum() for values, _ in found]
    of_share = [int((energy < 0.95).sum()) + 1 for energy in energies]
    dims = [of_share, *([d, d] for d in DIMENSIONS)]
    pairs = ((axes[0][:, :p].copy(), axes[1][:, :q].copy()) for p, q in dims)
    return [float(np.rad2deg(principal_angles(*pair).mean())) for pair in pairs]


SHARES = (0.0, 0.01, 0.02, 0.05, 0.2, 0.5)
WEAKEST = (1e-1, 1e-2, 1e-4, 1e-6, 1e-7)
SOURCES = (torch.float32, torch.bfloat16, torch.float16)
SHAPES = {
    "plain": (12, 7, 7),
    "C < H·W / 4": (8, 6, 6),
    "C > H·W": (40, 5, 5),
    "blank border": (12, 7, 7),
    "4 dead channels": (16, 7, 7),
}


def strata(repeats: int) -> Rows:
    """Judge mixtures of two strata, and sets of one, whose ranks are there by construction."""
    cases = [("plain", n, torch.float32, weakest) for n in (100, 1000) for weakest in WEAKEST]
    cases += [(kind, 300, *each) for kind in SHAPES for each in product(SOURCES, WEAKEST)]
    for kind, n, source, weakest in cases:
        generator = torch.Generator().manual_seed(0)
        verdicts: list[str] = []
        for mixed in SHARES:
            found = Counter(
                stratification(
                    mode_unfoldings(draw_mixture(kind, n, weakest, mixed, generator).to(source)),
                    source_dtype=source,
                ).verdict
                for _ in range(repeats)
            )
            verdicts.append(
                ", ".join(f"{word} {100 * k / repeats:.0f} %" for word, k in found.most_common())
            )
        yield (kind, n, str(source).removeprefix("torch."), f"{weakest:g}", *verdicts)


def draw_mixture(
    kind: str, n: int, weakest: float, mixed: float, generator: torch.Generator
) -> torch.Tensor:
    """Draw latents (n, C, H, W) some of which lack the weakest direction of the others' S3."""
    channels, rows, columns = SHAPES[kind]
    dead = 4 if kind == "4 dead channels" else 0
    edge = 1 if kind == "blank border" else 0
    seen = (rows - 2 * edge) * (columns - 2 * edge)
    rank = min(channels - dead, seen - 1)

    def orthonormal(size: int) -> torch.Tensor:
        drawn = torch.randn(n, size, rank, generator=generator, dtype=torch.float64)
        return torch.linalg.qr(drawn).Q

    # The positions of a centred unfolding have mean zero: one direction less.
    no_mean = torch.linalg.qr(torch.eye(seen, dtype=torch.float64) - 1 / seen).Q[:, : seen - 1]
    values = torch.logspace(0, float(np.log10(weakest)), rank, dtype=torch.float64).repeat(n, 1)
    values[torch.rand(n, generator=generator) < mixed, -1] = 0
    left, right = orthonormal(channels - dead), no_mean @ orthonormal(seen - 1)
    found = (left * values[:, None]) @ right.mT
    found = found.reshape(n, channels - dead, rows - 2 * edge, columns - 2 * edge)
    return torch.nn.functional.pad(found, (edge, edge, edge, edge, 0, dead))


KERNELS = (
    AnalysisSettings(kernel="euclidean"),
    AnalysisSettings(kernel="square-root"),
    AnalysisSettings(kernel="log-euclidean"),
    AnalysisSettings(kernel="log-cholesky"),
    AnalysisSettings(kernel="pseudo-log"),
    AnalysisSettings(kernel="projection"),
    AnalysisSettings(kernel="linear"),
    AnalysisSettings(kernel="gaussian", kernel_distance="square-root"),
)
CHANNELS, SIDE, DIRECTIONS, TAIL = 24, 5, 8, 6
FACTORS = (2, 4)
COMPARED = 300
"""Images up to which angles are measured, which is what takes the time."""


def latents(rng: np.random.Generator, n: int, factors: int, weakest: float) -> np.ndarray:
    """Draw fields of a few factors (n, DIRECTIONS + TAIL, SIDE, SIDE).

    The last of the directions carries the share ``weakest`` of their variance. The tail, next to
    the noise floor, is each image's own.
    """
    fixed = np.random.default_rng(7)
    weights = fixed.normal(size=(factors, DIRECTIONS * SIDE * SIDE)) / np.sqrt(factors)
    drawn = rng.normal(size=(n, factors)) * np.arange(1, factors + 1) ** -0.5
    found = np.tanh(2 * drawn @ weights + 0.5 * fixed.normal(size=weights.shape[1]))
    found = found.reshape(n, DIRECTIONS, SIDE, SIDE)
    found[:, -1] *= np.sqrt(weakest / (1 - weakest) * (DIRECTIONS - 1))
    tail = rng.normal(size=(n, TAIL, SIDE, SIDE)) * 10 ** np.linspace(-2.5, -4, TAIL)[:, None, None]
    return np.concatenate([found, tail], axis=1)


def changes(
    rng: np.random.Generator, n: int, factors: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Change latents (n, CHANNELS, SIDE, SIDE) in ways that are known: `CHANGES`."""
    basis = np.linalg.qr(np.random.default_rng(8).normal(size=(CHANNELS, CHANNELS)))[0]
    span, beside = np.split(basis, [DIRECTIONS + TAIL], axis=1)
    for share in (0.02, 1e-4):
        fields = latents(rng, n, factors, share)
        fewer = np.delete(fields, DIRECTIONS - 1, axis=1)
        mixed = _mixed(fields, span)
        yield mixed, _mixed(fewer, np.delete(span, DIRECTIONS - 1, axis=1))
    fields, turned = latents(rng, n, factors, 0.02), span.copy()
    turned[:, :DIRECTIONS] *= np.cos(np.pi / 18)
    turned[:, :DIRECTIONS] += np.sin(np.pi / 18) * beside[:, :DIRECTIONS]
    mixed = _mixed(fields, span)
    yield mixed, _mixed(fields, turned)
    yield mixed, mixed + 0.01 * mixed.std() * rng.normal(size=mixed.shape)


def _mixed(fields: np.ndarray, span: np.ndarray) -> np.ndarray:
    return np.einsum("ck,nkhw->nchw", span, fields)


def kernels(repeats: int) -> Rows:
    """Follow the dimension under every kernel, and what each sees of changes that are known."""
    for settings in KERNELS:
        for factors, n in product(FACTORS, (150, 300, 1000)):
            found = [
                _seen(changes(np.random.default_rng(i), n, factors), n, settings)
                for i in range(repeats)
            ]
            words = Counter(word for word, *_ in found)
            value, small = np.array([one[1:3] for one in found]).T
            added = np.array([one[3] for one in found])
            yield (
                kernel_words((CHANNELS, SIDE, SIDE), settings),
                factors,
                n,
                f"{value.mean():.1f}",
                ", ".join(f"{word} {100 * k / repeats:.0f} %" for word, k in words.most_common()),
                "none" if np.isnan(small).all() else f"{round(100 * np.nanmean(small))} %",
                *(_beside_its_spread(one) for one in added.T),
            )


def _seen(
    pairs: Iterator[tuple[np.ndarray, np.ndarray]], n: int, settings: AnalysisSettings
) -> tuple[Word, float, float, list[float]]:
    """Return the word, the dimension, the share of small eigenvalues, and what each change adds."""
    reader = _reader(*next(pairs))
    grams = gram_matrices(reader, "float32", settings)
    found = dimension_settling(grams.within[0], (0.95,), groups=2)[0]
    small = small_shares(reader, 0, "float32", settings).get("S3", float("nan"))
    if n > COMPARED:
        return found.word, found.values[2], small, [float("nan")] * 4
    others = [gram_matrices(_reader(*pair), "float32", settings) for pair in pairs]
    return found.word, found.values[2], small, [_added(one) for one in (grams, *others)]


def _reader(clean: np.ndarray, changed: np.ndarray) -> LatentReader:
    both = np.stack([clean, changed]).astype(np.float32)
    return reader_of(xr.DataArray(both, dims=("noise", "sample", "channel", "row", "column")))


def _added(grams: Grams) -> float:
    """Return what a change adds to the mean angle between disjoint halves, in degrees."""
    clean, cross, changed = grams.within[0], grams.cross[0], grams.within[1]
    half = len(clean) // 2
    dims = int(gram_dimension(clean[:half, :half], (0.95,))[0])
    return float(np.rad2deg(matched_angles(clean, cross, changed, (dims,), splits=1).excess[0]))


def _beside_its_spread(added: np.ndarray) -> str:
    """Write what a change adds on average, with its spread, and whether that is seen."""
    if np.isnan(added).all():
        return "—"
    mean, spread = np.nanmean(added), np.nanstd(added)
    said = f"{mean:.1f} ± {spread:.1f}"
    return f"**{said}**" if mean > 2 * spread and mean > 0.05 else said


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
        "wrong but the width up to d = 10; at d = 20 the estimate is 3 to 6 % low. Edges (cube) "
        "bias it from d = 5 on, density (normal) from d = 10 on, and no interval repairs that: "
        "`is_local` says where neighbours are near enough.",
        "| points | n | d | mean estimate | likelihood alone holds d | interval holds d "
        "| interval holds the mean | `is_local` |",
        two_nn,
    ),
    "dimension": ("Intervals of the dimension at 95 %", _SETTLING, _HEADER, dimension),
    "kernel": (
        "What each kernel makes of the number of images, and of changes that are known",
        f"Latents of {CHANNELS} × {SIDE} × {SIDE} that lie in {DIRECTIONS} directions of their "
        f"channels, curved in 2 or 4 factors, and in {TAIL} more with 1e-5 to 1e-8 of the "
        "variance, each image's own; float32. The dimension holds 95 % of the "
        "variance. *Small*: share of the variance of the channels' features that eigenvalues under "
        "1e-4 of the largest make. Angles in degrees between subspaces of the dimension that holds "
        "95 % of half the images: what the change adds to the angle between disjoint halves, mean "
        "± standard deviation over repeats; bold where the mean is over two of these. The changes: "
        "the weakest main direction of the channels, with 2 % or 0.01 % of the variance, is taken "
        "away (rank 14 to 13); the main directions turn by 10°; noise of 1 % is added (rank 14 to "
        "24).",
        "| kernel | factors | n | dimension | word | small | rank, 2 % | rank, 0.01 % "
        "| turn by 10° | noise of 1 % |",
        kernels,
    ),
    "strata": (
        "Verdicts on ranks that are there by construction",
        "Latents whose S3 has singular values from 1 to the *weakest*, in equal ratios; some "
        "images lack the weakest one, and so lie on another stratum. What the set is called, by "
        "the share of these in the population. Right is *smooth* at a share of 0 and *stratified* "
        "above it; *undecided* is no error, and neither is *smooth* where the sample happens to "
        "hold none of them. With n images a second stratum is called so from max(3, 2 % of n) "
        "images on: to be found in 95 % of samples it has to make 6.2 % of the population at "
        "n = 100, 3.5 % at 300 and 2.8 % at 1,000.",
        f"| latents | n | source | weakest | {' | '.join(f'{100 * m:g} %' for m in SHARES)} |",
        strata,
    ),
    "reported-angle": (
        "Intervals of the mean angles that a report shows",
        "How often the 95 % interval of the delete-half jackknife, over as many halves as an "
        "analysis draws, holds the mean over samples of this size; the mean angles in degrees, in "
        "the order of the columns. Populations as for the angle of dimension 5.",
        f"| spectrum | n | mean angles | {' | '.join(map(str, SUBSPACES))} |",
        reported_angle,
    ),
    "angle": (
        f"Intervals of the mean angle between subspaces of dimension {DIMS}",
        _SETTLING + " Angles in degrees; the second set is the first, turned and made noisy.",
        _HEADER,
        angle,
    ),
}


if __name__ == "__main__":
    main()
