"""Distances between positive semi-definite matrices, at every rank where they have a meaning."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentgeo.geometry import _flat
from latentgeo.geometry._arrays import A, DType, enter_pair, source_epsilon
from latentgeo.geometry._checks import (
    check_definite,
    check_equal_ranks,
    check_matrices,
    check_set,
    check_weight,
    check_weights,
)
from latentgeo.geometry._factors import Form, RangeFactors, range_factors
from latentgeo.geometry._tiles import DEFAULT_BUDGET, require, require_result
from latentgeo.geometry.metrics import statement
from latentgeo.geometry.unfolding import covariance, square

_IN_BLOCKS = "work in blocks of samples"
_TABLES_OF_A_PRODUCT = 3
"""The table of one mode, its square with a weight, and the sum before it."""


@dataclass(frozen=True)
class Options:
    """What every distance and kernel may be told of its matrices; checked once."""

    form: Form
    log_weight: float
    ridge: float
    source_dtype: DType | None
    budget: float = DEFAULT_BUDGET

    def __post_init__(self) -> None:
        check_weight(self.log_weight, "log_weight")
        check_weight(self.ridge, "ridge")

    def factors(self, x: Tensor, source: Any, name: str) -> RangeFactors:
        """Restrict a set to its ranges; ``source`` is what the user gave, of which it is part."""
        eps = source_epsilon(source, self.source_dtype)
        if self.ridge == 0:
            return range_factors(x, self.form, eps, name)
        check_matrices(x)
        x = x.to(torch.float64)
        if self.form != "matrix":
            x = covariance(x) if self.form == "unfolding" else square(x)
        unit = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
        return range_factors(x + self.ridge * unit, "matrix", eps, name)

    def require_factors(self, sets: Sequence[Tensor], copies: int) -> None:
        """Refuse, before any work, sets whose factors (so many copies) are over the budget."""
        samples, rows = sum(map(len, sets)), sets[0].shape[-2]
        columns = max(x.shape[-1] for x in sets)
        needed = 8.0 * copies * samples * rows * (min(rows, columns) + 4)
        what = f"factors of {samples} matrices of {rows} rows"
        require(
            needed,
            self.budget,
            what,
            f"{_IN_BLOCKS}, use Nystroem features of fewer landmarks, or raise budget=",
        )

    def beside_tables(self, x: tuple[Any, ...], y: Any) -> "Options":
        """Set aside what the tables of single modes take of the budget until they are added."""
        rows, columns = len(x[0]), len(x[0] if y is None else y[0])
        tables = 8.0 * _TABLES_OF_A_PRODUCT * rows * columns
        what = f"a product over modes of {rows} x {columns} pairs"
        require(tables, self.budget, what, f"{_IN_BLOCKS}, or raise budget=")
        return replace(self, budget=self.budget - tables)


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
    """Compute distances between pairs of positive semi-definite matrices.

    Parameters
    ----------
    a, b : array or tensor, shape (..., n, n), or (..., n, m) for factors and unfoldings
        Matrices; leading dimensions broadcast. Or tuples of such, one for each mode, for the
        distance in the product: squared distances add up with the ``weights``.
    metric : str, or one for each mode
        One of `METRICS`, such as "bures-wasserstein", "square-root" or "pseudo-log"; each row
        states what it is, where it holds and what it costs.
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
    >>> from latentgeo.geometry import distance
    >>> a, b = np.diag([1.0, 0.0]), np.diag([0.0, 1.0])
    >>> round(float(distance(a, b) ** 2), 12)
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
    """Compute distances between all pairs of one set or of two sets.

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

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import pairwise_distance
    >>> pairwise_distance(np.stack([np.eye(2), 4 * np.eye(2)])).round(3)
    array([[0.   , 1.414],
           [1.414, 0.   ]])
    """
    options = Options(form, log_weight, ridge, source_dtype, budget)
    if isinstance(x, tuple):
        options = options.beside_tables(x, y)
    return _over_modes(_pairwise_of_one_mode, x, y, metric, weights, options)


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
        squares = all(statement(one).is_squared for one in names)
        if squares:
            total = total + weight * found
        else:  # which no large or small distance leaves the range of float64 in
            root = found**0.5 if statement(name).is_squared else found
            total = _hypot(total, weight**0.5 * root)
    return total


def _hypot(total: Any, found: Any) -> Any:
    if not isinstance(found, Tensor):
        return np.hypot(total, found)
    return torch.hypot(torch.as_tensor(total).to(found), found)


def _modes(a: tuple[Any, ...], b: Any) -> list[tuple[Any, Any]]:
    if b is None:
        return [(one, None) for one in a]
    if not isinstance(b, tuple) or len(b) != len(a):
        raise ValueError(f"got a tuple of {len(a)} modes and {type(b).__name__}; expected a pair")
    return list(zip(a, b, strict=True))


def _distance_of_one_mode(a: Any, b: Any, metric: str, options: Options) -> Any:
    computed = statement(metric).computed
    first, second, back = enter_pair(a, b, raw=True)
    assert second is not None
    check_matrices(first, "a")
    check_matrices(second, "b")
    lead = np.broadcast_shapes(first.shape[:-2], second.shape[:-2])
    require_result(8.0 * prod(lead), first, f"distances of {prod(lead)} pairs", _IN_BLOCKS)
    i, j = _positions(first, lead), _positions(second, lead)
    sets = [x.reshape(-1, *x.shape[-2:]) for x in (first, second)]
    options.require_factors(sets, computed.copies)
    fa, fb = options.factors(sets[0], a, "a"), options.factors(sets[1], b, "b")
    check_domain(metric, fa, fb)
    return back(computed.aligned(fa, fb, i, j, options.log_weight).reshape(lead))


def _pairwise_of_one_mode(x: Any, y: Any, metric: str, options: Options) -> Any:
    computed = statement(metric).computed
    fx, fy, back = enter_sets(x, y, metric, options, computed.copies)
    return back(computed.crossed(fx, fy, options.log_weight, options.budget))


def enter_sets(
    x: Any, y: Any, metric: str, options: Options, copies: int = 1
) -> tuple[RangeFactors, RangeFactors | None, Callable[[Tensor], Any]]:
    """Check one or two sets, see that they fit the budget, and restrict them to their ranges."""
    first, second, back = enter_pair(x, y, raw=True)
    _flat.require_table(first, second)
    check_set(first, "x")
    if second is not None:
        check_set(second, "y", rows=first.shape[-2])
    options.require_factors([first] if second is None else [first, second], copies)
    fx = options.factors(first, x, "x")
    fy = None if second is None else options.factors(second, y, "y")
    check_domain(metric, fx, fy)
    return fx, fy, back


def _positions(x: Tensor, lead: tuple[int, ...]) -> Tensor:
    """Which matrix of x each pair of the broadcast shape uses."""
    own = torch.arange(x.shape[:-2].numel(), device=x.device).reshape(x.shape[:-2])
    return own.expand(lead).reshape(-1)


def check_domain(metric: str, a: RangeFactors, b: RangeFactors | None, start: int = 0) -> None:
    """Require matrices of one size, with ranks that the metric has a meaning for.

    ``start`` is where in its set the first matrix of ``a`` is.
    """
    domain, rows = statement(metric).domain, a.basis.shape[-2]
    for name, factors in [("a", a)] if b is None else [("a", a), ("b", b)]:
        if factors.basis.shape[-2] != rows:
            raise ValueError(
                f"the matrices have {rows} and {factors.basis.shape[-2]} rows; expected the same"
            )
        if domain == "full rank":
            check_definite(factors.values, factors.rank, rows, metric, name, start)
    if domain == "equal ranks":
        other = a if b is None else b
        check_equal_ranks(a.rank, other.rank, (a.values, other.values), rows, metric)
