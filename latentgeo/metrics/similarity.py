"""How alike two models' latents of the same images are: one row for each measure.

A row states its invariances, which the tests are generated from, and how it is computed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata, t

from latentgeo.metrics._points import as_points, check_count

Array = NDArray[np.float64]
Invariance = Literal["orthogonal", "scaling", "shift"]

DIMENSIONS = 10
NEIGHBOURS = 10
_GROUPS = 20
_LEAST = 2 * _GROUPS
_ALL: frozenset[Invariance] = frozenset({"orthogonal", "scaling", "shift"})


@dataclass(frozen=True)
class Similarity:
    """What one measure is, and how it is computed.

    Attributes
    ----------
    name : str
    invariances : frozenset of str
        What either model's latents may go through and leave it as it is: "orthogonal" maps,
        "scaling" of all numbers by one, a "shift" of all images.
    prepare : callable
        Takes points (n, d) to what is compared.
    compare : callable
        Takes what is prepared of both to the similarity.
    by_pairs : bool
        Whether what is prepared is a matrix (n, n) of pairs of images.
    definition, reference : str
    direction : str
        What a high value says.
    """

    name: str
    invariances: frozenset[Invariance]
    prepare: Callable[[Array], Array]
    compare: Callable[[Array, Array], float]
    by_pairs: bool
    definition: str
    reference: str
    direction: str = "higher is more alike, 1 is most"


class SimilarityScore(NamedTuple):
    """A similarity with its interval over images and its permutation null.

    Attributes
    ----------
    value : float
    low, high : float
        Ends of the delete-a-group jackknife's interval; a bootstrap repeats images, which are
        then their own nearest neighbours.
    p_value : float
        Share of the permutations that are at least as alike, the observed one counted.
    null_mean : float
        Mean over random pairings of the images: what chance alone makes.
    """

    value: float
    low: float
    high: float
    p_value: float
    null_mean: float


def similarity(
    x: Any,
    y: Any,
    measure: str = "linear-cka",
    *,
    permutations: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> SimilarityScore:
    """Compare the latents that two models have of the same images.

    Parameters
    ----------
    x, y : array_like of shape (n, ...)
        Latents of the same n images in the same order, flattened; at least 40.
    measure : str
        A name in `SIMILARITIES`.
    permutations : int, default=200
        Random pairings of the images for the null.
    level : float, default=0.95
        Coverage of the interval.
    seed : int, default=0
        Draws groups and pairings.

    Returns
    -------
    SimilarityScore
        Named tuple (value, low, high, p_value, null_mean); NaN where a model does not vary.

    Raises
    ------
    ValueError
        When there is no such measure, the images differ in number or are too few, or a latent is
        not finite.
    """
    if measure not in SIMILARITIES:
        raise ValueError(f"measure is {measure!r}, expected one of {', '.join(SIMILARITIES)}")
    row = SIMILARITIES[measure]
    points = [as_points(values, "latents").astype(np.float64) for values in (x, y)]
    count = len(points[0])
    if len(points[1]) != count or count < _LEAST:
        raise ValueError(
            f"latents are of {count} and {len(points[1])} images, expected the same {_LEAST} or "
            "more"
        )
    check_count(permutations, "permutations")
    one, other = (row.prepare(each) for each in points)
    rng = np.random.default_rng(seed)

    def take(prepared: Array, some: NDArray[np.int64]) -> Array:
        return prepared[np.ix_(some, some)] if row.by_pairs else prepared[some]

    with np.errstate(invalid="ignore", divide="ignore"):
        value = row.compare(one, other)
        groups = np.array_split(rng.permutation(count), _GROUPS)
        rests = [np.delete(np.arange(count), group) for group in groups]
        without = [row.compare(take(one, rest), take(other, rest)) for rest in rests]
        null = np.array(
            [row.compare(one, take(other, rng.permutation(count))) for _ in range(permutations)]
        )
    reach = float(t.ppf((1 + level) / 2, _GROUPS - 1) * np.std(without) * np.sqrt(_GROUPS - 1))
    p_value = float((1 + (null >= value).sum()) / (1 + permutations)) if value == value else np.nan
    return SimilarityScore(value, value - reach, value + reach, p_value, float(null.mean()))


def _linear(points: Array) -> Array:
    centred = _centred(points)
    gram: Array = centred @ centred.T
    return gram


def _gaussian(points: Array) -> Array:
    squared = pdist(points, "sqeuclidean")
    apart = squared[squared > 0]
    if not len(apart):
        return np.zeros((len(points), len(points)))
    gram: Array = np.exp(-squareform(squared) / np.median(apart))
    return gram


def _cka(one: Array, other: Array) -> float:
    own = _hsic(one, one) * _hsic(other, other)
    return float(_hsic(one, other) / np.sqrt(own)) if own > 0 else float("nan")


def _hsic(one: Array, other: Array) -> float:
    """Estimate the Hilbert-Schmidt independence criterion without bias (Song et al., eq. 5)."""
    n = len(one)
    k, m = one - np.diag(np.diag(one)), other - np.diag(np.diag(other))
    rows, columns = k.sum(axis=0), m.sum(axis=0)
    value = (k * m).sum() + rows.sum() * columns.sum() / ((n - 1) * (n - 2))
    return float((value - 2 * rows @ columns / (n - 2)) / (n * (n - 3)))


def _distances(points: Array) -> Array:
    distances: Array = squareform(pdist(points))
    return distances


def _rank_correlation(one: Array, other: Array) -> float:
    upper = np.triu_indices(len(one), 1)
    ranks = [rankdata(each[upper]) for each in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def _centred(points: Array) -> Array:
    centred: Array = points - points.mean(axis=0)
    return centred


def _procrustes(one: Array, other: Array) -> float:
    a, b = _centred(one), _centred(other)
    nuclear = np.linalg.svd(a.T @ b, compute_uv=False).sum()
    return float(nuclear / (np.linalg.norm(a) * np.linalg.norm(b)))


def _reduced(points: Array) -> Array:
    """Turn points of many dimensions into as few as there are images, distances as they are."""
    centred = _centred(points)
    if centred.shape[1] <= len(centred):
        return centred
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    scores: Array = left * values
    return scores


def _subspace(one: Array, other: Array) -> float:
    bases = [np.linalg.svd(_centred(each), full_matrices=False)[0] for each in (one, other)]
    kept = min(DIMENSIONS, bases[0].shape[1], bases[1].shape[1])
    cosines = np.linalg.svd(bases[0][:, :kept].T @ bases[1][:, :kept], compute_uv=False)
    return float((cosines**2).mean())


def _shared_neighbours(one: Array, other: Array) -> float:
    kept = min(NEIGHBOURS, len(one) - 1)
    near = []
    for distances in (one, other):
        apart = distances + np.diag(np.full(len(distances), np.inf))
        mask = np.zeros(apart.shape, dtype=bool)
        np.put_along_axis(mask, np.argpartition(apart, kept - 1, axis=1)[:, :kept], True, axis=1)
        near.append(mask)
    return float((near[0] & near[1]).sum() / (kept * len(one)))


SIMILARITIES: dict[str, Similarity] = {
    row.name: row
    for row in (
        Similarity(
            "linear-cka",
            _ALL,
            _linear,
            _cka,
            by_pairs=True,
            definition="HSIC(K, L) / √(HSIC(K, K) HSIC(L, L)) of K = XXᵀ, each without bias",
            reference="Kornblith et al., ICML 2019; unbiased as in Nguyen, Raghu and Kornblith, "
            "ICLR 2021, after Song et al., JMLR 13 (2012), eq. 5",
        ),
        Similarity(
            "gaussian-cka",
            _ALL,
            _gaussian,
            _cka,
            by_pairs=True,
            definition="the same of K = exp(-d²/m), m the median of d²",
            reference="Kornblith et al., ICML 2019, section 4",
        ),
        Similarity(
            "rsa",
            _ALL,
            _distances,
            _rank_correlation,
            by_pairs=True,
            definition="Spearman's correlation of the distances of all pairs of images",
            reference="Kriegeskorte, Mur and Bandettini, Front. Syst. Neurosci. 2 (2008)",
        ),
        Similarity(
            "procrustes",
            _ALL,
            _reduced,
            _procrustes,
            by_pairs=False,
            definition="‖XᵀY‖_* / (‖X‖ ‖Y‖), both centred: the cosine after the best rotation",
            reference="Schönemann, Psychometrika 31 (1966); Williams et al., NeurIPS 2021",
        ),
        Similarity(
            "subspace",
            _ALL,
            _reduced,
            _subspace,
            by_pairs=False,
            definition="mean cos² of the principal angles between the spans, in the space of the "
            "images, of the 10 leading principal components",
            reference="Raghu et al., SVCCA, NeurIPS 2017",
        ),
        Similarity(
            "mutual-neighbours",
            _ALL,
            _distances,
            _shared_neighbours,
            by_pairs=True,
            definition="share of the 10 nearest images of each that both models have in common",
            reference="Huh, Cheung, Wang and Isola, ICML 2024, section 2.1",
        ),
    )
}
