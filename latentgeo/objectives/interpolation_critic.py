"""Interpolations that a critic cannot tell from reconstructions."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from latentgeo.objectives.adversarial import AdversarialTerm
from latentgeo.objectives.passes import Batch, Pass

_LARGEST_SHARE = 0.5


class Mixture(NamedTuple):
    """Images decoded between two latents.

    Attributes
    ----------
    images : torch.Tensor of shape (b, channels, rows, columns)
        What the decoder makes of the mixed latents, in [-1, 1] or, for a linear output, about.
    share : torch.Tensor of shape (b,)
        α, the share of the first latent in each, in [0, 0.5].
    """

    images: Tensor
    share: Tensor


class InterpolationCritic(AdversarialTerm):
    r"""Square of the share that a critic sees of one image in another.

    With latents z of a batch and its reverse :math:`z'`, :math:`\hat x = g(\alpha z +
    (1-\alpha) z')` and one :math:`\alpha` for each pair, uniform in [0, 0.5]. The autoencoder
    descends :math:`d(\hat x)^2`, the critic

    .. math:: (d(\hat x) - \alpha)^2 + d(\gamma x + (1-\gamma) g(f(x)))^2

    on the same interpolations, detached, as they were before the autoencoder's step.

    Where a batch is odd, its middle has itself for a partner: what is decoded is no mixture, and
    its :math:`\alpha` is 0.

    Parameters
    ----------
    critic : torch.nn.Module
        Images (b, channels, rows, columns) coded in [-1, 1] to a map (b, ...); its scalar is the
        mean of the map.
    signed : callable
        What the decoder gives, before it is clamped, to images coded in [-1, 1]: through a clamp no
        gradient would flow back.
    gamma : float, default=0.2
        Share of the clean image in what the critic is to call unmixed.
    weight : float, default=1.0
        Factor in the objective, in the unit of its reconstruction; see
        `latentgeo.models.critic`.
    learning_rate : float, default=1e-4
        The critic's.

    References
    ----------
    D. Berthelot, C. Raffel, A. Roy, I. Goodfellow, "Understanding and improving interpolation in
    autoencoders via an adversarial regularizer", ICLR 2019 (arXiv 1807.07543), equations 1 and 2.
    """

    def __init__(
        self,
        critic: nn.Module,
        signed: Callable[[Tensor], Tensor],
        *,
        gamma: float = 0.2,
        weight: float = 1.0,
        learning_rate: float = 1e-4,
    ) -> None:
        super().__init__(
            critic,
            name="critic",
            weight=weight,
            learning_rate=learning_rate,
            betas=(0.9, 0.999),
        )
        self.signed = signed
        self.gamma = gamma
        self._mixture: Mixture | None = None

    def __call__(self, pass_: Pass, batch: Batch) -> Tensor:
        """Return the mean of the critic's squared scalar on fresh interpolations; see `Term`."""
        mixture = self._mix(pass_)
        # The critic's step comes after that of the autoencoder, and takes what was decoded before.
        self._mixture = Mixture(mixture.images.detach(), mixture.share)
        return self.scalar(mixture.images).square().mean()

    def adversary_loss(self, pass_: Pass, batch: Batch) -> Tensor:
        """Return the critic's squared errors on interpolations and on unmixed images."""
        mixture, self._mixture = self._mixture or self._mix(pass_), None
        clean = 2 * batch.images - 1
        unmixed = self.gamma * clean + (1 - self.gamma) * self.signed(pass_.logits)
        error = self.scalar(mixture.images.detach()) - mixture.share
        return error.square().mean() + self.scalar(unmixed).square().mean()

    def diagnostics(self, pass_: Pass, batch: Batch) -> dict[str, Tensor]:
        """Measure how far off the critic is, and what it says of interpolations on average.

        See `Term`. A critic that knows nothing is 0.14 off by saying 0.25; where it is fooled
        it says 0.
        """
        mixture = self._mix(pass_)
        score = self.scalar(mixture.images)
        return {"error": (score - mixture.share).square().mean().sqrt(), "said": score.mean()}

    def scalar(self, images: Tensor) -> Tensor:
        """Return the mean of the critic's map for images (b, ...) coded in [-1, 1]: (b,)."""
        mean: Tensor = self.adversary(images).flatten(1).mean(dim=1)
        return mean

    def _mix(self, pass_: Pass) -> Mixture:
        latent, codec = pass_.latent, pass_.codec
        share = _LARGEST_SHARE * torch.rand(len(latent), device=latent.device, dtype=latent.dtype)
        order = torch.arange(len(latent), device=latent.device)
        share = share * (order != order.flip(0))
        own = share.reshape(-1, *[1] * (latent.ndim - 1))
        mixed = own * latent + (1 - own) * latent.flip(0)
        return Mixture(self.signed(codec.decode_logits(mixed)), share)
