"""What a term sees: a batch of images, and one pass of it through the model."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

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
    codes : mapping of str to torch.Tensor, optional
        What the latent is composed of, by name, (b, …) each, where the bottleneck composes it;
        see `Pass.code`.
    probed : torch.Tensor, optional
        What a probe reads, (b, …), where it is not the mean.
    """

    mean: Tensor
    log_variance: Tensor | None = None
    codes: Mapping[str, Tensor] | None = None
    probed: Tensor | None = None

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


class Labelled(NamedTuple):
    """Images that all have a label, to learn from the labels.

    Attributes
    ----------
    images : torch.Tensor of shape (b, channels, rows, columns)
        As the encoder sees them, so with the corruption.
    labels : torch.Tensor of shape (b,)
        Class of each image, int64.
    """

    images: Tensor
    labels: Tensor


class Batch(NamedTuple):
    """Images, and what is known of them.

    Attributes
    ----------
    images : torch.Tensor of shape (b, channels, rows, columns)
        Without corruption, in [0, 1].
    labels : torch.Tensor of shape (b,) or None
        Class of each image, int64, `UNLABELLED` where it is hidden; None where the recipe asks
        for no labels.
    labelled : Labelled or None
        Other images, of which the labels are known, where the recipe asks for them while it
        trains.
    probe_labels : torch.Tensor of shape (b,) or None
        Class of each image for the probe, where there is one; terms leave it alone, for it shows
        what may be hidden from them.
    """

    images: Tensor
    labels: Tensor | None = None
    labelled: Labelled | None = None
    probe_labels: Tensor | None = None

    def tensors(self) -> list[Tensor]:
        """Return the tensors that it has, in a fixed order."""
        labelled = () if self.labelled is None else self.labelled
        found = (self.images, self.labels, *labelled, self.probe_labels)
        return [tensor for tensor in found if tensor is not None]

    def cloned(self) -> "Batch":
        """Return a copy in memory of its own."""
        return Batch(
            self.images.clone(),
            None if self.labels is None else self.labels.clone(),
            None if self.labelled is None else Labelled(*(each.clone() for each in self.labelled)),
            None if self.probe_labels is None else self.probe_labels.clone(),
        )


#: The label of an image whose class is not known.
UNLABELLED = -1


class Codec(Protocol):
    """What a term may ask of an autoencoder beside its pass."""

    def posterior(self, images: Tensor) -> Posterior:
        """Return the distribution of the latents of images."""

    def decode(self, latents: Tensor) -> Tensor:
        """Return the images of latents, in [0, 1]."""

    def decode_logits(self, latents: Tensor) -> Tensor:
        """Return the decoder's output for latents before it becomes an image: logits."""

    def to_image(self, logits: Tensor) -> Tensor:
        """Return the images, in [0, 1], of the decoder's output."""

    def probed(self, posterior: Posterior) -> Tensor:
        """Return what a probe reads, (b, …)."""


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
    model : Codec, optional
        The autoencoder, for terms that encode or decode more than the batch.
    """

    posterior: Posterior
    latent: Tensor
    logits: Tensor
    model: Codec | None = None

    @property
    def codec(self) -> Codec:
        """The autoencoder; raises TypeError where the pass does not know it."""
        if self.model is None:
            raise TypeError("this term needs the autoencoder, the pass was made without it")
        return self.model

    @property
    def probed(self) -> Tensor:
        """What a probe reads, (b, …)."""
        return self.posterior.mean if self.model is None else self.model.probed(self.posterior)

    def code(self, name: str) -> Tensor:
        """Return a code that the latent is composed of; "latent" is all of it.

        Parameters
        ----------
        name : str
            "latent", or a code that the bottleneck gives.

        Returns
        -------
        torch.Tensor of shape (b, …)
            The code.

        Raises
        ------
        TypeError
            When the bottleneck gives no such code.
        """
        if name == "latent":
            return self.latent
        codes = self.posterior.codes or {}
        if name not in codes:
            raise TypeError(f"this term needs the code {name!r}, the bottleneck has {list(codes)}")
        return codes[name]

    def map(self, function: Callable[[Tensor], Tensor]) -> "Pass":
        """Return the same pass with a function applied to each of its tensors."""
        mean, log_variance, codes, probed = self.posterior
        posterior = Posterior(
            function(mean),
            None if log_variance is None else function(log_variance),
            None if codes is None else {name: function(code) for name, code in codes.items()},
            None if probed is None else function(probed),
        )
        return self._replace(
            posterior=posterior, latent=function(self.latent), logits=function(self.logits)
        )

    def detached(self) -> "Pass":
        """Return the same pass, through which no gradient flows back into the autoencoder."""
        return self.map(Tensor.detach)
