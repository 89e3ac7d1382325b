"""Positive semi-definite matrices restricted to their ranges: what every metric starts from."""

from collections.abc import Callable
from threading import Lock
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from latentgeo.geometry import _linalg
from latentgeo.geometry._arrays import is_coarse
from latentgeo.geometry._checks import check_matrices, check_spsd, check_symmetric
from latentgeo.geometry._scales import check_held, to_unit
from latentgeo.geometry._tiles import piece_bytes, tiles
from latentgeo.geometry.unfolding import centre, centring_floor

Form = Literal["unfolding", "factor", "matrix"]
"""How S is given: X with S its covariance, X with S = XXᵀ, or S itself."""


class RangeFactors(NamedTuple):
    """Positive semi-definite matrices S = UΛUᵀ restricted to their ranges.

    Attributes
    ----------
    basis : Tensor, shape (samples, n, k)
        U: orthonormal columns, zero from the rank on.
    values : Tensor, shape (samples, k)
        Eigenvalues of S, descending, zero from the rank on.
    rank : Tensor of int64, shape (samples,)
    """

    basis: Tensor
    values: Tensor
    rank: Tensor

    def take(self, index: Any) -> "RangeFactors":
        """Return some of the samples."""
        return RangeFactors(self.basis[index], self.values[index], self.rank[index])

    def trimmed(self) -> "RangeFactors":
        """Return a copy without columns that no sample uses."""
        width = _width(self)
        return RangeFactors(
            self.basis[..., :width].contiguous(), self.values[:, :width].contiguous(), self.rank
        )

    @property
    def logarithms(self) -> Tensor:
        """Logarithms of the eigenvalues on the range, zero elsewhere."""
        return torch.where(self.values > 0, self.values, 1.0).log()

    @property
    def half(self) -> Tensor:
        """U√Λ, the factor whose product with its transpose is S."""
        return self.basis * self.values.sqrt()[:, None, :]

    @property
    def whitening(self) -> Tensor:
        """UΛ^(-1/2) on the range, the factor that makes S the projector."""
        return self.basis * torch.where(self.values > 0, self.values, 1.0).rsqrt()[:, None, :]


def range_factors(x: Tensor, form: Form, eps: float, name: str = "x") -> RangeFactors:
    """Restrict each S of a set (samples, rows, columns) to its range, by the spectrum rule."""
    factorise = _factoriser(form)
    check_matrices(x, name)
    if form == "matrix":
        check_symmetric(x, eps, name)
    pieces = list(tiles(len(x), 48.0 * x.shape[-2] * max(x.shape[-2:]), piece_bytes(x)))
    cost = 8.0 * x.numel() * min(x.shape[-2:])

    def of_piece(piece: slice) -> RangeFactors:
        found: RangeFactors = factorise(x[piece].to(torch.float64), eps, name)
        return found

    if x.requires_grad:
        return _joined([of_piece(piece) for piece in pieces])
    return _collected(of_piece, pieces, cost, x)


def _joined(parts: list[RangeFactors]) -> RangeFactors:
    width = max(map(_width, parts))
    return RangeFactors(
        torch.cat([part.basis[..., :width] for part in parts]),
        torch.cat([part.values[..., :width] for part in parts]),
        torch.cat([part.rank for part in parts]),
    )


def _collected(
    function: Callable[[slice], RangeFactors], pieces: list[slice], cost: float, x: Tensor
) -> RangeFactors:
    """Join the factors of all pieces without holding them twice.

    The piece that is done first says how wide the set is; wider ones wait until the end.
    """
    whole: RangeFactors | None = None
    first = Lock()

    def place(piece: slice) -> tuple[slice, RangeFactors] | None:
        nonlocal whole
        part = function(piece)
        with first:
            if whole is None:
                whole = _empty(len(x), x.shape[-2], _width(part), part.basis)
        if _width(part) > whole.basis.shape[-1]:
            return piece, part.trimmed()
        _place(part, whole, piece)
        return None

    wider = [found for found in _linalg.map_tiles(place, pieces, cost, x) if found]
    assert whole is not None
    return _widened(whole, wider) if wider else whole


def _widened(narrow: RangeFactors, wider: list[tuple[slice, RangeFactors]]) -> RangeFactors:
    """Move a set to where its widest pieces fit."""
    samples, rows, _ = narrow.basis.shape
    whole = _empty(samples, rows, max(_width(part) for _, part in wider), narrow.basis)
    _place(narrow, whole, slice(None))
    for piece, part in wider:
        _place(part, whole, piece)
    return whole


def _width(factors: RangeFactors) -> int:
    """Columns that a set needs; one at least, though all its matrices be zero."""
    return max(1, int(factors.rank.max()))


def _empty(samples: int, rows: int, width: int, like: Tensor) -> RangeFactors:
    return RangeFactors(
        like.new_zeros(samples, rows, width),
        like.new_zeros(samples, width),
        torch.zeros(samples, dtype=torch.int64, device=like.device),
    )


def _place(part: RangeFactors, whole: RangeFactors, piece: slice) -> None:
    width = min(whole.basis.shape[-1], part.basis.shape[-1])
    whole.basis[piece, :, :width] = part.basis[..., :width]
    whole.values[piece, :width] = part.values[..., :width]
    whole.rank[piece] = part.rank


def _factoriser(form: Form) -> Any:
    known = {"unfolding": _of_unfoldings, "factor": _of_factors, "matrix": _of_matrices}
    if form not in known:
        raise ValueError(f"form is {form!r}; expected 'unfolding', 'factor' or 'matrix'")
    return known[form]


def _of_unfoldings(x: Tensor, eps: float, name: str) -> RangeFactors:
    factors = _cut(centre(x), eps, centring_floor(x), name)
    return factors._replace(values=factors.values / max(x.shape[-1] - 1, 1))


def _of_factors(x: Tensor, eps: float, name: str) -> RangeFactors:
    return _cut(x, eps, x.new_zeros(()), name)


def _of_matrices(s: Tensor, eps: float, name: str) -> RangeFactors:
    values, vectors = _linalg.eigh((s + s.mT) / 2)
    check_spsd(s, values, eps, name)
    values, vectors = values.flip(-1), vectors.flip(-1)
    keep = values > s.shape[-1] * eps * values.abs().amax(-1, keepdim=True)
    return RangeFactors(
        vectors.masked_fill(~keep[..., None, :], 0.0), values.masked_fill(~keep, 0.0), keep.sum(-1)
    )


def _cut(x: Tensor, eps: float, floor: Tensor, name: str) -> RangeFactors:
    """Keep left singular vectors and squared singular values above the cut."""
    x, unit = to_unit(x, (-2, -1))
    unit = unit[..., 0]
    left, singular = _left_svd_by_gram(x) if is_coarse(eps) else _linalg.svd(x)[:2]
    cut = torch.maximum(max(x.shape[-2:]) * eps * singular.amax(-1), floor / unit[..., 0])
    keep = singular > cut[..., None]
    basis = left.masked_fill(~keep[..., None, :], 0.0)
    if is_coarse(eps):
        basis = _orthonormalise(basis)
    values = (singular * unit).square()
    check_held(values, keep, f"the square of {name}", "multiply it by a constant first")
    return RangeFactors(basis, values.masked_fill(~keep, 0.0), keep.sum(-1))


def _left_svd_by_gram(x: Tensor) -> tuple[Tensor, Tensor]:
    """Left singular vectors through the smaller Gram matrix; orthonormal only to rounding/σ²."""
    values, vectors = _linalg.eigh(_linalg.small_gram(x))
    values, vectors = values.flip(-1).clamp_min(0), vectors.flip(-1)
    singular = values.sqrt()
    if x.shape[-2] > x.shape[-1]:
        tiny = torch.finfo(x.dtype).tiny
        vectors = (x @ vectors) / singular.clamp_min(tiny)[..., None, :]
    return vectors, singular


def _orthonormalise(basis: Tensor) -> Tensor:
    """One Newton–Schulz step squares the distance from orthonormality; zero columns stay zero."""
    return 1.5 * basis - 0.5 * basis @ (basis.mT @ basis)
