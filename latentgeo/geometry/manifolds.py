"""Strata as geomstats manifolds, so that geomstats' learning algorithms run on them.

This module imports geomstats, which takes seconds; `latentgeo.geometry` loads it on first use.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from latentgeo.geometry import _linalg
from latentgeo.geometry._arrays import enter
from latentgeo.geometry._checks import check_finite
from latentgeo.geometry._geomstats import (
    Manifold,
    Matrices,
    ProductManifold,
    RiemannianMetric,
    gs,
)
from latentgeo.geometry.bures import align, factor_of_rank, horizontal_lift
from latentgeo.geometry.strata import product_stratum_dimension, stratum_dimension

_EPS64 = torch.finfo(torch.float64).eps


class FixedRankPSD(Manifold):  # type: ignore[misc]
    """Manifold of n×n positive semi-definite matrices of rank k, with the Bures–Wasserstein metric.

    Points and tangent vectors are symmetric matrices, shape (..., n, n). The tangent space at S
    holds the symmetric matrices that vanish on the complement of S's range.

    Parameters
    ----------
    n : int
        Size of the matrices.
    k : int
        Their rank, 1 to n.
    equip : bool
        Equip with `BuresWassersteinMetric`.

    Raises
    ------
    ValueError
        If the rank is not between 1 and n.

    See Also
    --------
    fixed_rank_product : products, one factor for each mode of a latent.

    References
    ----------
    E. Massart and P.-A. Absil, "Quotient geometry with simple geodesics for the manifold of
    fixed-rank positive-semidefinite matrices", SIAM J. Matrix Anal. 41 (2020).

    Examples
    --------
    >>> from latentgeo.geometry import FixedRankPSD
    >>> space = FixedRankPSD(5, 2)
    >>> space.dim
    9
    """

    def __init__(self, n: int, k: int, equip: bool = True) -> None:
        if not 1 <= k <= n:
            raise ValueError(f"the rank is {k}; expected 1 to {n} for matrices of size {n}x{n}")
        self.n = n
        self.k = k
        self.embedding_space = Matrices(n, n, equip=False)
        super().__init__(dim=stratum_dimension(n, k), shape=(n, n), intrinsic=False, equip=equip)

    @staticmethod
    def default_metric() -> type["BuresWassersteinMetric"]:
        """Return the metric that the manifold is equipped with by default."""
        return BuresWassersteinMetric

    def belongs(self, point: Any, atol: float | None = None) -> Any:
        """Return whether matrices are symmetric, positive semi-definite and of rank k.

        Parameters
        ----------
        point : array-like, shape (..., n, n)
        atol : float, optional
            Tolerance *relative* to the largest eigenvalue; by default 8·n·eps.

        Returns
        -------
        array-like of bool, shape (...)
        """
        s, back = enter(point)
        if s.shape[-2:] != (self.n, self.n):
            return back(torch.zeros(s.shape[:-2], dtype=torch.bool))
        check_finite(s, "point")
        rtol = 8 * self.n * _EPS64 if atol is None else atol
        values = _linalg.eigvalsh((s + s.mT) / 2)
        largest = values[..., -1]
        symmetric = (s - s.mT).abs().amax((-2, -1)) <= rtol * largest
        kept = values[..., self.n - self.k] > rtol * largest
        dropped = values[..., : self.n - self.k].abs()
        zero = (dropped <= rtol * largest[..., None]).all(-1)
        return back(symmetric & kept & zero & (largest > 0))

    def is_tangent(self, vector: Any, base_point: Any = None, atol: float | None = None) -> Any:
        """Return whether symmetric matrices vanish on the complement of the base point's range.

        Parameters
        ----------
        vector, base_point : array-like, shape (..., n, n)
        atol : float, optional
            Tolerance *relative* to the vector's norm; by default 1e-10.

        Returns
        -------
        array-like of bool, shape (...)
        """
        v, back = enter(vector)
        rtol = 1e-10 if atol is None else atol
        off = v - self._project(v, enter(base_point)[0])
        return back(_norm(off) <= rtol * _norm(v).clamp_min(torch.finfo(v.dtype).tiny))

    def to_tangent(self, vector: Any, base_point: Any = None) -> Any:
        """Project matrices orthogonally (Frobenius) to the tangent space.

        Parameters
        ----------
        vector, base_point : array-like, shape (..., n, n)

        Returns
        -------
        array-like, shape (..., n, n)
        """
        v, back = enter(vector)
        return back(self._project(v, enter(base_point)[0]))

    def projection(self, point: Any) -> Any:
        """Return the nearest matrices (Frobenius) of rank at most k.

        Parameters
        ----------
        point : array-like, shape (..., n, n)

        Returns
        -------
        array-like, shape (..., n, n)
        """
        s, back = enter(point)
        y = factor_of_rank(s, self.k)
        return back(y @ y.mT)

    def random_point(self, n_samples: int = 1, bound: float = 1.0) -> Any:
        """Draw matrices YYᵀ with Gaussian Y of variance bound/n.

        Parameters
        ----------
        n_samples : int
        bound : float
            Expected trace is bound·k.

        Returns
        -------
        array-like, shape (n, n), or (n_samples, n, n) for more than one
        """
        shape = (self.n, self.k) if n_samples == 1 else (n_samples, self.n, self.k)
        y = gs.random.normal(size=shape) * (bound / self.n) ** 0.5
        return Matrices.mul(y, Matrices.transpose(y))

    def _project(self, vector: Tensor, base: Tensor) -> Tensor:
        """Take the block on the complement of the range away: Z − P⊥ZP⊥ of the symmetric part."""
        symmetric = (vector + vector.mT) / 2
        complement = _linalg.eigh((base + base.mT) / 2)[1][..., : self.n - self.k]
        block = complement.mT @ symmetric @ complement
        return symmetric - complement @ block @ complement.mT


class BuresWassersteinMetric(RiemannianMetric):  # type: ignore[misc]
    """Bures–Wasserstein metric on matrices of fixed rank: Euclidean in factors up to rotation.

    The logarithm is unique where Y_aᵀY_b is invertible; the exponential stays on the stratum for
    as long as the moved factor keeps its rank.

    Examples
    --------
    >>> from latentgeo.geometry import FixedRankPSD
    >>> space = FixedRankPSD(2, 1)
    >>> float(space.metric.squared_dist([[1.0, 0.0], [0.0, 0.0]], [[4.0, 0.0], [0.0, 0.0]]))
    1.0
    """

    def inner_product(self, tangent_vec_a: Any, tangent_vec_b: Any, base_point: Any = None) -> Any:
        """Inner product of tangent vectors, tr(Z_aᵀ Z_b) of their horizontal lifts.

        Parameters
        ----------
        tangent_vec_a, tangent_vec_b, base_point : array-like, shape (..., n, n)

        Returns
        -------
        array-like, shape (...)
        """
        a, back = enter(tangent_vec_a)
        y = self._factor(base_point)
        lifted = horizontal_lift(enter(tangent_vec_b)[0], y)
        return back((horizontal_lift(a, y) * lifted).sum((-2, -1)))

    def exp(self, tangent_vec: Any, base_point: Any) -> Any:
        """Follow geodesics for unit time, (Y + Z)(Y + Z)ᵀ.

        Parameters
        ----------
        tangent_vec, base_point : array-like, shape (..., n, n)

        Returns
        -------
        array-like, shape (..., n, n)
        """
        vector, back = enter(tangent_vec)
        y = self._factor(base_point)
        moved = y + horizontal_lift(vector, y)
        return back(moved @ moved.mT)

    def log(self, point: Any, base_point: Any) -> Any:
        """Return initial velocities of shortest paths from base points to points.

        Parameters
        ----------
        point, base_point : array-like, shape (..., n, n)

        Returns
        -------
        array-like, shape (..., n, n)
        """
        s, back = enter(point)
        y = self._factor(base_point)
        step = align(factor_of_rank(s, self._space.k), y) - y
        half = y @ step.mT
        return back(half + half.mT)

    def squared_dist(self, point_a: Any, point_b: Any) -> Any:
        """Squared Bures–Wasserstein distance, from aligned factors (rotations and reflections).

        Parameters
        ----------
        point_a, point_b : array-like, shape (..., n, n)

        Returns
        -------
        array-like, shape (...)
        """
        a, back = enter(point_a)
        x = factor_of_rank(a, self._space.k)
        return back((align(self._factor(point_b), x) - x).square().sum((-2, -1)))

    def _factor(self, point: Any) -> Tensor:
        return factor_of_rank(enter(point)[0], self._space.k)


def fixed_rank_product(sizes: Sequence[int], ranks: Sequence[int]) -> ProductManifold:
    """Stratum of latents with given ranks of the modes: a product of manifolds of fixed rank.

    Parameters
    ----------
    sizes, ranks : sequences of int of one length
        Size and rank of each mode, such as (7, 7, 128) and (7, 7, 48).

    Returns
    -------
    geomstats.geometry.product_manifold.ProductManifold
        Points are vectors, shape (..., Σ n²): the modes' matrices, flattened, one after another;
        of equal sizes, stacks (..., modes, n, n). ``embed_to_product`` and ``project_from_product``
        go from and to lists of matrices.

    Raises
    ------
    ValueError
        If the lengths differ, or a rank is out of range.

    Examples
    --------
    >>> from latentgeo.geometry import fixed_rank_product
    >>> fixed_rank_product((7, 7, 16), (7, 7, 4)).dim
    114
    """
    product_stratum_dimension(sizes, ranks)  # refuses what cannot be
    return ProductManifold([FixedRankPSD(n, k) for n, k in zip(sizes, ranks, strict=True)])


def _norm(x: Tensor) -> Tensor:
    return x.square().sum((-2, -1)).sqrt()
