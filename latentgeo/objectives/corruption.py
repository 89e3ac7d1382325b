"""What is done to an image before the encoder sees it, while the target stays clean."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

#: Images (b, C, H, W) to what the encoder sees, of the same shape.
Corruption = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class GaussianCorruption:
    """Additive Gaussian noise, its standard deviation uniform in a range, drawn per image.

    The result is not clipped to [0, 1]. Draws come from torch's global generator.

    Parameters
    ----------
    low, high : float
        Ends of the range, in units of the pixel range [0, 1].
    """

    low: float
    high: float

    def __call__(self, images: Tensor) -> Tensor:
        """Corrupt images (b, C, H, W)."""
        share = torch.rand(len(images), 1, 1, 1, device=images.device, dtype=images.dtype)
        deviation = self.low + (self.high - self.low) * share
        return images + deviation * torch.randn_like(images)
