"""Rivals of the stacked autoencoder that give latents of a trained model a density of their own."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture
from study import Facts, Run, finish_run
from torch import Tensor

from latentgeo.datasets import ImageDataset, load
from latentgeo.models import Autoencoder, device_of, load_model, sample
from latentgeo.models.sampling import evaluating
from measures import image_runs
from measures.images import Maker, maker_of

_BATCH = 250
#: Standard deviation, in the latents' unit, of what the second stage leaves of a latent. The paper
#: of the two-stage VAE learns it.
_LEFT = 0.25
_GAUSSIAN_DEVIATION = 0.1  # of the likelihood "gaussian"


def measure_mixture(base: str, run: Run) -> Facts:
    """Measure a Gaussian mixture of the latents of another model of the same seed."""
    first, scale = replace(run, name=base), run.scale
    model = first.trained()
    known, validation = (load(run.data, split) for split in ("train", "validation"))
    few = known.take(min(scale.fitted, len(known)), seed=run.seed)
    latents, others = (draw_latents(model, images, seed=run.seed) for images in (few, validation))
    mixture = fit_mixture(latents, others, scale.components, seed=run.seed)
    found = image_runs.measure(run, maker_of_mixture(model, mixture))
    sound = image_runs.sound_facts(first.folder)
    return {**sound, **found, "components": mixture.n_components}


def measure_second_stage(base: str, run: Run) -> Facts:
    """Measure a second autoencoder of the latents of another model of the same seed."""
    first, scale = replace(run, name=base), run.scale
    model = first.trained()
    second = finish_second_stage(
        draw_latents(model, load(run.data, "train"), seed=run.seed),
        run.folder,
        hidden=scale.stage_hidden,
        epochs=scale.second_epochs,
        batch_size=scale.batch_size,
        learning_rate=scale.learning_rate,
        schedule=scale.schedule,
        seed=run.seed,
        device=run.device,
        progress=False,
    )
    found = image_runs.measure(run, maker_of_two_stages(model, second))
    return {**found, **image_runs.sound_facts(first.folder, run.folder)}


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
    """Return what a model makes when its latents are drawn from a mixture."""

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
    """Return what a model makes when its latents are drawn from a second stage."""

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
