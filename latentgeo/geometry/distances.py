"""Distances between positive semi-definite matrices, at every rank where they have a meaning."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentgeo.geometry import _flat, _linalg
from latentgeo.geometry._arrays import A, DType, enter_pair
from latentgeo.geometry._checks import (
    check_definite,
    check_equal_ranks,
    check_matrices,
    check_set,
    check_weight,
    check_weights,
)
from latentgeo.geometry._factors import Form, RangeFactors, range_factors, source_epsilon
from latentgeo.geometry._flat import FlatWeights
from latentgeo.geometry._pairs import PAIR_METRICS, aligned, crossed
from latentgeo.geometry._tiles import DEFAULT_BUDGET, fill, require, require_result, tiles
from latentgeo.geometry.statements import statement
from latentgeo.geometry.unfolding import covariance

_TABLES_OF_A_PRODUCT = 3
"""The table of one mode, its square with a weight, and the sum before it."""


@dataclass(frozen=True)
class Options:
    """What every distance may be told; checked once."""

    form: Form
    log_weight: float
    ridge: float
    source_dtype: DType | None
    budget: float

    def __post_init__(self) -> None:
        check_weight(self.log_weight, "log_weight")
        check_weight(self.ridge, "ridge")


def distance(
    a: A,
    b: A,
    metric: str | Sequence[str] = "bures-wasserstein",
    *,
    form: Form = "matrix",
    weights: Sequence[float] | None = None,
    log_weight: float = 1.0,
    ridge: float = 0.0,
    source_dtype: DType | None = None,
    budget: float = DEFAULT_BUDGET,
) -> Any:
    """Distances between pairs of positive semi-definite matrices.

    Parameters
    ----------
    a, b : array or tensor, shape (..., n, n), or (..., n, m) for factors and unfoldings
        Matrices; leading dimensions broadcast. Or tuples of such, one for each mode, for the
        distance in the product: squared distances add up with the ``weights``.
    metric : str, or one for each mode
        "projection", "projection-arc", "pseudo-log", "log-euclidean", "affine-invariant",
        "bures-wasserstein", "bonnabel-sepulchre", "log-cholesky" or "stein"; `METRICS` states
        what each is, where it holds and what it costs.
    form : {"matrix", "factor", "unfolding"}
        What is given: S itself, X with S = XXᵀ, or X with S the covariance of its rows.
    weights : sequence of float, optional
        Weights of the modes; all 1 by default.
    log_weight : float
        Weight w of the logarithmic part in "pseudo-log" and "bonnabel-sepulchre".
    ridge : float
        Added to the diagonal of every S first: a way for metrics that need full rank.
    source_dtype : dtype, optional
        What the numbers were computed in; decides where ranks are cut. By default their dtype.
    budget : float
        Bytes of temporaries that the call may hold.

    Returns
    -------
    array or tensor, shape (...), float64
        Lower is closer. The same kind as ``a``.

    Raises
    ------
    ValueError
        If a matrix is not square, symmetric (relative tolerance), finite or positive
        semi-definite, if its rank is outside the metric's domain, or a set is empty.

    See Also
    --------
    pairwise_distance : all pairs of one set or two.

    Examples
    --------
    >>> import numpy as np
    >>> a, b = np.diag([1.0, 0.0]), np.diag([0.0, 1.0])
    >>> float(distance(a, b) ** 2)
    2.0
    """
    options = Options(form, log_weight, ridge, source_dtype, budget)
    return _over_modes(_distance_of_one_mode, a, b, metric, weights, options)


def pairwise_distance(
    x: A,
    y: A | None = None,
    metric: str | Sequence[str] = "bures-wasserstein",
    *,
    form: Form = "matrix",
    weights: Sequence[float] | None = None,
    log_weight: float = 1.0,
    ridge: float = 0.0,
    source_dtype: DType | None = None,
    budget: float = DEFAULT_BUDGET,
) -> Any:
    """Distances between all pairs of one set or of two sets.

    Parameters
    ----------
    x : array or tensor, shape (N, n, n), or (N, n, m) for factors and unfoldings
        One set; or a tuple of sets, one for each mode.
    y : the same, with M samples, optional
        Another set; by default ``x`` again, and the diagonal is exactly zero.
    metric, form, weights, log_weight, ridge, source_dtype, budget
        As for `distance`.

    Returns
    -------
    array or tensor, shape (N, M), float64
        Lower is closer. The same kind as ``x``.

    Raises
    ------
    ValueError
        As for `distance`; and if the call cannot be done within its budget.
    """
    options = Options(form, log_weight, ridge, source_dtype, budget)
    if isinstance(x, tuple):
        options = beside_tables(options, x, y)
    return _over_modes(_pairwise_of_one_mode, x, y, metric, weights, options)


def beside_tables(options: Options, x: tuple[Any, ...], y: Any) -> Options:
    """Set aside what the tables of single modes take of the budget until they are added up."""
    rows, columns = len(x[0]), len(x[0] if y is None else y[0])
    tables = 8.0 * _TABLES_OF_A_PRODUCT * rows * columns
    what = f"a product over modes of {rows} x {columns} pairs"
    require(tables, options.budget, what, "work in blocks of samples, or raise budget=")
    return replace(options, budget=options.budget - tables)


def _over_modes(
    function: Callable[[Any, Any, str, Options], Any],
    a: Any,
    b: Any,
    metric: str | Sequence[str],
    weights: Sequence[float] | None,
    options: Options,
) -> Any:
    """Apply to each mode and add squares up; a single set is not a product."""
    if not isinstance(a, tuple):
        if not isinstance(metric, str) or weights is not None:
            raise ValueError("weights and several metrics are for tuples of modes; got one array")
        return function(a, b, metric, options)
    modes = _modes(a, b)
    names = [metric] * len(modes) if isinstance(metric, str) else list(metric)
    weights = [1.0] * len(modes) if weights is None else weights
    check_weights(weights, len(modes))
    if len(names) != len(modes):
        raise ValueError(f"got {len(names)} metrics for {len(modes)} modes; expected one each")
    total: Any = 0.0
    for name, weight, (one, other) in zip(names, weights, modes, strict=True):
        found = function(one, other, name, options)
        total = total + weight * (found if statement(name).is_squared else found**2)
    if all(statement(name).is_squared for name in names):
        return total
    return total**0.5


def _modes(a: tuple[Any, ...], b: Any) -> list[tuple[Any, Any]]:
    if b is None:
        return [(one, None) for one in a]
    if not isinstance(b, tuple) or len(b) != len(a):
        raise ValueError(f"got a tuple of {len(a)} modes and {type(b).__name__}; expected a pair")
    return list(zip(a, b, strict=True))


def _distance_of_one_mode(a: Any, b: Any, metric: str, options: Options) -> Any:
    statement(metric)
    first, second, back = enter_pair(a, b, raw=True)
    assert second is not None
    check_matrices(first, "a")
    check_matrices(second, "b")
    lead = np.broadcast_shapes(first.shape[:-2], second.shape[:-2])
    what = f"distances of {prod(lead)} pairs"
    require_result(8.0 * prod(lead), first, what, "work in blocks of samples")
    i = _positions(first, lead)
    j = _positions(second, lead)
    samples = first.shape[:-2].numel() + second.shape[:-2].numel()
    columns = max(first.shape[-1], second.shape[-1])
    _flat.require_factors(samples, first.shape[-2], columns, options.budget, _copies(metric))
    fa = _prepare(first.reshape(-1, *first.shape[-2:]), a, options, "a")
    fb = _prepare(second.reshape(-1, *second.shape[-2:]), b, options, "b")
    check_factors_for(metric, fa, fb)
    if metric in PAIR_METRICS:
        found = aligned(PAIR_METRICS[metric], fa, fb, i, j, options.log_weight)
    else:
        found = _flat_aligned(fa, fb, i, j, metric, options)
    return back(found.reshape(lead))


def _pairwise_of_one_mode(x: Any, y: Any, metric: str, options: Options) -> Any:
    statement(metric)
    first, second, back = enter_pair(x, y, raw=True)
    _flat.require_table(first, second)
    fx, fy = factor_sets(first, second, x, y, options, _copies(metric))
    check_factors_for(metric, fx, fy)
    if metric in PAIR_METRICS:
        return back(crossed(PAIR_METRICS[metric], fx, fy, options.log_weight))
    cost = float(len(fx.rank)) * len((fx if fy is None else fy).rank) * first.shape[-2] ** 2
    with _linalg.on_one_thread_if_small(cost):
        return back(_flat_crossed(fx, fy, metric, options).sqrt_())


def factor_sets(
    first: Tensor, second: Tensor | None, x: Any, y: Any, options: Options, copies: int = 1
) -> tuple[RangeFactors, RangeFactors | None]:
    """Check one or two sets, see that they fit the budget, and restrict them to their ranges."""
    check_set(first, "x")
    samples, columns = len(first), first.shape[-1]
    if second is not None:
        check_set(second, "y", rows=first.shape[-2])
        samples, columns = samples + len(second), max(columns, second.shape[-1])
    _flat.require_factors(samples, first.shape[-2], columns, options.budget, copies)
    fx = _prepare(first, x, options, "x")
    return fx, None if second is None else _prepare(second, y, options, "y")


def flat_weights(metric: str, log_weight: float) -> FlatWeights:
    """Weights of the two parts of the explicit features of a metric."""
    return {
        "projection": FlatWeights(1.0, 0.0),
        "pseudo-log": FlatWeights(1.0, log_weight),
        "log-euclidean": FlatWeights(0.0, 1.0),
    }[metric]


def explicit_features(factors: RangeFactors, metric: str, options: Options) -> Tensor:
    """Features of a flat metric, as rows of a matrix, made a few samples at a time."""
    samples, rows = factors.basis.shape[:2]
    out = factors.basis.new_empty(samples, feature_width(metric, rows, options.log_weight))

    def features(tile: slice) -> Tensor:
        some = factors.take(tile)
        if metric == "log-cholesky":
            return _cholesky_features(some)
        return _flat.features(some, flat_weights(metric, options.log_weight))

    return fill(out, features, 48.0 * rows**2)


def feature_width(metric: str, rows: int, log_weight: float) -> int:
    """Count the features of a flat metric."""
    if metric == "log-cholesky":
        return rows * (rows + 1) // 2
    return _flat.width(rows, flat_weights(metric, log_weight))


def _copies(metric: str) -> int:
    """Count what is held of each sample: its factor, and what a pair metric makes of it."""
    return 3 if metric in PAIR_METRICS else 1


def _positions(x: Tensor, lead: tuple[int, ...]) -> Tensor:
    """Which matrix of x each pair of the broadcast shape uses."""
    own = torch.arange(x.shape[:-2].numel(), device=x.device).reshape(x.shape[:-2])
    return own.expand(lead).reshape(-1)


def _prepare(x: Tensor, source: Any, options: Options, name: str) -> RangeFactors:
    eps = source_epsilon(source, options.source_dtype)
    if options.ridge == 0:
        return range_factors(x, options.form, eps, name)
    return range_factors(_ridged(x.to(torch.float64), options), "matrix", eps, name)


def _ridged(x: Tensor, options: Options) -> Tensor:
    check_matrices(x)
    if options.form == "unfolding":
        x = covariance(x)
    elif options.form == "factor":
        x = x @ x.mT
    return x + options.ridge * torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)


def check_factors_for(metric: str, a: RangeFactors, b: RangeFactors | None) -> None:
    """Require matrices of one size, with ranks that the metric has a meaning for."""
    domain = statement(metric).domain
    others = [] if b is None else [("b", b)]
    for name, factors in [("a", a), *others]:
        if factors.basis.shape[-2] != a.basis.shape[-2]:
            raise ValueError(
                f"the matrices have {a.basis.shape[-2]} and {factors.basis.shape[-2]} rows; "
                "expected the same"
            )
        if domain == "full rank":
            rows = factors.basis.shape[-2]
            check_definite(factors.values, factors.rank, rows, metric, name)
    if domain == "equal ranks":
        other = a if b is None else b
        rows = a.basis.shape[-2]
        check_equal_ranks(a.rank, other.rank, (a.values, other.values), rows, metric)


def _flat_aligned(
    a: RangeFactors, b: RangeFactors, i: Tensor, j: Tensor, metric: str, options: Options
) -> Tensor:
    parts = []
    for tile in tiles(len(i), 32.0 * a.basis.shape[-2] ** 2):
        left = explicit_features(a.take(i[tile]), metric, options)
        right = explicit_features(b.take(j[tile]), metric, options)
        parts.append((left - right).square().sum(-1).sqrt())
    return torch.cat(parts)


def _flat_crossed(x: RangeFactors, y: RangeFactors | None, metric: str, options: Options) -> Tensor:
    other = x if y is None else y
    out = x.basis.new_zeros(len(x.basis), len(other.basis))
    if metric == "log-cholesky":
        require_cholesky(x, y, options)
        fx = explicit_features(x, metric, options)
        fy = fx if y is None else explicit_features(y, metric, options)
        pieces = _flat.column_tiles(fx, None if y is None else fy)
        return _flat.squared_distances(pieces, out, lambda i: fx[i], lambda j: fy[j])
    pieces = _flat.feature_tiles(x, y, flat_weights(metric, options.log_weight), options.budget)
    return _flat.squared_distances(
        pieces,
        out,
        lambda i: explicit_features(x.take(i), metric, options),
        lambda j: explicit_features(other.take(j), metric, options),
    )


def require_cholesky(x: RangeFactors, y: RangeFactors | None, options: Options) -> None:
    """Refuse, before any work, Cholesky factors that are over the budget beside what is held."""
    sets = [x] if y is None else [x, y]
    samples = sum(len(factors.basis) for factors in sets)
    width = feature_width("log-cholesky", x.basis.shape[-2], options.log_weight)
    needed = 8.0 * (sum(factors.basis.numel() for factors in sets) + samples * width)
    what = f"Cholesky factors of {samples} matrices"
    require(needed, options.budget, what, "work in blocks of samples, or raise budget=")


def _cholesky_features(factors: RangeFactors) -> Tensor:
    """Strictly lower part of the Cholesky factor beside the logarithms of its diagonal."""
    lower = torch.linalg.cholesky(factors.half @ factors.half.mT)
    size = lower.shape[-1]
    row, column = torch.tril_indices(size, size, offset=-1, device=lower.device).unbind()
    diagonal = lower.diagonal(dim1=-2, dim2=-1).log()
    return torch.cat([lower[..., row, column], diagonal], -1)
