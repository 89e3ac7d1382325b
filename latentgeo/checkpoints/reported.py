"""Reconstruction and divergence of a model on images, in the units that authors report."""

from typing import NamedTuple

import torch
from torch.nn.functional import binary_cross_entropy

from latentgeo.datasets import ImageDataset
from latentgeo.metrics import psnr
from latentgeo.models import Autoencoder, device_of

_BATCH = 100


class ReportedFigures(NamedTuple):
    """Sums over pixels or latents, means over images.

    Attributes
    ----------
    images : int
        How many there were.
    psnr_db : float
        PSNR of the decoded latent or posterior mean.
    bernoulli_nats : float
        Cross-entropy of an image's pixels, taken for probabilities, with the decoded latent, or one
        draw of the posterior, in nats.
    squared_error : float
        Sum of the squared differences of the same in [0, 1].
    divergence_nats : float or None
        Kullback-Leibler divergence of the Gaussian posterior from the standard normal, in nats;
        None for a latent without a posterior.
    """

    images: int
    psnr_db: float
    bernoulli_nats: float
    squared_error: float
    divergence_nats: float | None


@torch.no_grad()
def measure_reported(model: Autoencoder, images: ImageDataset) -> ReportedFigures:
    """Compute how well a model reconstructs, as authors report it.

    Parameters
    ----------
    model : Autoencoder
        With a decoder.
    images : ImageDataset
        Images of the shape that it takes.

    Returns
    -------
    ReportedFigures
        At the size that the network sees, with seeded draws.
    """
    generator = torch.Generator(device_of(model)).manual_seed(0)
    sums = dict.fromkeys(("decibels", "nats", "squares", "divergence"), 0.0)
    for batch, _ in images.batches(_BATCH):
        target = model.target(batch)
        posterior = model.posterior(batch.to(device_of(model)))
        decoded = model.decode(posterior.mean).float().cpu()
        sums["decibels"] += float(psnr(decoded, target, data_range=1.0).sum())
        if posterior.log_variance is not None:
            decoded = model.decode(posterior.sample(generator)).float().cpu()
            terms = posterior.mean**2 + posterior.log_variance.expm1() - posterior.log_variance
            sums["divergence"] += 0.5 * float(terms.double().sum())
        sums["nats"] += float(binary_cross_entropy(decoded, target, reduction="sum"))
        sums["squares"] += float((decoded - target).square().sum())
    means = {name: value / len(images) for name, value in sums.items()}
    return ReportedFigures(
        len(images),
        means["decibels"],
        means["nats"],
        means["squares"],
        means["divergence"] if model.stochastic else None,
    )
