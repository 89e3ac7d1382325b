"""The autoencoder: encoder, bottleneck, decoder."""

import hashlib
from collections.abc import Callable
from typing import Any, Self

import torch
from safetensors.torch import save
from torch import Tensor, nn

from latentgeo.errors import InputError
from latentgeo.models.bottlenecks import Bottleneck
from latentgeo.models.config import ModelConfig
from latentgeo.models.nets import LatentShape
from latentgeo.objectives import Pass, Posterior


class Autoencoder(nn.Module):
    """Images to latents and back.

    Parameters
    ----------
    encoder : torch.nn.Module
        Images (b, channels, rows, columns) in [0, 1] to features.
    bottleneck : Bottleneck
        Features to a `Posterior` of latents.
    decoder : torch.nn.Module or None
        Latents (b, C, H, W) to logits of the images' shape; None where only the latents of a net
        are looked at.
    config : ModelConfig
        What the model is.
    latent_shape : tuple of int
        (C, H, W), or another order of at least 2 with the channels first; a vector is (D, 1, 1).
    to_image : callable, default=torch.sigmoid
        Logits to images in [0, 1].
    to_signed : callable, optional
        Logits to images coded in [-1, 1], values beyond it kept; 2·`to_image` - 1 if left out.
    target : callable, optional
        Images to what the decoder should make of them, in [0, 1]: where a net sees images
        resized or in colour, it gives them back so. The images themselves if left out.

    Attributes
    ----------
    provenance : dict
        Where the weights come from; empty until a checkpoint is loaded.
    identity : dict
        JSON-ready: what decides the latents beside the weights (preprocessing, layer); empty for
        our own models, whose weights come with all of it.
    parts : dict of str to tuple of int
        Where several layers are looked at in one pass, the shape (C, ...) of each; the latent
        is then a vector with all of them side by side.
    """

    def __init__(
        self,
        encoder: nn.Module,
        bottleneck: Bottleneck,
        decoder: nn.Module | None,
        *,
        config: ModelConfig,
        latent_shape: LatentShape,
        to_image: Callable[[Tensor], Tensor] = torch.sigmoid,
        to_signed: Callable[[Tensor], Tensor] | None = None,
        target: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.bottleneck = bottleneck
        self.decoder = decoder
        self.config = config
        self.latent_shape = latent_shape
        self.to_image = to_image
        self._to_signed = to_signed
        self._target = target
        self.provenance: dict[str, Any] = {}
        self.identity: dict[str, Any] = {}
        self.parts: dict[str, LatentShape] = {}

    @property
    def stochastic(self) -> bool:
        """Whether the posterior has a variance."""
        return bool(self.bottleneck.stochastic)

    @property
    def decodes(self) -> bool:
        """Whether there is a decoder."""
        return self.decoder is not None

    def on(self, device: torch.device) -> Self:
        """Move to a device, where backbones of this package compute with the channels last.

        Their convolutions take 20 to 50 % less time so on a CPU. Networks of others may view
        their maps as rows of numbers, which that layout does not allow.

        Parameters
        ----------
        device : torch.device
            Where to compute.

        Returns
        -------
        Autoencoder
            Itself.
        """
        if self.identity:
            return self.to(device)
        # torch declares no overload that takes both.
        return self.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def target(self, images: Tensor) -> Tensor:
        """Return what a perfect decoder would make of the images' latents: what PSNR is against.

        Parameters
        ----------
        images : torch.Tensor of shape (b, channels, rows, columns)
            In [0, 1].

        Returns
        -------
        torch.Tensor of shape (b, channels, rows, columns)
            In [0, 1], at the size and with the channels that the net sees; the images
            themselves for our own models.
        """
        return images if self._target is None else self._target(images)

    def posterior(self, images: Tensor) -> Posterior:
        """Return the distribution of the latents.

        Parameters
        ----------
        images : torch.Tensor of shape (b, channels, rows, columns)
            Floating point, in [0, 1] or perturbed.

        Returns
        -------
        Posterior
            Mean and log-variance, each (b, C, ...).

        Raises
        ------
        InputError
            When the images have another shape than the model's, or are not floating point.
        """
        _check(images, self.config.image_shape, "images", "(batch, channels, rows, columns)")
        posterior: Posterior = self.bottleneck(self.encoder(images))
        return posterior

    def encode(self, images: Tensor) -> Tensor:
        """Return the latents that are analysed: the posterior's mean.

        Takes and raises what `posterior` does.

        Returns
        -------
        torch.Tensor of shape (b, C, ...)
            Latents.
        """
        return self.posterior(images).mean

    def probed(self, posterior: Posterior) -> Tensor:
        """Return what a linear probe reads of a batch.

        Parameters
        ----------
        posterior : Posterior
            Of the batch.

        Returns
        -------
        torch.Tensor of shape (b, …)
            The mean; for the rivals of the ACAI paper what its authors read: of a Gaussian by
            dense layers (`head="dense"`) the features before them, of a quantised code what the
            dense layers behind the codebook make of it.
        """
        if posterior.probed is not None:
            return posterior.probed
        reading = getattr(self.decoder, "probed", None)
        return posterior.mean if reading is None else reading(posterior.mean)

    def decode_logits(self, latents: Tensor) -> Tensor:
        """Return what the decoder says, before it becomes an image.

        Parameters
        ----------
        latents : torch.Tensor of shape (b, C, ...)
            Latents.

        Returns
        -------
        torch.Tensor of shape (b, channels, rows, columns)
            Logits.

        Raises
        ------
        InputError
            When the latents have another shape than the model's, or there is no decoder.
        """
        if self.decoder is None:
            raise InputError(
                f"model {self.config.recipe!r} has no decoder, so there is nothing to decode "
                "latents with; open it with one (decode=…, --decode) for that"
            )
        _check(latents, self.latent_shape, "latents", "(batch, channels, positions)")
        logits: Tensor = self.decoder(latents)
        return logits

    def decode(self, latents: Tensor) -> Tensor:
        """Return the images of latents.

        Takes and raises what `decode_logits` does.

        Returns
        -------
        torch.Tensor of shape (b, channels, rows, columns)
            Images in [0, 1].
        """
        return self.to_image(self.decode_logits(latents))

    def decode_signed(self, latents: Tensor) -> Tensor:
        """Return the images of latents as the decoder made them, before anything is cut off.

        Takes and raises what `decode_logits` does.

        Returns
        -------
        torch.Tensor of shape (b, channels, rows, columns)
            Images coded in [-1, 1]; those of a decoder with a linear output may lie beyond.
        """
        logits = self.decode_logits(latents)
        return 2 * self.to_image(logits) - 1 if self._to_signed is None else self._to_signed(logits)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Pass:
        """Encode and decode: a sample of the posterior while training, its mean otherwise.

        Takes and raises what `posterior` does.

        Parameters
        ----------
        images : torch.Tensor of shape (b, channels, rows, columns)
            As for `posterior`.
        labels : torch.Tensor of shape (b,), optional
            What is known of the images, for a bottleneck that puts labels into the latent.

        Returns
        -------
        Pass
            Posterior, latent and logits.
        """
        posterior = self.posterior(images)
        latent = posterior.sample() if self.training else posterior.mean
        if labels is not None:
            latent = self.bottleneck.condition(latent, labels)
        return Pass(posterior, latent, self.decode_logits(latent), self)

    def serialized_weights(self) -> bytes:
        """Return the weights in the safetensors format."""
        tensors = {
            # A copy of its own for each, for foreign nets may tie weights together.
            name: tensor.detach().cpu().contiguous().clone()
            for name, tensor in self.state_dict().items()
        }
        return save(tensors, metadata={"format": "pt"})

    def weights_sha256(self) -> str:
        """Return the SHA-256 of the weights: that of the file which `save_model` writes."""
        return hashlib.sha256(self.serialized_weights()).hexdigest()


def _check(values: Tensor, shape: LatentShape, what: str, axes: str) -> None:
    if tuple(values.shape[1:]) != tuple(shape):
        raise InputError(
            f"{what} have shape {tuple(values.shape)}, the model takes (batch, "
            f"{', '.join(map(str, shape))}): {axes}"
        )
    if not values.is_floating_point():
        raise InputError(
            f"{what} have dtype {values.dtype}, expected floating point; "
            "divide images of whole numbers by 255"
        )
