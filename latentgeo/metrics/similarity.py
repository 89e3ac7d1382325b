"""How alike two models' latents of the same images are: one row for each measure.

A row states its invariances, which the tests are generated from, and how it is computed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import nan
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentgeo.metrics._points import as_points, check_count

Array = NDArray[np.float64]
Invariance = Literal["orthogonal", "scaling", "shift"]

DIMENSIONS = 10
NEIGHBOURS = 10
_GROUPS = 20
LEAST_IMAGES = 2 * _GROUPS
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
        Takes points (n, d) to what of them is compared; the images keep their order.
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
    direction: str = "higher is more similar, 1 is the maximum"


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


def principal_scores(points: Any) -> Array:
    """Give points about their mean, in as few coordinates as there are points.

    Parameters
    ----------
    points : array_like of shape (n, ...)
        Flattened to (n, d).

    Returns
    -------
    numpy.ndarray of shape (n, min(n, d)), float64
        A shift and a rotation of the points, where d is above n; else a shift. No measure of
        `SIMILARITIES` sees the difference.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.metrics import principal_scores
    >>> principal_scores(np.array([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0]])).shape
    (3, 2)
    """
    found = as_points(points, "points").astype(np.float64)
    found = found - found[0]  # points that are all the same are exactly zero
    centred: Array = found - found.mean(axis=0)
    if centred.shape[1] <= len(centred):
        return centred
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    scores: Array = left * values
    return scores


class _Prepared(NamedTuple):
    """What a measure compares of one model."""

    whole: Array
    without: list[Array]  # each group of images left out


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

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.metrics import similarity
    >>> x = np.random.default_rng(0).normal(size=(40, 3))
    >>> round(similarity(x, 2 * x + 1, permutations=20).value, 3)
    1.0
    """
    found = similarities([x, y], measure, permutations=permutations, level=level, seed=seed)
    return found[0, 1]


def similarities(
    latents: Sequence[Any],
    measure: str = "linear-cka",
    *,
    permutations: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> dict[tuple[int, int], SimilarityScore]:
    """Compare every two of several models; what is needed of a model is computed once.

    Parameters
    ----------
    latents : sequence of array_like of shape (n, ...)
        Latents of the same images, for each model.
    measure, permutations, level, seed
        As for `similarity`.

    Returns
    -------
    dict of (int, int) to SimilarityScore
        By the places of two models, the first before the second.

    Raises
    ------
    ValueError
        As for `similarity`.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.metrics import similarities
    >>> x = np.random.default_rng(0).normal(size=(40, 3))
    >>> round(similarities([x, 2 * x], permutations=20)[0, 1].value, 3)
    1.0
    """
    if measure not in SIMILARITIES:
        raise ValueError(f"measure is {measure!r}, expected one of {', '.join(SIMILARITIES)}")
    row = SIMILARITIES[measure]
    points = [as_points(values, "latents") for values in latents]
    counts = [len(each) for each in points]
    if len(set(counts)) > 1 or min(counts, default=0) < LEAST_IMAGES:
        raise ValueError(
            f"latents are of {' and '.join(map(str, counts))} images, expected the same "
            f"{LEAST_IMAGES} or more"
        )
    check_count(permutations, "permutations")
    rng = np.random.default_rng(seed)
    groups = np.array_split(rng.permutation(counts[0]), _GROUPS)
    pairings = [rng.permutation(counts[0]) for _ in range(permutations)]
    with np.errstate(invalid="ignore", divide="ignore"):
        prepared = [_prepared(row, principal_scores(each), groups) for each in points]
        return {
            (i, j): _score(row, prepared[i], prepared[j], pairings, level)
            for i, j in combinations(range(len(prepared)), 2)
        }


def _prepared(row: Similarity, points: Array, groups: Sequence[NDArray[np.int64]]) -> _Prepared:
    without = [row.prepare(np.delete(points, group, axis=0)) for group in groups]
    return _Prepared(row.prepare(points), without)


def _score(
    row: Similarity,
    one: _Prepared,
    other: _Prepared,
    pairings: Sequence[NDArray[np.int64]],
    level: float,
) -> SimilarityScore:
    from scipy.special import stdtrit  # slow to import

    def paired(order: NDArray[np.int64]) -> Array:
        return other.whole[np.ix_(order, order)] if row.by_pairs else other.whole[order]

    value = row.compare(one.whole, other.whole)
    without = [row.compare(*both) for both in zip(one.without, other.without, strict=True)]
    null = np.array([row.compare(one.whole, paired(order)) for order in pairings])
    reach = float(stdtrit(_GROUPS - 1, (1 + level) / 2) * np.std(without) * np.sqrt(_GROUPS - 1))
    p_value = float((1 + (null >= value).sum()) / (1 + len(null))) if value == value else np.nan
    return SimilarityScore(value, value - reach, value + reach, p_value, float(null.mean()))


def _linear(points: Array) -> Array:
    return _unit(_without_bias(points @ points.T))


def _gaussian(points: Array) -> Array:
    from scipy.spatial.distance import pdist, squareform  # slow to import

    squared = pdist(points, "sqeuclidean")
    apart = squared[squared > 0]
    width = np.median(apart) if len(apart) else 1.0
    return _unit(_without_bias(np.exp(-squareform(squared) / width)))


def _without_bias(gram: Array) -> Array:
    """Centre a kernel so that products estimate HSIC without bias (Song et al., eq. 5).

    The sum of the products of two such matrices is n(n - 3) times that (Székely and Rizzo, Ann.
    Statist. 42 (2014), U-centring).
    """
    n = len(gram)
    off = gram - np.diag(np.diag(gram))
    sums = off.sum(axis=0) / (n - 2)
    centred: Array = off - sums - sums[:, None] + sums.sum() / (n - 1)
    np.fill_diagonal(centred, 0.0)
    return centred


def _unit(matrix: Array) -> Array:
    unit: Array = matrix / np.linalg.norm(matrix)
    return unit


def _product(one: Array, other: Array) -> float:
    return float(np.vdot(one, other))


def _distances(points: Array) -> Array:
    from scipy.spatial.distance import pdist, squareform  # slow to import

    distances: Array = squareform(pdist(points))
    return distances


def _ranked_distances(points: Array) -> Array:
    from scipy.spatial.distance import pdist, squareform  # slow to import
    from scipy.stats import rankdata

    ranks = rankdata(pdist(points))
    return _unit(squareform(ranks - ranks.mean()))


def _unit_points(points: Array) -> Array:
    return _unit(principal_scores(points))


def _nuclear_norm(one: Array, other: Array) -> float:
    product = one.T @ other
    # NaN, where a model does not vary, has no singular values.
    return (
        float(np.linalg.svd(product, compute_uv=False).sum()) if np.isfinite(product).all() else nan
    )


def _leading_axes(points: Array) -> Array:
    axes: Array = np.linalg.svd(principal_scores(points), full_matrices=False)[0][:, :DIMENSIONS]
    return axes


def _shared_directions(one: Array, other: Array) -> float:
    kept = min(one.shape[1], other.shape[1])
    return float(((one[:, :kept].T @ other[:, :kept]) ** 2).sum() / kept)


def _neighbours(points: Array) -> Array:
    kept = min(NEIGHBOURS, len(points) - 1)
    apart = _distances(points)
    np.fill_diagonal(apart, np.inf)
    near = np.zeros(apart.shape)
    np.put_along_axis(near, np.argpartition(apart, kept - 1, axis=1)[:, :kept], 1.0, axis=1)
    return near


def _shared_neighbours(one: Array, other: Array) -> float:
    return float(np.vdot(one, other) / one.sum())


SIMILARITIES: dict[str, Similarity] = {
    row.name: row
    for row in (
        Similarity(
            "linear-cka",
            _ALL,
            _linear,
            _product,
            by_pairs=True,
            definition="HSIC(K, L) / √(HSIC(K, K) HSIC(L, L)) of K = XXᵀ, each without bias",
            reference="Kornblith et al., ICML 2019; unbiased as in Nguyen, Raghu and Kornblith, "
            "ICLR 2021, after Song et al., JMLR 13 (2012), eq. 5",
        ),
        Similarity(
            "gaussian-cka",
            _ALL,
            _gaussian,
            _product,
            by_pairs=True,
            definition="the same of K = exp(-d²/m), m the median of d²",
            reference="Kornblith et al., ICML 2019, section 4",
        ),
        Similarity(
            "rsa",
            _ALL,
            _ranked_distances,
            _product,
            by_pairs=True,
            definition="Spearman's correlation of the distances of all pairs of images",
            reference="Kriegeskorte, Mur and Bandettini, Front. Syst. Neurosci. 2 (2008)",
        ),
        Similarity(
            "procrustes",
            _ALL,
            _unit_points,
            _nuclear_norm,
            by_pairs=False,
            definition="‖XᵀY‖_* / (‖X‖ ‖Y‖), both centred: the cosine after the best rotation",
            reference="Schönemann, Psychometrika 31 (1966); Williams et al., NeurIPS 2021",
        ),
        Similarity(
            "subspace",
            _ALL,
            _leading_axes,
            _shared_directions,
            by_pairs=False,
            definition="mean cos² of the principal angles between the spans, in the space of the "
            "images, of the 10 leading principal components",
            reference="Raghu et al., SVCCA, NeurIPS 2017",
        ),
        Similarity(
            "mutual-neighbours",
            _ALL,
            _neighbours,
            _shared_neighbours,
            by_pairs=True,
            definition="share of the 10 nearest neighbours of each image that both models have in "
            "common",
            reference="Huh, Cheung, Wang and Isola, ICML 2024, section 2.1",
        ),
    )
}
