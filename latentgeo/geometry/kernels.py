"""Kernels on positive semi-definite matrices, and what their Gram matrices really are."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from math import inf
from typing import Any, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from latentgeo.geometry import _linalg
from latentgeo.geometry._arrays import A, DType, enter, enter_raw, source_epsilon
from latentgeo.geometry._checks import (
    check_gram,
    check_matrices,
    check_symmetric,
    check_weight,
    check_weights,
)
from latentgeo.geometry._factors import Form
from latentgeo.geometry._flat import Flat, Spectral, svec
from latentgeo.geometry._scales import check_held, to_unit
from latentgeo.geometry._tiles import DEFAULT_BUDGET, piece_bytes, require_result, tiles
from latentgeo.geometry.distances import Options, check_domain, enter_sets, pairwise_distance
from latentgeo.geometry.metrics import METRICS, statement
from latentgeo.geometry.unfolding import centring_floor, covariance

LINEAR_KERNELS = tuple(name for name, row in METRICS.items() if row.is_flat)
"""Kernels that are inner products of explicit features, by the name of their metric."""
SPECTRAL_KERNELS = tuple(n for n, row in METRICS.items() if isinstance(row.computed, Spectral))
"""Linear kernels whose features are functions of the eigenvalues."""
RADIAL_KERNELS = ("gaussian", "laplacian")
_ROUNDING = 64  # units in the last place
_DIVIDE = "divide the matrices by their traces first (trace_normalised)"
_FEATURES_WAY_OUT = (
    "take a Gram matrix, which is made in tiles, use Nystroem features of fewer columns, or work "
    "in blocks of samples"
)


class IndefiniteKernelWarning(UserWarning):
    """The kernel is not positive definite in theory; its Gram matrix may have negative energy."""


class GramDiagnostics(NamedTuple):
    """What a Gram matrix is in fact.

    Attributes
    ----------
    smallest_eigenvalue : float or array
        In the units of the Gram matrix.
    negative_energy : float or array
        Share of the eigenvalues' absolute sum that is negative, 0 to 1.
    is_positive : bool or array
        No eigenvalue is below rounding, n · eps · the largest.
    """

    smallest_eigenvalue: Any
    negative_energy: Any
    is_positive: Any


@dataclass(frozen=True)
class _Kernel:
    """What a kernel on one mode is told."""

    name: str
    metric: str
    gamma: float | None
    options: Options


def kernel(
    x: A,
    y: A | None = None,
    kernel: str = "pseudo-log",
    *,
    metric: str = "pseudo-log",
    gamma: float | None = None,
    form: Form = "matrix",
    combine: str = "sum",
    weights: Sequence[float] | None = None,
    log_weight: float = 1.0,
    ridge: float = 0.0,
    source_dtype: DType | None = None,
    budget: float = DEFAULT_BUDGET,
) -> Any:
    r"""Compute the Gram matrix of a kernel on one set, or between two sets.

    Parameters
    ----------
    x : array or tensor, shape (N, n, n), or (N, n, m) for factors and unfoldings
        One set; or a tuple of sets, one for each mode.
    y : the same, with M samples, optional
        Another set; by default ``x`` again.
    kernel : str
        Inner product of explicit features, positive definite by construction: "projection",
        "pseudo-log", "square-root", "log-euclidean", "log-cholesky" or "euclidean". Or radial in
        ``metric``: "gaussian", exp(−γ d²), or "laplacian", exp(−γ d); for a divergence, which
        already is of the order of a squared distance, exp(−γ d) and exp(−γ √d).
    metric : str
        The distance of a radial kernel.
    gamma : float
        γ of a radial kernel, in units of 1/d² or 1/d. There is no default: it is a choice.
    form, log_weight, ridge, source_dtype, budget
        As for `latentgeo.geometry.distance`.
    combine : {"sum", "product"}
        How the kernels of the modes make one.
    weights : sequence of float, optional
        Weights of the modes: factors in a sum, exponents in a product. All 1 by default.

    Returns
    -------
    array or tensor, shape (N, M), float64
        The same kind as ``x``.

    Warns
    -----
    IndefiniteKernelWarning
        If the kernel is not positive definite in theory; see `is_positive_definite`.

    Raises
    ------
    ValueError
        If the kernel or metric is not known, ``gamma`` is missing or not positive, or as for
        `latentgeo.geometry.pairwise_distance`.

    See Also
    --------
    gram_diagnostics : the smallest eigenvalue and the share of negative energy.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import kernel
    >>> kernel(np.stack([np.eye(2), np.diag([1.0, 0.0])]), kernel="euclidean")
    array([[2., 1.],
           [1., 1.]])
    """
    options = Options(form, log_weight, ridge, source_dtype, budget)
    if isinstance(x, tuple) and len(x) > 1:
        options = options.beside_tables(x, y)
    told = _Kernel(kernel, metric, _checked_gamma(kernel, gamma), options)
    modes = x if isinstance(x, tuple) else (x,)
    others = (None,) * len(modes) if y is None else y if isinstance(y, tuple) else (y,)
    _warn_if_indefinite(told, modes)
    if len(modes) != len(others):
        raise ValueError(f"x has {len(modes)} modes and y has {len(others)}; expected the same")
    weights = [1.0] * len(modes) if weights is None else weights
    check_weights(weights, len(modes))
    grams = (_of_one_mode(a, b, told) for a, b in zip(modes, others, strict=True))
    found = _combined(grams, combine, weights)
    check_held(enter(found)[0], False, "a value of this kernel", _DIVIDE)
    return found


def feature_map(
    x: A,
    kernel: str = "pseudo-log",
    *,
    form: Form = "matrix",
    weights: Sequence[float] | None = None,
    log_weight: float = 1.0,
    ridge: float = 0.0,
    source_dtype: DType | None = None,
) -> A:
    r"""Compute explicit features of a kernel: linear cost in the number of samples.

    Of "pseudo-log" they are :math:`\phi(S) = (\mathrm{svec}(UU^\top)/\sqrt 2,\ \sqrt w\,
    \mathrm{svec}(U \log\Lambda\,U^\top))` with svec the upper triangle, its off-diagonal entries
    times √2. Squared distances between first parts are the chordal distances Σ sin²θ between
    ranges of one rank.

    Parameters
    ----------
    x : array or tensor, shape (..., n, n), or (..., n, m) for factors and unfoldings
        Matrices; or a tuple of such, one for each mode, whose features come side by side, so that
        kernels add up.
    kernel : str
        "projection", "pseudo-log", "square-root", "log-euclidean", "log-cholesky" or "euclidean".
        Its inner product is the kernel, and their Euclidean distance the metric of that name.
    weights : sequence of float, optional
        Weights of the modes in the sum of their kernels; all 1 by default.
    form, log_weight, ridge, source_dtype
        As for `latentgeo.geometry.distance`.

    Returns
    -------
    array or tensor, shape (..., D), float64
        D = n(n + 1)/2, twice that for "pseudo-log"; the same kind as ``x``.

    Raises
    ------
    ValueError
        If the kernel has no explicit features, or they do not fit the memory, or as for
        `latentgeo.geometry.distance`.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import feature_map
    >>> feature_map(np.diag([4.0, 1.0]), "square-root").round(3)
    array([2., 0., 1.])
    """
    if kernel not in LINEAR_KERNELS:
        known = ", ".join(LINEAR_KERNELS)
        raise ValueError(f"kernel is {kernel!r}; explicit features are there for {known}")
    options = Options(form, log_weight, ridge, source_dtype)
    given = x if isinstance(x, tuple) else (x,)
    weights = [1.0] * len(given) if weights is None else weights
    check_weights(weights, len(given))
    modes, backs = zip(*(enter_raw(mode) for mode in given), strict=True)
    for mode in modes:
        check_matrices(mode)
    lead = modes[0].shape[:-2]
    if any(mode.shape[:-2] != lead for mode in modes):
        shapes = [tuple(mode.shape) for mode in modes]
        raise ValueError(f"the modes have shapes {shapes}; expected the same samples in each")
    computed = _flat(kernel)
    ends = [0, *accumulate(computed.width(mode.shape[-2]) for mode in modes)]
    what = f"a table of {lead.numel()} samples x {ends[-1]} features"
    require_result(8.0 * lead.numel() * ends[-1], modes[0], what, _FEATURES_WAY_OUT)
    out = modes[0].new_empty(lead.numel(), ends[-1], dtype=torch.float64)
    for mode, source, weight, (start, stop) in zip(
        modes, given, weights, pairwise(ends), strict=True
    ):
        part = out[:, start:stop]
        _fill(part, mode.reshape(-1, *mode.shape[-2:]), source, kernel, options)
        if weight != 1:
            part *= weight**0.5
    found: A = backs[0](out.reshape(*lead, -1))
    return found


def feature_count(kernel: str, rows: int) -> float:
    """Count the explicit features of a kernel for a matrix of so many rows.

    Parameters
    ----------
    kernel : str
        As for `kernel`.
    rows : int
        Of each matrix.

    Returns
    -------
    float
        Infinite for radial kernels, which have none.

    Raises
    ------
    ValueError
        If there is no such kernel.

    Examples
    --------
    >>> from latentgeo.geometry import feature_count
    >>> feature_count("euclidean", 7)
    28.0
    """
    _check_kernel(kernel)
    return float(_flat(kernel).width(rows)) if kernel in LINEAR_KERNELS else inf


def trace_normalised(x: A, form: Form = "matrix") -> tuple[A, A]:
    """Scale matrices to trace 1, and return their traces apart.

    Whatever a kernel says of the result does not depend on the unit of the latents, which a
    decoder can undo.

    Parameters
    ----------
    x : array or tensor, shape (..., n, n), or (..., n, m) for factors and unfoldings
        Matrices.
    form : {"matrix", "factor", "unfolding"}
        As for `latentgeo.geometry.distance`.

    Returns
    -------
    normalised : array or tensor, shape as ``x``
        In the same form, kind and precision; matrices of trace 0 stay as they are.
    traces : array or tensor, shape (...), float64

    Raises
    ------
    ValueError
        If ``x`` is empty, not finite, or of an unknown form.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import trace_normalised
    >>> matrix, trace = trace_normalised(np.diag([3.0, 1.0]))
    >>> matrix, float(trace)
    (array([[0.75, 0.  ],
           [0.  , 0.25]]), 4.0)
    """
    inside, back = enter_raw(x)
    check_matrices(inside)
    if form not in get_args(Form):
        raise ValueError(f"form is {form!r}; expected one of {', '.join(get_args(Form))}")
    wide, unit = to_unit(inside.to(torch.float64), (-2, -1))
    traces = _traces(wide, form)
    held = _held(traces, unit, form)
    scale = traces if form == "matrix" else traces.clamp_min(0).sqrt()
    normalised = wide / torch.where(traces > 0, scale, 1 / unit[..., 0, 0])[..., None, None]
    return back(normalised.to(inside.dtype)), back(held)


def covariance_traces(unfoldings: Tensor) -> Tensor:
    """Compute the traces of the covariances of checked unfoldings (..., n, m), and nothing else."""
    wide, unit = to_unit(unfoldings.to(torch.float64), (-2, -1))
    return _held(_traces(wide, "unfolding"), unit, "unfolding")


def _traces(wide: Tensor, form: Form) -> Tensor:
    if form == "matrix":
        return wide.diagonal(dim1=-2, dim2=-1).sum(-1)
    if form == "factor":
        return wide.square().sum((-2, -1))
    count = wide.shape[-1]
    squares = wide.var(-1, correction=0).sum(-1) * count
    return squares.where(squares > centring_floor(wide).square(), 0.0) / max(count - 1, 1)


def _held(traces: Tensor, unit: Tensor, form: Form) -> Tensor:
    """Return traces in the unit of the matrices, if float64 holds them."""
    power = 1 if form == "matrix" else 2
    held = traces * unit[..., 0, 0] ** power
    check_held(held, traces != 0, "the trace of x", "multiply it by a constant first")
    return held


def small_eigenvalue_share(
    x: A,
    kernel: str = "pseudo-log",
    *,
    below: float = 1e-4,
    form: Form = "matrix",
    log_weight: float = 1.0,
    ridge: float = 0.0,
    source_dtype: DType | None = None,
    budget: float = DEFAULT_BUDGET,
) -> float:
    r"""Compute how much of the variance of a kernel's features small eigenvalues make.

    Features are sums over eigenvalues, :math:`\phi = \phi_{\text{small}} + \phi_{\text{rest}}`,
    and the share is :math:`\mathrm{tr\,Cov}(\phi_{\text{small}}, \phi) / \mathrm{tr\,Cov}(\phi)`;
    those of both parts add up to 1. Where it is large the kernel compares what lies next to the
    noise floor.

    Parameters
    ----------
    x : array or tensor, shape (N, n, n), or (N, n, m) for factors and unfoldings
        One set.
    kernel : {"projection", "pseudo-log", "square-root", "log-euclidean", "euclidean"}
        A kernel whose features are functions of the eigenvalues.
    below : float
        An eigenvalue is small below this share of the largest of its matrix.
    form, log_weight, ridge, source_dtype, budget
        As for `latentgeo.geometry.distance`.

    Returns
    -------
    float
        Mostly from 0 to 1; NaN where the features do not vary.

    Raises
    ------
    ValueError
        If the kernel has no such features, or as for `latentgeo.geometry.distance`.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import small_eigenvalue_share
    >>> x = np.stack([np.diag([1.0, 0.5]), np.diag([0.5, 1.0])])
    >>> small_eigenvalue_share(x, "square-root")
    0.0
    """
    if kernel not in SPECTRAL_KERNELS:
        known = ", ".join(SPECTRAL_KERNELS)
        raise ValueError(f"kernel is {kernel!r}; features by eigenvalue are there for {known}")
    computed = _flat(kernel)
    options = Options(form, log_weight, ridge, source_dtype, budget)
    factors, _, _ = enter_sets(x, None, kernel, options, copies=2)
    small = factors.values < check_weight(below, "below") * factors.values[:, :1]
    part = factors._replace(values=factors.values.masked_fill(~small, 0.0))
    shared = total = energy = 0.0
    for whole, some in computed.columns(factors, part, log_weight, budget):
        energy += float(whole.square().sum())
        whole -= whole.mean(0)
        shared += float((whole * some).sum())
        total += float(whole.square().sum())
    # Features that do not vary still differ by rounding.
    varies = total > (_ROUNDING * torch.finfo(torch.float64).eps) ** 2 * energy
    return shared / total if varies else float("nan")


def is_positive_definite(
    kernel: str, metric: str = "pseudo-log", *, gamma: float | None = None, size: int | None = None
) -> bool:
    """Return whether a kernel is positive definite in theory, on every finite set.

    Parameters
    ----------
    kernel : str
        As for `kernel`.
    metric : str
        The distance of a radial kernel.
    gamma : float, optional
        Matters for the Gaussian of "stein", which is positive definite for γ = 1/2, 1, …,
        (n − 2)/2 and for γ ≥ (n − 1)/2 only.
    size : int, optional
        n of the matrices, for the same case.

    Returns
    -------
    bool
        False also where nothing is proved.

    References
    ----------
    I. J. Schoenberg, "Metric spaces and positive definite functions", Trans. AMS 44 (1938), for
    Euclidean metrics; S. Sra, Proc. AMS 144 (2016), theorem 4.1, for "stein"; A. Feragen,
    F. Lauze and S. Hauberg, CVPR 2015, for why curved metrics have none.

    Examples
    --------
    >>> from latentgeo.geometry import is_positive_definite
    >>> is_positive_definite("euclidean")
    True
    """
    if kernel in LINEAR_KERNELS:
        return True
    _check_kernel(kernel)
    row = statement(metric)
    if row.is_flat:
        return True
    if kernel != "gaussian" or gamma is None or size is None:
        return False
    return row.gaussian_is_positive(gamma, size)


def gram_diagnostics(gram: A) -> GramDiagnostics:
    """Compute the smallest eigenvalue and the share of negative energy of Gram matrices.

    Parameters
    ----------
    gram : array or tensor, shape (..., n, n)
        Symmetric.

    Returns
    -------
    GramDiagnostics
        Named tuple (smallest_eigenvalue, negative_energy, is_positive), each of shape (...).

    Raises
    ------
    ValueError
        If a Gram matrix is not square, symmetric and finite.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import gram_diagnostics
    >>> bool(gram_diagnostics(np.eye(3)).is_positive)
    True
    """
    inside, back = enter(gram)
    check_gram(inside)
    values = _linalg.eigvalsh(inside)
    total = values.abs().sum(-1)
    negative = (-values.clamp(max=0)).sum(-1)
    share = negative / torch.where(total > 0, total, 1.0)
    noise = values.shape[-1] * torch.finfo(values.dtype).eps * values.abs().amax(-1)
    return GramDiagnostics(back(values[..., 0]), back(share), back(values[..., 0] >= -noise))


def _of_one_mode(x: Any, y: Any, told: _Kernel) -> Any:
    if told.name in LINEAR_KERNELS:
        return _linear(x, y, told)
    distances, back = enter(pairwise_distance(x, y, told.metric, **asdict(told.options)))
    power = (2 if told.name == "gaussian" else 1) / (2 if statement(told.metric).is_squared else 1)
    assert told.gamma is not None
    # The root comes first: a distance may be so large that its square is not to be had.
    return back(distances.mul_(told.gamma ** (1 / power)).pow_(power).neg_().exp_())


def _flat(kernel: str) -> Flat:
    computed = METRICS[kernel].computed
    assert isinstance(computed, Flat)
    return computed


def _linear(x: Any, y: Any, told: _Kernel) -> Any:
    fx, fy, back = enter_sets(x, y, told.name, told.options)
    options = told.options
    return back(_flat(told.name).gram(fx, fy, options.log_weight, options.budget))


def _fill(out: Tensor, x: Tensor, source: Any, kernel: str, options: Options) -> None:
    """Make features of a set a few samples at a time, so that its factors are never held whole."""
    if options.form == "matrix":
        check_symmetric(x, source_epsilon(source, options.source_dtype))
    rows, columns = x.shape[-2:]
    pieces = tiles(len(x), 8.0 * rows * (6 * rows + columns), piece_bytes(x))
    # What the factors of a covariance leave out is below (rows · ε)² of it, and only in half
    # precision more than rounding.
    flat = _flat(kernel)
    fine = source_epsilon(source, options.source_dtype) <= torch.finfo(torch.float32).eps
    as_it_is = flat.plain and options.form == "unfolding" and fine and not options.ridge

    def features(piece: slice) -> None:
        if as_it_is:
            out[piece] = svec(covariance(x[piece].to(torch.float64)))
            return
        factors = options.factors(x[piece], source, "x")
        check_domain(kernel, factors, None, piece.start)
        out[piece] = flat.features(factors, options.log_weight)

    _linalg.map_tiles(features, pieces, 8.0 * x.numel() * min(rows, columns), x)


def _combined(grams: Iterator[Any], combine: str, weights: Sequence[float]) -> Any:
    if combine == "sum":
        total: Any = 0.0
        for weight, gram in zip(weights, grams, strict=True):
            total = total + weight * gram
        return total
    if combine != "product":
        raise ValueError(f"combine is {combine!r}; expected 'sum' or 'product'")
    product: Any = 1.0
    for weight, gram in zip(weights, grams, strict=True):
        product = product * (gram if weight == 1 else gram**weight)
    return product


def _checked_gamma(kernel: str, gamma: float | None) -> float | None:
    _check_kernel(kernel)
    if kernel in LINEAR_KERNELS:
        return None
    if gamma is None or not 0 < gamma < float("inf"):
        raise ValueError(
            f"gamma is {gamma}; a {kernel} kernel needs a positive number, for example one over "
            "the median of the distances (squared, for a gaussian)"
        )
    return float(gamma)


def _check_kernel(kernel: str) -> None:
    if kernel not in LINEAR_KERNELS + RADIAL_KERNELS:
        known = ", ".join(LINEAR_KERNELS + RADIAL_KERNELS)
        raise ValueError(f"kernel is {kernel!r}; expected one of {known}")


def _warn_if_indefinite(told: _Kernel, modes: Sequence[Any]) -> None:
    sizes = [np.shape(mode)[-2] for mode in modes]
    if all(
        is_positive_definite(told.name, told.metric, gamma=told.gamma, size=size) for size in sizes
    ):
        return
    warnings.warn(
        f"the {told.name} kernel of {told.metric} is not positive definite in theory"
        f" at gamma {told.gamma}; see gram_diagnostics for how far its Gram matrix is from it",
        IndefiniteKernelWarning,
        stacklevel=3,
    )
