"""How good the images are that a model makes: of images, of nothing, and between images."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.datasets import ImageDataset
from latentgeo.metrics import bootstrap_mean, frechet_feature_distance, interpolate, psnr, sharpness
from latentgeo.models import Autoencoder, device_of, sample
from latentgeo.models.sampling import evaluating

Facts = dict[str, Any]
_BATCH = 250
_SHOWN, _PAIRS, _STEPS = 11, 2, 11


class Maker(NamedTuple):
    """What makes images, in batches on the CPU.

    Attributes
    ----------
    reconstruct : callable
        Images (b, C, H, W) to their reconstructions.
    sample : callable or None
        (n, seed) to images of nothing; None where the model has no prior.
    between : callable
        Images (p, C, H, W), as many others, and steps, to paths (p, steps, C, H, W).
    through : callable or None
        Images to reconstructions that went through a second stage too.
    """

    reconstruct: Callable[[Tensor], Tensor]
    sample: Callable[[int, int], Tensor] | None
    between: Callable[[Tensor, Tensor, int], Tensor]
    through: Callable[[Tensor], Tensor] | None = None


def maker_of(model: Autoencoder, *, samples: bool = True) -> Maker:
    """Return what a model makes: of its latents, and of draws of its prior."""
    device = device_of(model)

    def encode(images: Tensor) -> Tensor:
        with evaluating(model):
            return model.encode(images.to(device))

    def decode(latents: Tensor) -> Tensor:
        with evaluating(model):
            return model.decode(latents).cpu()

    def reconstruct(images: Tensor) -> Tensor:
        return decode(encode(images))

    def between(start: Tensor, end: Tensor, steps: int) -> Tensor:
        return _along(decode, interpolate(encode(start), encode(end), steps))

    def draw(n: int, seed: int) -> Tensor:
        return sample(model, n, seed=seed).cpu()

    return Maker(reconstruct, draw if samples else None, between)


def maker_of_stacked(model: Autoencoder) -> Maker:
    """Return what a stacked autoencoder makes; paths lie in its second code."""
    device = device_of(model)

    def code(images: Tensor) -> Tensor:
        with evaluating(model):
            return (model.posterior(images.to(device)).codes or {})["code"]

    def decode(codes: Tensor) -> Tensor:
        with evaluating(model):
            latents = model.bottleneck.compose({"code": codes})
            return model.decode(latents.view(-1, *model.latent_shape)).cpu()

    def between(start: Tensor, end: Tensor, steps: int) -> Tensor:
        return _along(decode, interpolate(code(start), code(end), steps))

    def through(images: Tensor) -> Tensor:
        return decode(code(images))

    return maker_of(model)._replace(between=between, through=through)


def _along(decode: Callable[[Tensor], Tensor], path: Tensor) -> Tensor:
    return decode(path.flatten(0, 1)).unflatten(0, path.shape[:2])


def quality(
    maker: Maker, test: ImageDataset, features: Callable[[Tensor], Any], *, seed: int
) -> Facts:
    """Measure reconstructions of test images, and as many samples.

    Parameters
    ----------
    maker : Maker
        What makes images, in [0, 1].
    test : ImageDataset
        Test images.
    features : callable
        Images to the features of the Fréchet distance.
    seed : int
        Seeds the samples.

    Returns
    -------
    dict
        JSON-ready: squared error summed over pixels and PSNR, with intervals over images;
        Fréchet distances to the test images; mean sharpness.
    """
    made = _made(maker.reconstruct, test)
    found = {**_errors(made, test, ""), **_realism(made, test, features, "reconstructions")}
    if maker.through is not None:
        found |= _errors(_made(maker.through, test), test, "through_")
    if maker.sample is not None:
        drawn = maker.sample(len(test), seed)
        found |= _realism(torch.split(drawn, _BATCH), test, features, "samples")
    return found


def realism_of_images(
    images: ImageDataset, test: ImageDataset, features: Callable[[Tensor], Any]
) -> Facts:
    """Measure real images in the place of samples: the floor of the distance."""
    batches = [batch for batch, _ in images.batches(_BATCH)]
    return _realism(batches, test, features, "samples")


def pictures(maker: Maker, test: ImageDataset, *, seed: int) -> dict[str, NDArray[np.float32]]:
    """Return a few reconstructions, paths and samples to look at."""
    few = test.batch(slice(_SHOWN))
    start, end = test.batch(slice(_PAIRS)), test.batch(slice(_PAIRS, 2 * _PAIRS))
    shown = {
        "reconstructions": maker.reconstruct(few),
        "paths": maker.between(start, end, _STEPS),
    }
    if maker.sample is not None:
        shown["samples"] = maker.sample(_SHOWN, seed)
    return {name: images.numpy() for name, images in shown.items()}


def _errors(made: list[Tensor], test: ImageDataset, prefix: str) -> dict[str, Facts]:
    pairs = [(image, batch) for image, (batch, _) in zip(made, test.batches(_BATCH), strict=True)]
    squared = torch.cat([(image - batch).square().flatten(1).sum(1) for image, batch in pairs])
    decibels = torch.cat([psnr(image, batch, data_range=1) for image, batch in pairs])
    return {
        f"{prefix}squared_error": _over_images(squared),
        f"{prefix}psnr_db": _over_images(decibels),
    }


def _realism(
    images: Iterable[Tensor],
    test: ImageDataset,
    features: Callable[[Tensor], Any],
    what: str,
) -> Facts:
    batches = list(images)
    real = (batch for batch, _ in test.batches(_BATCH))
    return {
        f"fd_{what}": frechet_feature_distance(batches, real, features),
        f"sharpness_{what}": _over_images(torch.cat([sharpness(batch) for batch in batches])),
    }


def _made(reconstruct: Callable[[Tensor], Tensor], test: ImageDataset) -> list[Tensor]:
    return [reconstruct(batch) for batch, _ in test.batches(_BATCH)]


def _over_images(values: Tensor) -> dict[str, float]:
    interval = bootstrap_mean(values.numpy(), seed=0)
    return {name: float(value) for name, value in interval._asdict().items()}
