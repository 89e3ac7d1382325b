"""How well codes follow their prior, as a classifier tells that training never met."""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier
from study import Facts, Measure, Run

from latentgeo.datasets import load
from latentgeo.models import Autoencoder, device_of

MEASURES = {
    "told_at_positions": Measure(
        "codes told from the prior at one position, %",
        lambda run: float(run["told_at_positions"]),
        1,
        100,
    ),
    "told_as_a_whole": Measure(
        "codes told from the prior as a whole, %", lambda run: float(run["told_as_a_whole"]), 1, 100
    ),
}
_IMAGES = 1000
_EACH = 4000


def beside_prior(run: Run) -> Facts:
    """Return how often codes of test images are told from draws of a standard normal prior.

    Half of the images teach a classifier of one hidden layer, the other half count: 0.5 where
    codes follow the prior, 1 where none does. Once each position is a code, once the whole latent.
    """
    model = run.trained()
    test = load(run.data)
    images = test.batch(slice(min(_IMAGES, len(test))))
    codes = _draws_of_posterior(model, images, run.seed)
    draws = np.random.default_rng(run.seed).standard_normal(codes.shape).astype(np.float32)
    return {
        "told_at_positions": told_apart(_by_position(codes), _by_position(draws), run.seed),
        "told_as_a_whole": told_apart(_whole(codes), _whole(draws), run.seed),
    }


def told_apart(one: NDArray[np.float32], other: NDArray[np.float32], seed: int) -> float:
    """Return the accuracy of a classifier of two samples on halves that it was not taught with."""
    half = len(one) // 2
    rng = np.random.default_rng(seed)
    sets = [
        [part[rng.permutation(len(part))[:_EACH]] for part in (each[:half], each[half:])]
        for each in (one, other)
    ]
    (taught, counted), (taught_other, counted_other) = sets
    labels = np.repeat([0, 1], [len(taught), len(taught_other)])
    net = MLPClassifier((64,), random_state=seed, early_stopping=True)
    net.fit(np.concatenate([taught, taught_other]), labels)
    right = [np.mean(net.predict(counted) == 0), np.mean(net.predict(counted_other) == 1)]
    return float(np.mean(right))


@torch.no_grad()
def _draws_of_posterior(model: Autoencoder, images: torch.Tensor, seed: int) -> NDArray[np.float32]:
    """Return one draw of each image's posterior, its positions flattened: (n, C, positions)."""
    posterior = model.posterior(images.to(device_of(model)))
    generator = torch.Generator(posterior.mean.device).manual_seed(seed)
    return posterior.sample(generator).flatten(2).cpu().numpy()


def _by_position(codes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (n·positions, C), the positions of an image beside each other."""
    return codes.transpose(0, 2, 1).reshape(-1, codes.shape[1])


def _whole(codes: NDArray[np.float32]) -> NDArray[np.float32]:
    return codes.reshape(len(codes), -1)
