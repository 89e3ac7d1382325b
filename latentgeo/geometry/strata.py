"""Strata, the pieces of one rank each that latent sets are made of: which, and how surely."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from latentgeo.geometry._arrays import DType, enter, source_epsilon
from latentgeo.geometry._checks import check_finite, check_not_empty
from latentgeo.geometry.rank import rounding, singular_values

_EPS32 = torch.finfo(torch.float32).eps

Stratum = tuple[int, ...]
"""One rank per mode."""


Verdict = Literal["smooth", "stratified", "undecided"]


class Stratification(NamedTuple):
    """A verdict on a set of latents, with what it rests on.

    Attributes
    ----------
    verdict : {"smooth", "stratified", "undecided"}
        "smooth": all lie on one stratum, each kept singular value clear of the noise floor.
        "stratified": samples lie on several strata, clearly separated. "undecided": too many
        spectra pass through the floor without a gap, or too few samples lie elsewhere.
    strata : dict
        Samples of each stratum, counting only those with no singular value in doubt.
    doubtful : float
        Share of samples with a singular value within ``band`` of the floor, 0 to 1.
    margins : tuple of float
        For each mode, how far the smallest kept singular value is above the floor, as a ratio;
        the 5 % quantile over samples.
    gaps : tuple of float
        For each mode, the ratio of the smallest kept to the largest dropped singular value; the
        median over samples, infinite where nothing is dropped.
    floors : tuple of float
        For each mode, the floor as a share of the largest singular value; the median over
        samples where they differ.
    evidence : str
        One plain sentence.
    """

    verdict: Verdict
    strata: dict[Stratum, int]
    doubtful: float
    margins: tuple[float, ...]
    gaps: tuple[float, ...]
    floors: tuple[float, ...]
    evidence: str


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

    Examples
    --------
    >>> from latentgeo.geometry import stratum_dimension
    >>> stratum_dimension(7, 2)
    13
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

    Examples
    --------
    >>> from latentgeo.geometry import product_stratum_dimension
    >>> product_stratum_dimension((7, 7, 128), (7, 7, 48))
    5072
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

    Examples
    --------
    >>> from latentgeo.geometry import strata_counts
    >>> strata_counts([[7, 7, 48], [7, 7, 48], [7, 7, 47]])
    {(7, 7, 48): 2, (7, 7, 47): 1}
    """
    counts = Counter(_triples(rank_triples))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], [-rank for rank in item[0]])))


def stratification(
    modes: Sequence[Any],
    *,
    source_dtype: DType | None = None,
    band: float = 10.0,
    share: float = 0.02,
) -> Stratification:
    """Decide whether latents lie on one stratum or on several, from their unfoldings.

    Parameters
    ----------
    modes : sequence of arrays or tensors, each (N, rows, columns)
        Unfoldings of the same latents, as `mode_unfoldings` gives them.
    source_dtype : dtype, optional
        What the latents were computed in; by default the dtype of the modes. It sets the noise
        floor: max(rows, columns) · eps, and below float32 what rounding these very numbers adds
        (`rounding_floor`), as that would leave nothing.
    band, share
        As for `stratification_of_spectra`.

    Returns
    -------
    Stratification

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import mode_unfoldings, stratification
    >>> z = np.random.default_rng(0).normal(size=(20, 3, 4, 4))
    >>> stratification(mode_unfoldings(z)).verdict
    'smooth'
    """
    spectra = [singular_values(x, source_dtype=source_dtype) for x in modes]
    sources = [source_epsilon(x, source_dtype) for x in modes]
    floors = [_floor(*each) for each in zip(modes, spectra, sources, strict=True)]
    below = 1.0 if max(sources) > _EPS32 else None
    return stratification_of_spectra(spectra, floors, band=band, below=below, share=share)


def stratification_of_spectra(
    spectra: Sequence[Any],
    floors: Sequence[Any],
    *,
    band: float = 10.0,
    below: float | None = None,
    share: float = 0.02,
) -> Stratification:
    """Decide whether latents lie on one stratum or on several, from their singular values.

    A sample is in doubt where a singular value of any mode lies within a factor ``band`` of the
    noise floor: there the integer rank depends on the tolerance. The verdict is "stratified" if
    at least a ``share`` of all samples, and three, lie without doubt off the largest stratum;
    "smooth" if none does and at most a ``share`` is in doubt; and "undecided" otherwise.

    Parameters
    ----------
    spectra : sequence of arrays or tensors, each (N, k)
        Singular values of the centred unfoldings, in any order.
    floors : sequence of float, or of arrays or tensors (N,)
        Noise floor of each mode, or of each sample in it, as a share of the largest singular
        value. Where it is 1 or more nothing can be known, and the sample is in doubt.
    band : float
        At least 1.
    below : float, optional
        The factor below the floor, where it is another one than above: 1 where the floor bounds
        rounding, so that what lies under it is noise and no doubt.
    share : float
        In [0, 1).

    Returns
    -------
    Stratification

    Raises
    ------
    ValueError
        If the spectra hold different numbers of samples, or a parameter is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import stratification_of_spectra
    >>> spectra = np.tile([1.0, 0.5, 1e-12], (20, 1))
    >>> stratification_of_spectra([spectra], [1e-6]).strata
    {(2,): 20}
    """
    sets = [_relative(s) for s in spectra]
    levels = [torch.as_tensor(floor, dtype=torch.float64).cpu() for floor in floors]
    _check(sets, levels, band, share)
    ranks, doubts, margins, gaps = zip(
        *(
            _judge(s, level, band, band if below is None else below)
            for s, level in zip(sets, levels, strict=True)
        ),
        strict=True,
    )
    doubtful = torch.stack(doubts).any(0)
    clear = torch.stack(ranks, -1)[~doubtful]
    strata = strata_counts(clear.tolist()) if len(clear) else {}
    doubt = float(doubtful.double().mean())
    elsewhere = sum(list(strata.values())[1:])
    verdict = _verdict(len(doubtful), strata, elsewhere, doubt, share)
    words = _words(verdict, len(doubtful), strata, elsewhere, doubt, band, margins)
    return Stratification(
        verdict,
        strata,
        doubt,
        tuple(margins),
        tuple(gaps),
        tuple(float(level.median()) for level in levels),
        words,
    )


def _relative(spectrum: Any) -> Tensor:
    """Sort in descending order and divide by the largest; a zero spectrum stays zero."""
    s = enter(spectrum)[0].cpu().sort(-1, descending=True).values
    return s / torch.where(s[..., :1] > 0, s[..., :1], 1.0)


def _floor(x: Any, values: Any, eps: float) -> Any:
    if eps <= _EPS32:
        return max(x.shape[-2:]) * eps
    inside, largest = enter(x)[0], enter(values)[0].amax(-1)
    floor = rounding(inside, eps) / torch.where(largest > 0, largest, 1.0)
    return floor.clamp_min(torch.finfo(torch.float64).eps)


def _judge(
    s: Tensor, floor: Tensor, band: float, below: float
) -> tuple[Tensor, Tensor, float, float]:
    """Ranks, doubts, the margin above the floor and the gap at the cut, of one mode."""
    floor = floor.expand(len(s))[:, None]
    rank = (s > floor).sum(-1)
    doubt = ((s > floor / below) & (s <= floor * band)).any(-1)
    doubt |= floor[:, 0] >= 1
    padded = torch.nn.functional.pad(s, (1, 1))
    padded[:, 0] = float("inf")
    kept = padded.gather(-1, rank[:, None])[:, 0]
    dropped = padded.gather(-1, rank[:, None] + 1)[:, 0]
    gap = torch.where(dropped > 0, kept / dropped.clamp_min(1e-300), float("inf"))
    return rank, doubt, float((kept / floor[:, 0]).quantile(0.05)), float(gap.median())


def _verdict(
    samples: int, strata: dict[Stratum, int], elsewhere: int, doubt: float, share: float
) -> Verdict:
    if elsewhere >= max(3, share * samples):
        return "stratified"
    if len(strata) == 1 and doubt <= share:
        return "smooth"
    return "undecided"


def _words(
    verdict: Verdict,
    samples: int,
    strata: dict[Stratum, int],
    elsewhere: int,
    doubt: float,
    band: float,
    margins: Sequence[float],
) -> str:
    """Write in one sentence what the verdict rests on."""
    largest = next(iter(strata), None)
    beside = f"{doubt:.0%} of {samples} samples have a singular value within {band:g}x of the floor"
    if verdict == "stratified":
        return (
            f"stratified: {len(strata)} strata hold samples without doubt, {elsewhere} of them off "
            f"the largest, {largest}; {beside}"
        )
    if verdict == "smooth":
        return (
            f"smooth: all samples without doubt lie on {largest}, the smallest kept singular value "
            f"at least {min(margins):.3g}x the floor in 95% of samples; {beside}"
        )
    return f"undecided: {beside}, and {elsewhere} samples lie without doubt off the largest stratum"


def _check(sets: list[Tensor], floors: list[Tensor], band: float, share: float) -> None:
    if len(sets) != len(floors):
        raise ValueError(f"got {len(sets)} spectra and {len(floors)} floors; expected one each")
    for s in sets:
        if s.ndim != 2:
            raise ValueError(f"a spectrum has shape {tuple(s.shape)}; expected (samples, values)")
        check_not_empty(s, "a spectrum")
        check_finite(s, "a spectrum")
    if len({len(s) for s in sets}) != 1:
        raise ValueError(f"the modes hold {[len(s) for s in sets]} samples; expected the same")
    for s, floor in zip(sets, floors, strict=True):
        if floor.shape not in ((), (len(s),)) or not bool((floor > 0).all()):
            raise ValueError(
                f"floors are {floor.tolist()}; expected a positive share, or one a sample"
            )
    if not band >= 1:
        raise ValueError(f"band is {band}; expected at least 1")
    if not 0 <= share < 1:
        raise ValueError(f"share is {share}; expected a share in [0, 1)")


def _triples(ranks: Any) -> list[Stratum]:
    array = np.asarray(ranks)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(
            f"the ranks have shape {array.shape}; expected (samples, modes) with a sample at least"
        )
    return [tuple(int(rank) for rank in row) for row in array]
