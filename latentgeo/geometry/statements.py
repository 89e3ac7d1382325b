"""What each metric is: the statements that the documentation and the property tests share."""

from dataclasses import dataclass
from typing import Literal

Domain = Literal["any rank", "equal ranks", "full rank"]
Invariance = Literal["orthogonal", "scaling", "inversion", "congruence", "range only"]


@dataclass(frozen=True)
class MetricStatement:
    """What one distance is and where it holds.

    Attributes
    ----------
    name : str
        The name to give as ``metric``.
    is_metric : bool
        Whether it is a metric on its domain: symmetric, zero only between a point and itself, and
        with the triangle inequality. A range-only metric is one on ranges.
    triangle : bool
        Whether the triangle inequality holds.
    domain : "any rank", "equal ranks" or "full rank"
        Which matrices it takes.
    invariances : frozenset of str
        "orthogonal": d(QAQᵀ, QBQᵀ) = d(A, B); "scaling": d(sA, sB) = d(A, B); "inversion":
        d(A⁻¹, B⁻¹) = d(A, B); "congruence": d(GAGᵀ, GBGᵀ) = d(A, B) for every invertible G;
        "range only": d depends on the ranges of A and B alone.
    homogeneity : float
        Degree h of d(sA, sB) = s^h d(A, B); 0 where scaling leaves it as it is, NaN where neither.
    is_flat : bool
        Whether it is Euclidean in explicit features, so that all its radial kernels are positive
        definite and a whole distance matrix costs one matrix product.
    is_squared : bool
        Whether the value is of the order of a squared distance, as a divergence is.
    direction : str
        What a high value says.
    cost : str
        Work for all pairs of N matrices n×n of rank k.
    definition : str
        The formula.
    reference : str
        Where it comes from.
    """

    name: str
    is_metric: bool
    triangle: bool
    domain: Domain
    invariances: frozenset[Invariance]
    homogeneity: float
    is_flat: bool
    is_squared: bool
    cost: str
    definition: str
    reference: str
    direction: str = "lower is closer"


_FLAT_COST = "N eigenproblems, one matrix product N x n² x N"
_PAIR_COST = "N eigenproblems, N²/2 eigenproblems k x k"
_NAN = float("nan")

METRICS: dict[str, MetricStatement] = {
    row.name: row
    for row in (
        MetricStatement(
            "projection",
            is_metric=True,
            triangle=True,
            domain="any rank",
            invariances=frozenset({"orthogonal", "scaling", "range only"}),
            homogeneity=0.0,
            is_flat=True,
            is_squared=False,
            cost=_FLAT_COST,
            definition="‖P_A - P_B‖ / √2, P the projector on the range: √Σ sin²θ at equal ranks",
            reference="Edelman, Arias and Smith, SIAM J. Matrix Anal. 20 (1998), 4.3",
        ),
        MetricStatement(
            "projection-arc",
            is_metric=True,
            triangle=True,
            domain="any rank",
            invariances=frozenset({"orthogonal", "scaling", "range only"}),
            homogeneity=0.0,
            is_flat=False,
            is_squared=False,
            cost=_PAIR_COST,
            definition="√(Σ θ² + |rank A - rank B| π²/4): absent angles count as right angles",
            reference="Ye and Lim, SIAM J. Matrix Anal. 37 (2016), theorem 12",
        ),
        MetricStatement(
            "pseudo-log",
            is_metric=True,
            triangle=True,
            domain="any rank",
            invariances=frozenset({"orthogonal"}),
            homogeneity=_NAN,
            is_flat=True,
            is_squared=False,
            cost=_FLAT_COST,
            definition="√(‖P_A - P_B‖²/2 + w ‖U_A log(Λ_A) U_Aᵀ - U_B log(Λ_B) U_Bᵀ‖²)",
            reference="the logarithm of Arsigny et al. (2007), taken on the range",
        ),
        MetricStatement(
            "log-euclidean",
            is_metric=True,
            triangle=True,
            domain="full rank",
            invariances=frozenset({"orthogonal", "scaling", "inversion"}),
            homogeneity=0.0,
            is_flat=True,
            is_squared=False,
            cost=_FLAT_COST,
            definition="‖log A - log B‖",
            reference="Arsigny, Fillard, Pennec and Ayache, SIAM J. Matrix Anal. 29 (2007)",
        ),
        MetricStatement(
            "affine-invariant",
            is_metric=True,
            triangle=True,
            domain="full rank",
            invariances=frozenset({"orthogonal", "scaling", "inversion", "congruence"}),
            homogeneity=0.0,
            is_flat=False,
            is_squared=False,
            cost=_PAIR_COST,
            definition="‖log(A^(-1/2) B A^(-1/2))‖",
            reference="Pennec, Fillard and Ayache, Int. J. Comput. Vis. 66 (2006)",
        ),
        MetricStatement(
            "bures-wasserstein",
            is_metric=True,
            triangle=True,
            domain="any rank",
            invariances=frozenset({"orthogonal"}),
            homogeneity=0.5,
            is_flat=False,
            is_squared=False,
            cost=_PAIR_COST,
            definition="√(tr A + tr B - 2‖XᵀY‖_*), A = XXᵀ, B = YYᵀ",
            reference="Bhatia, Jain and Lim, Expo. Math. 37 (2019); across ranks: 2204.09928",
        ),
        MetricStatement(
            "bonnabel-sepulchre",
            is_metric=False,
            triangle=False,
            domain="equal ranks",
            invariances=frozenset({"orthogonal", "scaling"}),
            homogeneity=0.0,
            is_flat=False,
            is_squared=False,
            cost=_PAIR_COST + ", with vectors",
            definition="√(Σ θ² + w ‖log(R_A⁻¹ R_B² R_A⁻¹)‖²), bases aligned by principal vectors",
            reference="Bonnabel and Sepulchre, SIAM J. Matrix Anal. 31 (2009), 0807.4462",
        ),
        MetricStatement(
            "log-cholesky",
            is_metric=True,
            triangle=True,
            domain="full rank",
            invariances=frozenset(),
            homogeneity=_NAN,
            is_flat=True,
            is_squared=False,
            cost="N Cholesky factorisations, one matrix product N x n²/2 x N",
            definition="√(‖⌊L_A⌋ - ⌊L_B⌋‖² + ‖log diag L_A - log diag L_B‖²), A = L_A L_Aᵀ",
            reference="Lin, SIAM J. Matrix Anal. 40 (2019)",
        ),
        MetricStatement(
            "stein",
            is_metric=False,
            triangle=False,
            domain="full rank",
            invariances=frozenset({"orthogonal", "scaling", "inversion", "congruence"}),
            homogeneity=0.0,
            is_flat=False,
            is_squared=True,
            cost=_PAIR_COST,
            definition="log det((A + B)/2) - log det(AB)/2: a divergence whose root is a metric",
            reference="Sra, Proc. Amer. Math. Soc. 144 (2016)",
        ),
    )
}


def statement(metric: str) -> MetricStatement:
    """Give what is stated of a metric.

    Parameters
    ----------
    metric : str
        One of the names in ``METRICS``.

    Returns
    -------
    MetricStatement

    Raises
    ------
    ValueError
        If there is no such metric; the message lists those that there are.
    """
    if metric not in METRICS:
        raise ValueError(f"metric is {metric!r}; expected one of {', '.join(METRICS)}")
    return METRICS[metric]
