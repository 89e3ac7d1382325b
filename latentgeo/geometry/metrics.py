"""The metrics on positive semi-definite matrices: one row each, with all that is known of it.

A row states what the metric is, which the documentation and the property tests share, and how it
is computed: `Spectral` or `Cholesky` features, or a function of pairs. `distance`, `kernel` and
`feature_map` walk this table and know no metric by name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log, pi
from typing import Literal

import torch
from torch import Tensor

from latentgeo.geometry import _linalg
from latentgeo.geometry._flat import Cholesky, Flat, Function, Spectral
from latentgeo.geometry._logarithms import squared_logarithms
from latentgeo.geometry._pairs import ByPairs, Pairs
from latentgeo.geometry._tiles import piece_bytes, tiles

Domain = Literal["any rank", "equal ranks", "full rank"]
Invariance = Literal["orthogonal", "scaling", "inversion", "congruence", "range only"]

_SUMS_WITHOUT_EIGENVALUES_FROM = 12
_FLAT_COST = "N eigenproblems, one matrix product N x n² x N"
_PAIR_COST = "N eigenproblems, N²/2 eigenproblems k x k"
_NAN = float("nan")


@dataclass(frozen=True)
class Metric:
    """What one distance is, where it holds, and how it is computed.

    Attributes
    ----------
    name : str
        The name to give as ``metric``.
    is_metric : bool
        Whether it is a metric on its domain: symmetric, zero only between a point and itself, and
        with the triangle inequality. A range-only metric is one on ranges.
    domain : "any rank", "equal ranks" or "full rank"
        Which matrices it takes.
    invariances : frozenset of str
        "orthogonal": d(QAQᵀ, QBQᵀ) = d(A, B); "scaling": d(sA, sB) = d(A, B); "inversion":
        d(A⁻¹, B⁻¹) = d(A, B); "congruence": d(GAGᵀ, GBGᵀ) = d(A, B) for every invertible G;
        "range only": d depends on the ranges of A and B alone.
    homogeneity : float
        Degree h of d(sA, sB) = s^h d(A, B); 0 where scaling leaves it as it is, NaN where neither.
    computed : Flat or ByPairs
        How it is computed.
    definition : str
        The formula.
    reference : str
        Where it comes from.
    is_squared : bool
        Whether the value is of the order of a squared distance, as a divergence is.
    gaussian_is_positive : callable
        Takes γ and n, and returns whether exp(−γ d²), or exp(−γ d) of a divergence, is positive
        definite on n×n matrices; of a flat metric every radial kernel is.
    cost : str
        Work for all pairs of N matrices n×n of rank k.
    direction : str
        What a high value says.
    """

    name: str
    is_metric: bool
    domain: Domain
    invariances: frozenset[Invariance]
    homogeneity: float
    computed: Flat | ByPairs
    definition: str
    reference: str
    is_squared: bool = False
    gaussian_is_positive: Callable[[float, int], bool] = lambda gamma, size: False
    cost: str = ""
    direction: str = "lower is closer"

    def __post_init__(self) -> None:
        if not self.cost:
            object.__setattr__(self, "cost", _FLAT_COST if self.is_flat else _PAIR_COST)

    @property
    def is_flat(self) -> bool:
        """Whether it is Euclidean in explicit features.

        All its radial kernels are positive definite then, and a whole distance matrix costs one
        matrix product.
        """
        return isinstance(self.computed, Flat)


def _common(p: Pairs) -> Tensor:
    return torch.minimum(p.a.rank[p.i], p.b.rank[p.j])


def _bures_wasserstein(p: Pairs, _: float) -> Tensor:
    nuclear = _linalg.singular_values_by_squares(p.cross, _common(p), 1e-4).sum(-1)
    traces = p.a.values.sum(-1)[p.i] + p.b.values.sum(-1)[p.j]
    squared = traces - 2 * nuclear
    close = squared < 1e-6 * traces
    if p.a is p.b:  # of a set with itself the rest is mirrored
        close &= p.i < p.j
    if bool(close.any()):
        squared[close] = _procrustes_residual(p.take(close))
    return squared.clamp_min(0).sqrt()


def _procrustes_residual(p: Pairs) -> Tensor:
    """Sum the smallest ‖X − YO‖² over orthogonal O from differences that do not cancel."""
    pad = torch.nn.functional.pad
    rows, width = p.a.basis.shape[-2], max(p.cross.shape[-2:])
    short_a, short_b = width - p.cross.shape[-2], width - p.cross.shape[-1]
    parts = []
    for tile in tiles(len(p.i), 8.0 * width * (6 * rows + 6 * width), piece_bytes(p.cross)):
        left, _, right = _linalg.svd(pad(p.cross[tile], (0, short_b, 0, short_a)))
        x = pad(p.a.take(p.i[tile]).half, (0, short_a))
        y = pad(p.b.take(p.j[tile]).half, (0, short_b))
        residual = x - y @ (right.mT @ left.mT)
        parts.append(residual.square().sum((-2, -1)))
    return torch.cat(parts)


def _log_ratios(p: Pairs) -> Tensor:
    """Half the logarithms of the generalised eigenvalues of (B, A)."""
    return _linalg.singular_values_by_squares(p.cross, _common(p), 1e-3).log()


def _affine_invariant(p: Pairs, _: float) -> Tensor:
    few = p.cross.shape[-1] < _SUMS_WITHOUT_EIGENVALUES_FROM
    if few or not _linalg.runs_through_numpy(p.cross):
        return _by_log_ratios(p)
    centre = p.b.logarithms.mean(-1)[p.j] - p.a.logarithms.mean(-1)[p.i]
    squares, sound = squared_logarithms(_linalg.small_gram(p.cross), centre)
    found = squares.clamp_min(0).sqrt()
    if not bool(sound.all()):
        found[~sound] = _by_log_ratios(p.take(~sound))
    return found


def _by_log_ratios(p: Pairs) -> Tensor:
    ratios: Tensor = _log_ratios(p).square().sum(-1).sqrt()
    return 2 * ratios


def _stein(p: Pairs, _: float) -> Tensor:
    # Σ log((1 + μ) / (2√μ)) = Σ log cosh(½ log μ), without the cancellation of determinants.
    x = _log_ratios(p).abs()
    near = torch.log1p(2 * (x.clamp(max=1) / 2).sinh().square())
    far = x + torch.log1p((-2 * x).exp()) - log(2)
    return torch.where(x < 1, near, far).sum(-1)


def _arc(p: Pairs, _: float) -> Tensor:
    absent = (p.a.rank[p.i] - p.b.rank[p.j]).abs().to(p.cross) * (pi / 2) ** 2
    squared: Tensor = p.angles().square().nansum(-1) + absent
    return squared.sqrt()


def _bonnabel_sepulchre(p: Pairs, weight: float) -> Tensor:
    left, _, right = _linalg.svd(p.cross)
    root_a = torch.where(p.a.values > 0, p.a.values, 1.0).rsqrt()[p.i]
    stretched = root_a[..., None] * (left @ right) * p.b.values.sqrt()[p.j][:, None, :]
    # At rank 0, the only rank whose factors are padded, there is nothing to stretch.
    logs = 2 * _linalg.svdvals(stretched).log()
    logs = torch.where(p.a.rank[p.i, None] > 0, logs, 0.0)
    return (p.angles().square().nansum(-1) + weight * logs.square().sum(-1)).sqrt()


_PROJECTOR: Function = lambda f, _: (f.values > 0).to(f.values) * 0.5**0.5  # noqa: E731

METRICS: dict[str, Metric] = {
    row.name: row
    for row in (
        Metric(
            "projection",
            is_metric=True,
            domain="any rank",
            invariances=frozenset({"orthogonal", "scaling", "range only"}),
            homogeneity=0.0,
            computed=Spectral(_PROJECTOR),
            definition="‖P_A - P_B‖ / √2, P the projector on the range: √Σ sin²θ at equal ranks",
            reference="Edelman, Arias and Smith, SIAM J. Matrix Anal. 20 (1998), 4.3",
        ),
        Metric(
            "projection-arc",
            is_metric=True,
            domain="any rank",
            invariances=frozenset({"orthogonal", "scaling", "range only"}),
            homogeneity=0.0,
            computed=ByPairs("basis", "basis", _arc),
            definition="√(Σ θ² + |rank A - rank B| π²/4): absent angles count as right angles",
            reference="Ye and Lim, SIAM J. Matrix Anal. 37 (2016), theorem 12",
        ),
        Metric(
            "pseudo-log",
            is_metric=True,
            domain="any rank",
            invariances=frozenset({"orthogonal"}),
            homogeneity=_NAN,
            computed=Spectral(_PROJECTOR, lambda f, weight: f.logarithms * weight**0.5),
            definition="√(‖P_A - P_B‖²/2 + w ‖U_A log(Λ_A) U_Aᵀ - U_B log(Λ_B) U_Bᵀ‖²)",
            reference="the logarithm of Arsigny et al. (2007), taken on the range",
        ),
        Metric(
            "log-euclidean",
            is_metric=True,
            domain="full rank",
            invariances=frozenset({"orthogonal", "scaling", "inversion"}),
            homogeneity=0.0,
            computed=Spectral(lambda f, _: f.logarithms),
            definition="‖log A - log B‖",
            reference="Arsigny, Fillard, Pennec and Ayache, SIAM J. Matrix Anal. 29 (2007)",
        ),
        Metric(
            "square-root",
            is_metric=True,
            domain="any rank",
            invariances=frozenset({"orthogonal"}),
            homogeneity=0.5,
            computed=Spectral(lambda f, _: f.values.sqrt()),
            definition="‖A^(1/2) - B^(1/2)‖: at least Bures-Wasserstein, at most √2 times it",
            reference="Dryden, Koloydenko and Zhou, Ann. Appl. Stat. 3 (2009); 0910.1656",
        ),
        Metric(
            "euclidean",
            is_metric=True,
            domain="any rank",
            invariances=frozenset({"orthogonal"}),
            homogeneity=1.0,
            computed=Spectral(lambda f, _: f.values, plain=True),
            definition="‖A - B‖",
            reference="the Frobenius norm",
        ),
        Metric(
            "affine-invariant",
            is_metric=True,
            domain="full rank",
            invariances=frozenset({"orthogonal", "scaling", "inversion", "congruence"}),
            homogeneity=0.0,
            computed=ByPairs("whitening", "half", _affine_invariant),
            definition="‖log(A^(-1/2) B A^(-1/2))‖",
            reference="Pennec, Fillard and Ayache, Int. J. Comput. Vis. 66 (2006)",
        ),
        Metric(
            "bures-wasserstein",
            is_metric=True,
            domain="any rank",
            invariances=frozenset({"orthogonal"}),
            homogeneity=0.5,
            computed=ByPairs("half", "half", _bures_wasserstein),
            definition="√(tr A + tr B - 2‖XᵀY‖_*), A = XXᵀ, B = YYᵀ",
            reference="Bhatia, Jain and Lim, Expo. Math. 37 (2019); across ranks: 2204.09928",
        ),
        Metric(
            "bonnabel-sepulchre",
            is_metric=False,
            domain="equal ranks",
            invariances=frozenset({"orthogonal", "scaling"}),
            homogeneity=0.0,
            computed=ByPairs("basis", "basis", _bonnabel_sepulchre),
            definition="√(Σ θ² + w ‖log(R_A⁻¹ R_B² R_A⁻¹)‖²), bases aligned by principal vectors",
            reference="Bonnabel and Sepulchre, SIAM J. Matrix Anal. 31 (2009), 0807.4462",
            cost=_PAIR_COST + ", with vectors",
        ),
        Metric(
            "log-cholesky",
            is_metric=True,
            domain="full rank",
            invariances=frozenset(),
            homogeneity=_NAN,
            computed=Cholesky(),
            definition="√(‖⌊L_A⌋ - ⌊L_B⌋‖² + ‖log diag L_A - log diag L_B‖²), A = L_A L_Aᵀ",
            reference="Lin, SIAM J. Matrix Anal. 40 (2019)",
            cost="N Cholesky factorisations, one matrix product N x n²/2 x N",
        ),
        Metric(
            "stein",
            is_metric=False,
            domain="full rank",
            invariances=frozenset({"orthogonal", "scaling", "inversion", "congruence"}),
            homogeneity=0.0,
            computed=ByPairs("whitening", "half", _stein),
            definition="log det((A + B)/2) - log det(AB)/2: a divergence whose root is a metric",
            reference="Sra, Proc. Amer. Math. Soc. 144 (2016), with theorem 4.1 for the kernel",
            is_squared=True,
            gaussian_is_positive=lambda gamma, size: (
                gamma >= (size - 1) / 2 or (gamma > 0 and float(2 * gamma).is_integer())
            ),
        ),
    )
}


def statement(name: str) -> Metric:
    """Return what there is to know of a metric.

    Parameters
    ----------
    name : str
        One of the names in ``METRICS``.

    Returns
    -------
    Metric

    Raises
    ------
    ValueError
        If there is no such metric; the message lists those that there are.

    Examples
    --------
    >>> from latentgeo.geometry import statement
    >>> statement("bures-wasserstein").domain
    'any rank'
    """
    if name not in METRICS:
        raise ValueError(f"metric is {name!r}; expected one of {', '.join(METRICS)}")
    return METRICS[name]
