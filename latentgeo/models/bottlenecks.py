"""From the encoder's features to the posterior of the latent."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from torch import Tensor, nn

from latentgeo.objectives import Posterior

# Beyond these a standard deviation is 5e-5 or 150: exp stays finite, and nothing is lost.
_LOG_VARIANCE_RANGE = (-20.0, 10.0)
# A fresh posterior as wide as the prior drowns the signal, and learning starts late.
_LOG_VARIANCE_SHIFT = -2.0


class Bottleneck(nn.Module, ABC):
    """Features (b, F, H, W) to a `Posterior` of latents (b, C, H, W).

    Attributes
    ----------
    stochastic : bool
        Whether the posterior has a variance.
    """

    stochastic: ClassVar[bool]

    @abstractmethod
    def forward(self, features: Tensor) -> Posterior:
        """Give the posterior."""

    def condition(self, latent: Tensor, labels: Tensor) -> Tensor:
        """Put labels into latents, where there is room for them.

        Parameters
        ----------
        latent : torch.Tensor of shape (b, C, H, W)
            Latents.
        labels : torch.Tensor of shape (b,)
            Classes, -1 where they are not known.

        Returns
        -------
        torch.Tensor of shape (b, C, H, W)
            The latents; as they came, unless the bottleneck is one for labels.
        """
        return latent


class Deterministic(Bottleneck):
    """A single point: the features, activated; mapped by a 1×1 convolution if sizes differ.

    Parameters
    ----------
    features : int
        Channels that come in, before their activation.
    channels : int
        Channels of the latent.
    activation : {"relu", "linear"}, default="relu"
        What the latent passes last.
    """

    stochastic = False

    def __init__(
        self, features: int, channels: int, activation: Literal["relu", "linear"] = "relu"
    ) -> None:
        super().__init__()
        self.project = nn.Identity() if features == channels else _project(features, channels)
        self.activation = nn.ReLU() if activation == "relu" else nn.Identity()

    def forward(self, features: Tensor) -> Posterior:
        """Give the point."""
        return Posterior(self.activation(self.project(features)))


class Gaussian(Bottleneck):
    """A diagonal Gaussian: mean and log-variance by 1×1 convolutions of the activated features.

    The log-variance is shifted by -2, so that it starts there, and clamped to [-20, 10].

    Parameters
    ----------
    features : int
        Channels that come in, before their activation.
    channels : int
        Channels of the latent.
    """

    stochastic = True

    def __init__(self, features: int, channels: int) -> None:
        super().__init__()
        self.mean = _project(features, channels)
        self.log_variance = _project(features, channels)

    def forward(self, features: Tensor) -> Posterior:
        """Give mean and log-variance."""
        log_variance = self.log_variance(features) + _LOG_VARIANCE_SHIFT
        return Posterior(self.mean(features), log_variance.clamp(*_LOG_VARIANCE_RANGE))


def _project(features: int, channels: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), nn.Conv2d(features, channels, 1))
