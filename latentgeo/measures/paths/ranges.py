"""Images as a decoder made them, brought into their range."""

import torch
from torch import Tensor

from latentgeo.errors import InputError

# A linear output strays beyond its range, and of a net in training by far at single pixels; what
# is coded otherwise lies outside as a whole. Root mean square, which is at most 1 in the range.
_FURTHEST = 8.0


def cut_off(images: Tensor, what: str) -> tuple[Tensor, int]:
    """Map decoded images to [-1, 1].

    Parameters
    ----------
    images : torch.Tensor of shape (b, C, H, W)
        From `Autoencoder.decode_signed`.
    what : str
        What they are called in messages.

    Returns
    -------
    images : torch.Tensor of shape (b, C, H, W)
        float32, on the CPU.
    clamped : int
        Pixels that lay outside.

    Raises
    ------
    InputError
        When a value is not finite, or they lie outside as a whole.
    """
    made = images.float().cpu()
    broken = ~torch.isfinite(made).flatten(1).all(dim=1)
    if bool(broken.any()):
        raise InputError(
            f"{int(broken.sum())} of {len(made)} {what} at once hold NaN or infinite values after "
            "decoding; check the weights and the precision that the model was trained in"
        )
    if float(made.square().mean().sqrt()) > _FURTHEST:
        raise InputError(
            f"decoder gives values from {float(made.min()):g} to {float(made.max()):g} where "
            f"{what}, coded in [-1, 1], have none; state how its images are coded (--range, "
            "--output)"
        )
    outside = (made < -1) | (made > 1)
    return made.clamp(-1, 1), int(outside.sum())
