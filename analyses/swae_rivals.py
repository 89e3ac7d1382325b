"""Rivals of the stacked autoencoder that give latents of a trained model a density of their own."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from image_makers import Maker, maker_of
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture
from study_runs import finish_run
from torch import Tensor

from latentgeo.datasets import ImageDataset
from latentgeo.models import Autoencoder, device_of, load_model, sample
from latentgeo.models.sampling import evaluating

_BATCH = 250
#: Standard deviation, in the latents' unit, of what the second stage leaves of a latent. The paper
#: of the two-stage VAE learns it.
_LEFT = 0.25
_GAUSSIAN_DEVIATION = 0.1  # of the likelihood "gaussian"


def draw_latents(model: Autoencoder, images: ImageDataset, *, seed: int) -> NDArray[np.float64]:
    """Draw a latent of each image's posterior: (n, d)."""
    device = device_of(model)
    generator = torch.Generator(device).manual_seed(seed)
    with evaluating(model):
        drawn = [
            model.posterior(batch.to(device)).sample(generator).cpu()
            for batch, _ in images.batches(_BATCH)
        ]
    latents: NDArray[np.float64] = torch.cat(drawn).flatten(1).double().numpy()
    return latents


def fit_mixture(
    latents: NDArray[np.float64],
    validation: NDArray[np.float64],
    components: tuple[int, ...],
    *,
    seed: int,
) -> GaussianMixture:
    """Fit Gaussian mixtures to latents, and give the one under which others are likeliest.

    Parameters
    ----------
    latents, validation : numpy.ndarray of shape (n, d)
        What is fitted to, and what chooses.
    components : tuple of int
        How many components are tried.
    seed : int
        Seeds the fits.

    Returns
    -------
    sklearn.mixture.GaussianMixture
        With full covariances.
    """
    fits = [GaussianMixture(count, random_state=seed).fit(latents) for count in components]
    return max(fits, key=lambda fit: float(fit.score(validation)))


def maker_of_mixture(model: Autoencoder, mixture: GaussianMixture) -> Maker:
    """Give what a model makes when its latents are drawn from a mixture."""

    def draw(n: int, seed: int) -> Tensor:
        mixture.set_params(random_state=seed)
        latents, _ = mixture.sample(n)
        return _decode(model, torch.from_numpy(latents).float())

    return maker_of(model)._replace(sample=draw)


class SecondStage(NamedTuple):
    """A variational autoencoder of another's latents.

    Attributes
    ----------
    model : Autoencoder
        Of latents brought to [0, 1].
    low, high : float
        The latents that became 0 and 1.
    """

    model: Autoencoder
    low: float
    high: float

    def draw(self, n: int, seed: int) -> Tensor:
        """Draw latents of the first stage: (n, d)."""
        scaled = sample(self.model, n, seed=seed).flatten(1).cpu()
        generator = torch.Generator().manual_seed(seed)
        left = _LEFT * torch.randn(scaled.shape, generator=generator)
        return self.low + (self.high - self.low) * scaled + left


def finish_second_stage(
    latents: NDArray[np.float64], folder: Path, *, hidden: tuple[int, ...], **settings: Any
) -> SecondStage:
    """Train a variational autoencoder of latents, unless that is done.

    Parameters
    ----------
    latents : numpy.ndarray of shape (n, d)
        Draws of the first stage's posteriors.
    folder : pathlib.Path
        The run folder.
    hidden : tuple of int
        Widths of the hidden layers of both nets.
    **settings
        Further settings of `latentgeo.train`.

    Returns
    -------
    SecondStage
        Its own latents have as many numbers as the first stage's.

    References
    ----------
    Dai and Wipf, Diagnosing and Enhancing VAE Models (arXiv 1903.05789), section 4.
    """
    low, high = float(latents.min()), float(latents.max())
    scaled = (latents - low) / (high - low)
    images = ImageDataset.from_array(scaled[..., None, None], name="latents", split="train")
    # With this weight the likelihood's deviation of 0.1 counts as the one that is wanted.
    weight = (_LEFT / (high - low) / _GAUSSIAN_DEVIATION) ** 2
    finish_run(
        "vae",
        folder,
        backbone="mlp",
        data=images,
        options={
            "hidden": hidden,
            "latent_dim": latents.shape[1],
            "likelihood": "gaussian",
            "kl_weight": weight,
            "kl_warmup": 0.0,
        },
        **settings,
    )
    return SecondStage(load_model(folder).eval(), low, high)


def maker_of_two_stages(model: Autoencoder, second: SecondStage) -> Maker:
    """Give what a model makes when its latents are drawn from a second stage."""

    def draw(n: int, seed: int) -> Tensor:
        return _decode(model, second.draw(n, seed))

    return maker_of(model)._replace(sample=draw)


def _decode(model: Autoencoder, latents: Tensor) -> Tensor:
    device = device_of(model)
    shaped = latents.view(-1, *model.latent_shape)
    with evaluating(model):
        return torch.cat(
            [model.decode(part.to(device)).cpu() for part in torch.split(shaped, _BATCH)]
        )
