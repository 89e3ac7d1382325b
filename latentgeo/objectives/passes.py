"""What a term sees of the model: one pass of a batch through it."""

from typing import NamedTuple

import torch
from torch import Generator, Tensor


class Posterior(NamedTuple):
    """Distribution of the latent, given an image: a diagonal Gaussian, or a single point.

    Attributes
    ----------
    mean : torch.Tensor of shape (b, C, H, W)
        The mean, or the latent itself where the model is deterministic.
    log_variance : torch.Tensor of shape (b, C, H, W) or None
        Natural logarithm of the variance; None where the model is deterministic.
    """

    mean: Tensor
    log_variance: Tensor | None = None

    @property
    def standard_deviation(self) -> Tensor:
        """Standard deviation (b, C, H, W), 0 where the model is deterministic."""
        if self.log_variance is None:
            return torch.zeros_like(self.mean)
        return torch.exp(0.5 * self.log_variance)

    def sample(self, generator: Generator | None = None) -> Tensor:
        """Draw one latent per image by the reparametrisation z = μ + σε.

        Parameters
        ----------
        generator : torch.Generator, optional
            Source of ε, on the latent's device; torch's global one if left out.

        Returns
        -------
        torch.Tensor of shape (b, C, H, W)
            The draw, differentiable; the mean where the model is deterministic.

        References
        ----------
        Kingma and Welling, Auto-Encoding Variational Bayes, 2014, section 2.4.
        """
        if self.log_variance is None:
            return self.mean
        epsilon = torch.randn(
            self.mean.shape, generator=generator, device=self.mean.device, dtype=self.mean.dtype
        )
        return self.mean + self.standard_deviation * epsilon


class Pass(NamedTuple):
    """One pass of a batch through an autoencoder.

    Attributes
    ----------
    posterior : Posterior
        What the encoder and the bottleneck say.
    latent : torch.Tensor of shape (b, C, H, W)
        What was decoded: a sample of the posterior while training, its mean otherwise.
    logits : torch.Tensor of shape (b, channels, rows, columns)
        What the decoder gave, before it becomes an image in [0, 1].
    """

    posterior: Posterior
    latent: Tensor
    logits: Tensor
