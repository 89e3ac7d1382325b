"""Images that a model makes of nothing but its prior."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from latentgeo.errors import InputError
from latentgeo.models.autoencoder import Autoencoder
from latentgeo.models.device import device_of
from latentgeo.models.recipes import RECIPES
from latentgeo.objectives import Prior

_BATCH = 256


def sample_latents(
    model: Autoencoder, n: int, *, seed: int, labels: Tensor | None = None
) -> Tensor:
    """Draw latents from the prior of a model.

    A stacked autoencoder draws its second code and decodes it to the first.

    Parameters
    ----------
    model : Autoencoder
        Of a recipe that has a prior.
    n : int
        How many.
    seed : int
        Seeds the draws.
    labels : torch.Tensor of shape (n,), optional
        Classes, int64: for priors with a part for each class, and for decoders that are given the
        class.

    Returns
    -------
    torch.Tensor of shape (n, C, H, W)
        Latents on the model's device.

    Raises
    ------
    InputError
        When the recipe has no prior, or the labels do not fit.
    """
    priors = _priors(model)
    _check(n, labels)
    generator = torch.Generator().manual_seed(seed)
    device = device_of(model)
    codes = {
        name: prior.sample(n, generator, labels=labels).to(device) for name, prior in priors.items()
    }
    with evaluating(model):
        return model.bottleneck.compose(codes).view(n, *model.latent_shape)


def sample(model: Autoencoder, n: int, *, seed: int = 0, labels: Tensor | None = None) -> Tensor:
    """Draw images: latents of the prior, decoded.

    Takes and raises what `sample_latents` does.

    Returns
    -------
    torch.Tensor of shape (n, channels, rows, columns)
        In [0, 1], on the model's device.
    """
    latents = sample_latents(model, n, seed=seed, labels=labels)
    with evaluating(model):
        parts = [latents[start : start + _BATCH] for start in range(0, n, _BATCH)]
        return torch.cat([model.decode(part) for part in parts])


@contextmanager
def evaluating(model: Autoencoder) -> Iterator[None]:
    """Set a model to evaluation mode without gradients within a block."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def _priors(model: Autoencoder) -> Mapping[str, Prior]:
    recipe = RECIPES.get(model.config.recipe)
    priors = (
        {} if recipe is None else recipe.priors(model.config.recipe_options, model.latent_shape)
    )
    if not priors:
        raise InputError(
            f"model {model.config.recipe!r} has no prior, so there is nothing to sample from; "
            "train a vae, an aae, a wae or a swae for that"
        )
    return priors


def _check(n: int, labels: Tensor | None) -> None:
    if n < 1:
        raise InputError(f"n is {n}, expected at least 1 sample")
    if labels is not None and tuple(labels.shape) != (n,):
        raise InputError(
            f"labels have shape {tuple(labels.shape)}, expected ({n},), one for each sample"
        )
