"""Whether an encoder is a function: encode a batch twice, and in halves."""

import warnings

import torch

from latentgeo.models import Autoencoder, device_of

_IMAGES = 4
_OF_OTHERS = "custom"  # the backbone of what `wrap` makes
_RECORDED = "not_a_function"
# Far above what rounding does to the same images in a batch of another size.
_TOLERANCE = {"float16": 2e-2, "bfloat16": 1e-1}
_SINGLE = 1e-3
_WHY = {
    "draws": "encoding a batch twice gives different latents (it samples, or keeps dropout on)",
    "batch": "the latent of an image depends on the rest of its batch (batch statistics)",
}


@torch.no_grad()
def check_repeats(model: Autoencoder) -> list[str]:
    """Return in which ways an encoder gives the same images other latents.

    Parameters
    ----------
    model : Autoencoder
        In evaluation mode. The state of random numbers is left as it was.

    Returns
    -------
    list of {"draws", "batch"}
        "draws": encoding a batch again changes its latents; "batch": encoding its halves does.
        Empty for a function of the image.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(_IMAGES, *model.config.image_shape, generator=generator)
    images = images.to(device_of(model))
    devices = [images.device] if images.is_cuda else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(0)
        first, second = model.encode(images), model.encode(images)
        if not _same(model, first, second):
            return ["draws"]
        halves = torch.cat([model.encode(half) for half in images.chunk(2)])
    return [] if _same(model, first, halves) else ["batch"]


def warn_of_repeats(model: Autoencoder) -> None:
    """Warn of an encoder of others that is not a function of the image, once, and record it."""
    if model.config.backbone != _OF_OTHERS or _RECORDED in model.identity:
        return
    if unsteady := check_repeats(model):
        model.identity[_RECORDED] = unsteady
        model.provenance[_RECORDED] = unsteady
        warnings.warn(f"model {model.config.recipe!r}: {describe_unsteady(unsteady)}", stacklevel=3)


def describe_unsteady(ways: list[str]) -> str:
    """Return the warning for an encoder that is not a function of the image."""
    return (
        f"its encoder is not a function of the image: {'; '.join(_WHY[way] for way in ways)}. The "
        "measurements then hold for one draw only; name a layer before that (--encode, "
        "--layer)"
    )


def _same(model: Autoencoder, latents: torch.Tensor, others: torch.Tensor) -> bool:
    tolerance = _TOLERANCE.get(model.identity["dtype"], _SINGLE)
    scale = float(latents.abs().max())
    return float((latents - others).abs().max()) <= tolerance * scale
