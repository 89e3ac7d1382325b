"""How far two sets of images lie apart in the features of a network: the Fréchet distance."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class FeatureStatistics:
    """Mean and covariance of features, gathered batch after batch in constant memory.

    Attributes
    ----------
    count : int
        How many were seen.

    Examples
    --------
    >>> import torch
    >>> from latentgeo.metrics import FeatureStatistics
    >>> statistics = FeatureStatistics()
    >>> statistics.update(torch.tensor([[0.0, 1.0], [2.0, 1.0]]))
    >>> statistics.mean
    tensor([1., 1.], dtype=torch.float64)
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean = torch.zeros(0, dtype=torch.float64)
        self._scatter = torch.zeros(0, 0, dtype=torch.float64)

    def update(self, features: Tensor) -> None:
        """Add features (b, d); raise ValueError when they are no such table."""
        if features.ndim != 2 or (self.count and features.shape[1] != len(self._mean)):
            raise ValueError(
                f"features have shape {tuple(features.shape)}, expected (b, d) with the same d in "
                "every batch"
            )
        values = features.detach().cpu().double()
        if not self.count:
            dimension = values.shape[1]
            self._mean = values.new_zeros(dimension)
            self._scatter = values.new_zeros(dimension, dimension)
        self._join(values)

    def _join(self, values: Tensor) -> None:
        """Join mean and scatter with those of a batch (Chan et al., 1979)."""
        count, mean = len(values), values.mean(dim=0)
        centred, apart = values - mean, mean - self._mean
        total = self.count + count
        share = self.count * count / total
        self._scatter = self._scatter + centred.T @ centred + share * torch.outer(apart, apart)
        self._mean = self._mean + apart * count / total
        self.count = total

    @property
    def mean(self) -> Tensor:
        """Mean (d,), float64."""
        return self._mean

    @property
    def covariance(self) -> Tensor:
        """Covariance (d, d), unbiased, float64; raises ValueError below two features."""
        if self.count < 2:
            raise ValueError(f"a covariance needs at least 2 features, {self.count} were seen")
        return self._scatter / (self.count - 1)


def frechet_distance(one: FeatureStatistics, other: FeatureStatistics) -> float:
    r"""Return the squared Fréchet distance of two normal distributions of features.

    .. math:: \|\mu - \mu'\|^2 + \mathrm{tr}(\Sigma + \Sigma' - 2 (\Sigma \Sigma')^{1/2})

    Lower is closer, 0 for the same moments. Its root is a metric of the moments. It is biased
    upwards, the more so the fewer images there are: compare values of one number of images.

    Parameters
    ----------
    one, other : FeatureStatistics
        Of at least two features each, of one dimension.

    Returns
    -------
    float
        In squared units of the features.

    Raises
    ------
    ValueError
        When the dimensions differ.

    References
    ----------
    Heusel et al., GANs Trained by a Two Time-Scale Update Rule, 2017 (arXiv 1706.08500), eq. 6.
    Dowson and Landau, The Fréchet Distance between Multivariate Normal Distributions, 1982.

    Examples
    --------
    >>> import torch
    >>> from latentgeo.metrics import FeatureStatistics, frechet_distance
    >>> one, other = FeatureStatistics(), FeatureStatistics()
    >>> one.update(torch.tensor([[0.0], [2.0]]))
    >>> other.update(torch.tensor([[3.0], [5.0]]))
    >>> frechet_distance(one, other)
    9.0
    """
    if one.mean.shape != other.mean.shape:
        raise ValueError(f"features have {len(one.mean)} and {len(other.mean)} numbers")
    first, second = one.covariance, other.covariance
    root = _root(first)
    # Σ½Σ'Σ½ has the eigenvalues of ΣΣ', and is symmetric.
    cross = torch.linalg.eigvalsh(root @ second @ root).clamp(min=0).sqrt().sum()
    means = (one.mean - other.mean).square().sum()
    value = means + first.trace() + second.trace() - 2 * cross
    return float(value.clamp(min=0))


def frechet_feature_distance(
    images: Iterable[Tensor], reference: Iterable[Tensor], features: Callable[[Tensor], Any]
) -> float:
    """Return the Fréchet distance of two sets of images in the features of any network.

    It is the Fréchet Inception Distance only with the weights of that Inception network, such as
    those of `torchmetrics.image.fid`; with others, report it under the name of the network.

    Parameters
    ----------
    images, reference : iterable of torch.Tensor
        Batches of images (b, C, H, W), such as `tensor.split(256)`.
    features : callable
        A batch to features (b, d); further dimensions are flattened. It is called without
        gradients.

    Returns
    -------
    float
        As `frechet_distance`.

    Raises
    ------
    ValueError
        As `frechet_distance`, or when there are fewer than two images.

    Examples
    --------
    >>> import torch
    >>> from latentgeo.metrics import frechet_feature_distance
    >>> images = torch.rand(8, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    >>> round(abs(frechet_feature_distance([images], [images], lambda x: x.flatten(1))), 6)
    0.0
    """
    return frechet_distance(*(_gather(batches, features) for batches in (images, reference)))


@torch.no_grad()
def _gather(batches: Iterable[Tensor], features: Callable[[Tensor], Any]) -> FeatureStatistics:
    statistics = FeatureStatistics()
    for batch in batches:
        statistics.update(features(batch).flatten(1))
    return statistics


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return root
