"""A decoder that sees vectors of a codebook only."""

from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from latentgeo.models.nets import Shape

_HIDDEN = 512
# Below it a vector was not chosen for so long that its average is no more than rounding.
_LEAST_COUNT = 1e-12


class Codebook(nn.Module):
    """Vectors that follow, by moving averages, what is nearest to each.

    Parameters
    ----------
    size : int
        How many vectors.
    dimension : int
        Numbers in each.
    decay : float
        Share of the old average that each step keeps.

    References
    ----------
    A. van den Oord, O. Vinyals, K. Kavukcuoglu, "Neural discrete representation learning", 2017
    (arXiv 1711.00937), appendix A.1.
    """

    vectors: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, size: int, dimension: int, decay: float) -> None:
        super().__init__()
        self.decay = decay
        # So short that points choose among them by direction: the first batch spreads out over
        # many, and each jumps to the mean of what chose it. Those never chosen stay in reach. The
        # published code throws both kinds far away in its first steps.
        reach = (3 / size) ** 0.5
        self.register_buffer("vectors", torch.empty(size, dimension).uniform_(-reach, reach))
        self.register_buffer("counts", torch.zeros(size))
        self.register_buffer("sums", torch.zeros(size, dimension))

    @torch.no_grad()
    def nearest(self, points: Tensor) -> Tensor:
        """Return the numbers of the nearest vectors to points (n, dimension)."""
        overlap = points @ self.vectors.T
        return (self.vectors.square().sum(dim=1) - 2 * overlap).argmin(dim=1)

    @torch.no_grad()
    def follow(self, points: Tensor, chosen: Tensor) -> None:
        """Move the vectors towards the points (n, dimension) that chose them."""
        ones = torch.ones_like(chosen, dtype=self.counts.dtype)
        hits = torch.zeros_like(self.counts).index_add_(0, chosen, ones)
        gathered = torch.zeros_like(self.sums).index_add_(0, chosen, points.to(self.sums))
        self.counts.lerp_(hits, 1 - self.decay)
        self.sums.lerp_(gathered, 1 - self.decay)
        used = self.counts[:, None] > _LEAST_COUNT
        self.vectors.copy_(torch.where(used, self.sums / self.counts[:, None], self.vectors))


class QuantisedDecoder(nn.Module):
    """Latents to a few vectors of one codebook, and those to images.

    The latent, flattened, is mapped to code vectors, each is replaced by the nearest of the
    codebook (gradients pass straight through), and two layers map them back to a latent for the
    decoder. So latents are continuous and can be interpolated, what the decoder sees is not.

    Parameters
    ----------
    decoder : torch.nn.Module
        Latents to images.
    latent_shape : tuple of int
        (C, H, W).
    codes : int
        Code vectors for each image.
    codebook_size : int
        Vectors in the codebook.
    code_size : int
        Numbers in each.
    decay : float
        See `Codebook`.
    """

    def __init__(
        self,
        decoder: nn.Module,
        latent_shape: Shape,
        *,
        codes: int,
        codebook_size: int,
        code_size: int,
        decay: float,
    ) -> None:
        super().__init__()
        self.latent_shape = latent_shape
        self.code_size = code_size
        self.project = nn.Linear(prod(latent_shape), codes * code_size)
        self.codebook = Codebook(codebook_size, code_size, decay)
        self.expand = nn.Sequential(
            nn.ReLU(),
            nn.Linear(codes * code_size, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, prod(latent_shape)),
        )
        self.decoder = decoder

    @torch.no_grad()
    def probed(self, latents: Tensor) -> Tensor:
        """Return what a probe reads of latents (b, C, H, W), as in the ACAI paper: (b, numbers).

        It is what the layers behind the codebook make of the code vectors.
        """
        points = self._points(latents)
        vectors = self.codebook.vectors[self.codebook.nearest(points)]
        read: Tensor = self.expand(vectors.reshape(len(latents), -1))
        return read

    def forward(self, latents: Tensor) -> Tensor:
        """Map latents (b, C, H, W) to logits; in training the codebook follows them."""
        points = self._points(latents)
        chosen = self.codebook.nearest(points)
        vectors = self.codebook.vectors[chosen]
        if self.training:
            self.codebook.follow(points.detach(), chosen)
        straight = points + (vectors - points).detach()
        latent = self.expand(straight.reshape(len(latents), -1))
        logits: Tensor = self.decoder(latent.reshape(-1, *self.latent_shape))
        return logits

    def commitment(self, latents: Tensor) -> Tensor:
        """Return the mean squared distance of the code vectors to the codebook; it stands still."""
        points = self._points(latents)
        return mse_loss(points, self.codebook.vectors[self.codebook.nearest(points)])

    def _points(self, latents: Tensor) -> Tensor:
        points: Tensor = self.project(latents.flatten(1)).reshape(-1, self.code_size)
        return points
