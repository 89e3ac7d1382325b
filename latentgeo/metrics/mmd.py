"""Are two samples of one distribution? The maximum mean discrepancy, and a test by it."""

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.arrays import to_tensor

Kernel = Literal["imq", "imq-scales", "rbf"]

# Those of the published code of the Wasserstein autoencoder.
_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class MMDTest(NamedTuple):
    """What the two-sample test found.

    Attributes
    ----------
    statistic : float
        The unbiased squared discrepancy; 0 in expectation where the distributions are one.
    p_value : float
        Share of the permutations with a statistic at least as large, the observed one counted:
        small where the samples differ.
    null_mean, null_deviation : float
        Mean and standard deviation of the statistic under permutation.
    """

    statistic: float
    p_value: float
    null_mean: float
    null_deviation: float


def mmd_squared(x: Tensor, y: Tensor, *, kernel: Kernel = "imq", scale: float) -> Tensor:
    r"""Estimate the squared maximum mean discrepancy by the unbiased U-statistic.

    .. math::
        \frac{1}{n(n-1)} \sum_{i \ne j} k(x_i, x_j) + \frac{1}{m(m-1)} \sum_{i \ne j} k(y_i, y_j)
        - \frac{2}{nm} \sum_{i, j} k(x_i, y_j)

    Lower is closer. It is not a metric: it may be negative, and its root is one only in
    expectation. Invariant under a common rotation or shift of both samples.

    Parameters
    ----------
    x : torch.Tensor of shape (n, d)
        One sample; differentiable.
    y : torch.Tensor of shape (m, d)
        The other.
    kernel : {"imq", "imq-scales", "rbf"}, default="imq"
        Inverse multiquadratic C/(C + ‖x−y‖²); its sum over C times 0.1, 0.2, 0.5, 1, 2, 5, 10,
        so up to 7 times as large; or Gaussian exp(−‖x−y‖²/C).
    scale : float
        C, in squared units of the sample. The expected squared distance of two draws of the prior
        is the usual choice: 2dσ² for a normal one.

    Returns
    -------
    torch.Tensor
        A scalar.

    Raises
    ------
    ValueError
        When the samples are no two tables of one width with at least two rows, the scale is not
        positive or the kernel is unknown.

    References
    ----------
    Gretton et al., A Kernel Two-Sample Test, 2012, lemma 6. Tolstikhin et al., Wasserstein
    Auto-Encoders (arXiv 1711.01558), section 3 and algorithm 2.

    Examples
    --------
    >>> import torch
    >>> from latentgeo.metrics import mmd_squared
    >>> x = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    >>> bool(mmd_squared(x, x + 5, scale=4.0) > mmd_squared(x, x.flip(0), scale=4.0))
    True
    """
    _check(x, y, kernel, scale)
    within_x = _mean_off_diagonal(_kernel(x, x, kernel, scale))
    within_y = _mean_off_diagonal(_kernel(y, y, kernel, scale))
    return within_x + within_y - 2 * _kernel(x, y, kernel, scale).mean()


def mmd_test(
    x: Any,
    y: Any,
    *,
    seed: int,
    permutations: int = 500,
    kernel: Kernel = "imq",
    scale: float | None = None,
) -> MMDTest:
    """Test whether two samples come from one distribution, by permutation.

    The kernel matrix of all points is held in float64: 8 (n + m)² bytes.

    Parameters
    ----------
    x, y : array_like of shape (n, d) and (m, d)
        The samples.
    seed : int
        Seeds the permutations.
    permutations : int, default=500
        How many; the smallest p-value is 1/(permutations + 1).
    kernel : {"imq", "imq-scales", "rbf"}, default="imq"
        As for `mmd_squared`.
    scale : float, optional
        As for `mmd_squared`; the median squared distance of all points if left out, which does
        not depend on who belongs to which sample.

    Returns
    -------
    MMDTest
        Statistic, p-value and the null's moments.

    Raises
    ------
    ValueError
        As `mmd_squared`.

    References
    ----------
    Gretton et al., A Kernel Two-Sample Test, 2012, section 5.

    Examples
    --------
    >>> import torch
    >>> from latentgeo.metrics import mmd_test
    >>> x = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    >>> mmd_test(x, x + 5, seed=0, permutations=50).p_value < 0.05
    True
    """
    one, other = _table(x), _table(y)
    both = torch.cat([one, other])
    chosen = _median_squared_distance(both) if scale is None else scale
    _check(one, other, kernel, chosen)
    gram = _kernel(both, both, kernel, chosen)
    rng = np.random.default_rng(seed)
    n = len(one)
    orders = [np.arange(len(both)), *(rng.permutation(len(both)) for _ in range(permutations))]
    statistics = _statistics(gram, orders, n)
    observed, null = statistics[0], statistics[1:]
    return MMDTest(
        float(observed),
        float((statistics >= observed).mean()),
        float(null.mean()) if len(null) else float("nan"),
        float(null.std()) if len(null) else float("nan"),
    )


def _statistics(gram: Tensor, orders: list[NDArray[np.int64]], n: int) -> NDArray[np.float64]:
    """Return the U-statistic for each assignment of the first n of an order to one sample."""
    total, m = len(gram), len(gram) - n
    member = torch.zeros(total, len(orders), dtype=gram.dtype)
    for column, order in enumerate(orders):
        member[order[:n], column] = 1
    off = gram - torch.diag(gram.diagonal())
    rows = off @ member
    within_x = (member * rows).sum(dim=0)
    across = rows.sum(dim=0) - within_x
    within_y = off.sum() - within_x - 2 * across
    value = within_x / (n * (n - 1)) + within_y / (m * (m - 1)) - 2 * across / (n * m)
    return np.asarray(value.numpy())


def _kernel(x: Tensor, y: Tensor, kernel: Kernel, scale: float) -> Tensor:
    squared = _squared_distances(x, y)
    if kernel == "rbf":
        return torch.exp(-squared / scale)
    factors = _SCALES if kernel == "imq-scales" else (1.0,)
    values = [scale * factor / (scale * factor + squared) for factor in factors]
    return torch.stack(values).sum(dim=0)


def _squared_distances(x: Tensor, y: Tensor) -> Tensor:
    # Not cdist: the gradient of a root is infinite where two points are one.
    lengths = x.square().sum(dim=1)[:, None] + y.square().sum(dim=1)[None]
    return (lengths - 2 * x @ y.T).clamp(min=0)


def _mean_off_diagonal(gram: Tensor) -> Tensor:
    n = len(gram)
    return (gram.sum() - gram.diagonal().sum()) / (n * (n - 1))


def _median_squared_distance(points: Tensor) -> float:
    squared = _squared_distances(points, points)
    upper = torch.triu_indices(len(points), len(points), offset=1)
    return float(squared[upper[0], upper[1]].median())


def _table(values: Any) -> Tensor:
    return to_tensor(np.asarray(values, dtype=np.float64))


def _check(x: Tensor, y: Tensor, kernel: str, scale: float) -> None:
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(
            f"samples have shapes {tuple(x.shape)} and {tuple(y.shape)}, expected (n, d) and (m, d)"
        )
    if min(len(x), len(y)) < 2:
        raise ValueError(
            f"samples have {len(x)} and {len(y)} points, an unbiased estimate needs 2 of each"
        )
    if kernel not in get_args(Kernel):
        raise ValueError(f"kernel is {kernel!r}, expected one of {', '.join(get_args(Kernel))}")
    if not scale > 0:
        raise ValueError(f"scale is {scale}, expected a positive number; are all points one?")
