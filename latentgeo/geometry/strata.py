"""Strata: the pieces of one rank each that latent sets are made of."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Stratum = tuple[int, ...]
"""One rank per mode."""


def stratum_dimension(n: int, k: int) -> int:
    """Dimension of the manifold of n×n positive semi-definite matrices of rank k.

    Parameters
    ----------
    n : int
        Size of the matrices.
    k : int
        Their rank, 0 to n.

    Returns
    -------
    int
        n·k − k(k−1)/2.

    Raises
    ------
    ValueError
        If the rank is not between 0 and n.

    References
    ----------
    B. Vandereycken, P.-A. Absil and S. Vandewalle, "Embedded geometry of the set of symmetric
    positive semidefinite matrices of fixed rank", SSP 2009, proposition 1.1.
    """
    if not 0 <= k <= n:
        raise ValueError(f"the rank is {k}; expected 0 to {n} for matrices of size {n}x{n}")
    return n * k - k * (k - 1) // 2


def product_stratum_dimension(sizes: Sequence[int], ranks: Sequence[int]) -> int:
    """Dimension of a product of manifolds of fixed rank: the sum of the factors' dimensions.

    Parameters
    ----------
    sizes, ranks : sequences of int of one length
        Size and rank of each factor, such as (7, 7, 128) and (7, 7, 48).

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If the lengths differ, or a rank is out of range.
    """
    if len(sizes) != len(ranks):
        raise ValueError(f"got {len(sizes)} sizes and {len(ranks)} ranks; expected one rank a size")
    return sum(stratum_dimension(int(n), int(k)) for n, k in zip(sizes, ranks, strict=True))


def strata_counts(rank_triples: Any) -> dict[Stratum, int]:
    """Count how many samples lie on each stratum.

    Parameters
    ----------
    rank_triples : array-like of int, shape (samples, modes)
        Ranks of each sample.

    Returns
    -------
    dict
        {(7, 7, 48): 300, …}, the most frequent first, ties by the higher ranks.
    """
    counts = Counter(_triples(rank_triples))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], [-rank for rank in item[0]])))


class StratumTransitions(NamedTuple):
    """How samples move between strata: ``counts[i, j]`` went from ``origins[i]`` to ``targets[j]``.

    ``origins`` and ``targets`` are in descending order of their ranks.
    """

    origins: list[Stratum]
    targets: list[Stratum]
    counts: npt.NDArray[np.int64]

    @property
    def staying(self) -> float:
        """Share of the samples that did not change stratum, 0 to 1."""
        same = sum(
            int(self.counts[i, self.targets.index(origin)])
            for i, origin in enumerate(self.origins)
            if origin in self.targets
        )
        return same / int(self.counts.sum())


def stratum_transitions(origin_ranks: Any, target_ranks: Any) -> StratumTransitions:
    """Tabulate the moves of the same samples from one set of ranks to another.

    Parameters
    ----------
    origin_ranks, target_ranks : array-like of int, shape (samples, modes)
        Ranks of each sample before and after, such as clean and noisy.

    Returns
    -------
    StratumTransitions
        Named tuple (origins, targets, counts) with the property ``staying``.

    Raises
    ------
    ValueError
        If the two hold different numbers of samples.
    """
    before, after = _triples(origin_ranks), _triples(target_ranks)
    if len(before) != len(after):
        raise ValueError(
            f"got ranks of {len(before)} samples before and {len(after)} after; "
            "expected the same samples in the same order"
        )
    origins, targets = sorted(set(before), reverse=True), sorted(set(after), reverse=True)
    counts = np.zeros((len(origins), len(targets)), dtype=np.int64)
    for a, b in zip(before, after, strict=True):
        counts[origins.index(a), targets.index(b)] += 1
    return StratumTransitions(origins, targets, counts)


def _triples(ranks: Any) -> list[Stratum]:
    array = np.asarray(ranks)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(
            f"the ranks have shape {array.shape}; expected (samples, modes) with a sample at least"
        )
    return [tuple(int(rank) for rank in row) for row in array]
