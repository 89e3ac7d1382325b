"""Hilbert embedding as an estimator, as scikit-learn has them."""

from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from latentgeo.geometry import _linalg
from latentgeo.geometry._checks import check_gram, check_shares
from latentgeo.geometry.hilbert import centre_both, dimension_of_energies, leading_count

_EPS64 = torch.finfo(torch.float64).eps


class HilbertEmbedding(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Coordinates of points in the Hilbert space of a kernel, and the dimension of their set.

    Works from features when there are more samples than features, and from the Gram matrix
    otherwise; both give the same answer. With ``centred=True`` on features this is principal
    component analysis without scaling, on a Gram matrix it is kernel principal component analysis.

    Parameters
    ----------
    n_components : int, float or None
        Coordinates to keep: a number, a share of energy in (0, 1), or None for all that carry any.
    centred : bool
        Take the mean in feature space away first.
    input : {"features", "gram"}
        What ``fit`` is given: features (n, p), or a Gram matrix (n, n); ``transform`` then wants
        features (m, p), or the kernel between new points and the fitted ones (m, n).

    Attributes
    ----------
    energies_ : ndarray, shape (min(n, p),) or (n,)
        Eigenvalues of the (centred) Gram matrix, descending, not negative.
    explained_energy_ : ndarray
        Their cumulative shares of the total; ends at 1 (0 where all points coincide).
    n_components_ : int
        Coordinates that are kept.
    n_samples_ : int
        Points in the fit. A dimension close to this number says that there were too few.

    See Also
    --------
    gram_dimension : the dimension alone, for batches of Gram matrices.

    References
    ----------
    B. Schölkopf, A. Smola and K.-R. Müller, "Nonlinear component analysis as a kernel eigenvalue
    problem", Neural Computation 10 (1998).

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import HilbertEmbedding
    >>> x = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    >>> HilbertEmbedding(0.95).fit(x).n_components_
    1
    """

    energies_: npt.NDArray[np.float64]
    explained_energy_: npt.NDArray[np.float64]

    def __init__(
        self,
        n_components: float | None = None,
        *,
        centred: bool = True,
        input: Literal["features", "gram"] = "features",  # noqa: A002 - scikit-learn's own name
    ) -> None:
        self.n_components = n_components
        self.centred = centred
        self.input = input

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the axes of the set, in order of the energy along them.

        Parameters
        ----------
        X : array-like, shape (n, p), or (n, n) for ``input="gram"``
        y : ignored

        Returns
        -------
        HilbertEmbedding
            Itself.

        Raises
        ------
        ValueError
            If ``input`` or ``n_components`` is out of range, or the Gram matrix is not symmetric.
        """
        data = torch.from_numpy(validate_data(self, _to_numpy(X), dtype=np.float64, copy=True))
        if self.input == "features":
            self._fit_features(data)
        elif self.input == "gram":
            self._fit_gram(data)
        else:
            raise ValueError(f"input is {self.input!r}; expected 'features' or 'gram'")
        return self

    def transform(self, X: Any) -> npt.NDArray[np.float64]:
        """Return coordinates of new points on the axes found.

        Parameters
        ----------
        X : array-like, shape (m, p), or (m, n) for ``input="gram"``
            New points: their features, or their kernel with the fitted points.

        Returns
        -------
        ndarray, shape (m, d)
            One column for each axis that was found.
        """
        check_is_fitted(self)
        data = torch.from_numpy(
            validate_data(self, _to_numpy(X), dtype=np.float64, copy=True, reset=False)
        )
        coordinates = (data - self._column_mean) @ self._axes
        if self.input == "gram" and self.centred:
            # The kernel with the mean point is not known of a new point, but follows from its row.
            shift = data.mean(-1, keepdim=True) - self._column_mean.mean()
            coordinates = coordinates - shift * self._axes.sum(0)
        return np.asarray(coordinates.numpy())

    def dimension_(self, share: float = 0.95) -> int:
        """Return the fewest axes that hold a share of the energy.

        Parameters
        ----------
        share : float
            In (0, 1].

        Returns
        -------
        int
        """
        check_is_fitted(self)
        check_shares([share])
        return int(dimension_of_energies(torch.from_numpy(self.energies_), [share])[0])

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def _fit_features(self, data: Tensor) -> None:
        """Solve the smaller of the two eigenproblems; axes are unit vectors of feature space."""
        self._column_mean = data.mean(0) if self.centred else torch.zeros_like(data[0])
        data = data - self._column_mean
        if len(data) > data.shape[1]:
            values, axes = _linalg.eigh(data.mT @ data)
        else:
            values, vectors = _linalg.eigh(data @ data.mT)
            axes = data.mT @ (vectors / _safe_root(values))
        self._keep(values, axes, len(data))

    def _fit_gram(self, gram: Tensor) -> None:
        check_gram(gram)
        self._column_mean = gram.mean(0) if self.centred else torch.zeros_like(gram[0])
        values, vectors = _linalg.eigh(centre_both(gram) if self.centred else gram)
        self._keep(values, vectors / _safe_root(values), len(gram))

    def _keep(self, values: Tensor, axes: Tensor, n_samples: int) -> None:
        energies = values.flip(-1).clamp_min(0)
        total = energies.sum()
        self.n_samples_ = n_samples
        self.energies_ = energies.numpy()
        self.explained_energy_ = (energies.cumsum(0) / (total if total > 0 else 1.0)).numpy()
        self.n_components_ = self._count(energies, min(len(energies), n_samples - self.centred))
        self._axes = _fix_signs(axes.flip(-1)[:, : self.n_components_])

    def _count(self, energies: Tensor, most: int) -> int:
        wanted = self.n_components
        if wanted is None:
            return int(leading_count(energies, 1.0, most))
        if isinstance(wanted, float) and 0 < wanted < 1:
            return int(dimension_of_energies(energies, [wanted])[0])
        if wanted != int(wanted) or not 0 < wanted <= len(energies):
            raise ValueError(
                f"n_components is {wanted}; expected 1 to {len(energies)}, a share, or None"
            )
        return int(leading_count(energies, 1.0, min(int(wanted), most)))


def _to_numpy(x: Any) -> Any:
    return x.detach().cpu().numpy() if isinstance(x, Tensor) else x


def _safe_root(values: Tensor) -> Tensor:
    """Square roots to divide by: axes without energy are dropped, so any number does there."""
    noise = len(values) * _EPS64 * values[-1].abs()
    return torch.where(values > noise, values, 1.0).sqrt()


def _fix_signs(axes: Tensor) -> Tensor:
    """Make the largest entry of each axis positive: the sign of an eigenvector is chance."""
    if axes.numel() == 0:
        return axes
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    return axes * torch.where(largest < 0, -1.0, 1.0)
