"""Nyström features of a kernel as an estimator, as scikit-learn has them."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from latentgeo.geometry import _linalg
from latentgeo.geometry._arrays import DType, enter, enter_raw
from latentgeo.geometry._checks import check_finite, check_set
from latentgeo.geometry._factors import Form
from latentgeo.geometry.kernels import kernel


class Nystroem(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Features of few columns whose inner products approximate a kernel on matrices.

    For sets too large for their Gram matrix: n samples cost n × landmarks kernel values.

    Parameters
    ----------
    n_landmarks : int
        Samples of the fit that span the features; capped at their number.
    kernel, metric, gamma, form, log_weight, ridge, source_dtype
        As for `kernel`. The kernel should be positive definite; directions of negative energy
        are left out.
    random_state : int, RandomState or None
        Chooses the landmarks.

    Attributes
    ----------
    landmarks_ : array or tensor, shape (landmarks, n, m), or tuple of such
    landmark_indices_ : ndarray of int64
        Their places in the fitted set.
    normalization_ : ndarray, shape (landmarks, rank)
        Takes kernel values with the landmarks to features.

    References
    ----------
    C. Williams and M. Seeger, "Using the Nyström method to speed up kernel machines", NIPS 2001.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import Nystroem
    >>> x = np.stack([np.diag([1.0, scale]) for scale in (0.1, 0.2, 0.3, 0.4)])
    >>> Nystroem(2, kernel="euclidean", random_state=0).fit_transform(x).shape
    (4, 2)
    """

    def __init__(
        self,
        n_landmarks: int = 500,
        *,
        kernel: str = "pseudo-log",
        metric: str = "pseudo-log",
        gamma: float | None = None,
        form: Form = "matrix",
        log_weight: float = 1.0,
        ridge: float = 0.0,
        source_dtype: DType | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_landmarks = n_landmarks
        self.kernel = kernel
        self.metric = metric
        self.gamma = gamma
        self.form = form
        self.log_weight = log_weight
        self.ridge = ridge
        self.source_dtype = source_dtype
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Choose landmarks and find the features that reproduce the kernel on them.

        Parameters
        ----------
        X : array or tensor, shape (N, n, n) or as ``form`` says; or a tuple of sets, one a mode
        y : ignored

        Returns
        -------
        Nystroem
            Itself.

        Raises
        ------
        ValueError
            If ``n_landmarks`` is not positive, a number is not finite, or as for `kernel`.
        """
        if self.n_landmarks < 1:
            raise ValueError(f"n_landmarks is {self.n_landmarks}; expected at least 1")
        modes = X if isinstance(X, tuple) else (X,)
        for mode in modes:
            # All samples are looked at, though landmarks are a few.
            inside = enter_raw(mode)[0]
            check_set(inside, "X")
            check_finite(inside, "X")
        count = len(modes[0])
        chosen = check_random_state(self.random_state).permutation(count)[: self.n_landmarks]
        self.landmark_indices_ = np.sort(chosen)
        self.landmarks_ = _some(X, self.landmark_indices_)
        gram, _ = enter(self._kernel(self.landmarks_))
        values, vectors = _linalg.eigh(gram)
        keep = values > len(values) * torch.finfo(values.dtype).eps * values[-1]
        if not bool(keep.any()):
            keep[-1] = True
        scale = values[keep].clamp_min(torch.finfo(values.dtype).tiny).rsqrt()
        self.normalization_ = (vectors[:, keep] * scale).cpu().numpy()
        return self

    def transform(self, X: Any) -> npt.NDArray[np.float64]:
        """Compute features of samples.

        Parameters
        ----------
        X : array or tensor, shape (N, n, n) or as ``form`` says; or a tuple of sets

        Returns
        -------
        ndarray, shape (N, rank), float64
            Their inner products approximate the kernel, exactly so on the landmarks.
        """
        check_is_fitted(self)
        cross, _ = enter(self._kernel(X, self.landmarks_))
        return np.asarray(cross.cpu().numpy() @ self.normalization_)

    @property
    def _n_features_out(self) -> int:
        return int(self.normalization_.shape[1])

    def _kernel(self, x: Any, y: Any = None) -> Any:
        return kernel(
            x,
            y,
            self.kernel,
            metric=self.metric,
            gamma=self.gamma,
            form=self.form,
            log_weight=self.log_weight,
            ridge=self.ridge,
            source_dtype=self.source_dtype,
        )


def _some(x: Any, index: npt.NDArray[np.int64]) -> Any:
    if isinstance(x, tuple):
        return tuple(_some(mode, index) for mode in x)
    return x[torch.from_numpy(index)] if isinstance(x, Tensor) else np.asarray(x)[index]
