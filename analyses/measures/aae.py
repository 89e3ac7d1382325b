"""What is measured of one adversarial autoencoder."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix
from study.gather import Facts, plain
from torch import Tensor

from latentgeo.datasets import ImageDataset
from latentgeo.metrics import (
    bootstrap_mean,
    choose_bandwidth,
    clustering_error,
    matched_clustering_error,
    mmd_test,
    name_clusters,
    parzen_log_likelihood,
)
from latentgeo.models import RECIPES, Autoencoder, device_of, sample
from latentgeo.models.bottlenecks import Universal
from latentgeo.models.sampling import evaluating
from latentgeo.objectives import Prior

BANDWIDTHS = np.logspace(-1, 0, 10)
_BATCH = 256


def measure(
    model: Autoencoder,
    validation: ImageDataset,
    test: ImageDataset,
    *,
    samples: int,
    tested: int,
    seed: int,
) -> Facts:
    """Measure what the model's variant is for.

    Labels of test images are only counted against: clusters have their names, and the Parzen
    window its bandwidth, from validation images.

    Parameters
    ----------
    model : Autoencoder
        Of the recipe aae.
    validation, test : ImageDataset
        With labels.
    samples : int
        Images that the Parzen window stands on.
    tested : int
        Codes, and as many draws of the prior, that the two-sample test sees.
    seed : int
        Seeds all draws.

    Returns
    -------
    dict
        JSON-ready: "prior" for all; "classification", "clustering" or "likelihood" where the
        variant has it, and "validation_error" beside the first two.
    """
    options: Any = model.config.recipe_options
    found: Facts = {"prior": _follows_prior(model, test.take(min(tested, len(test))), seed)}
    if options.variant in ("semi-supervised", "clustering", "dimensionality-reduction"):
        belongs = category_probabilities(model, validation)
        found["validation_error"] = category_error(model, belongs, validation.labels)
        if finds_clusters(model):
            found["clustering"] = _clusters(model, belongs, validation.labels, test)
        else:
            found["classification"] = _classes(model, test)
    if has_likelihood(options.variant, int(np.prod(model.latent_shape))):
        found["likelihood"] = _likelihood(model, validation, test, samples, seed)
    return found


def has_likelihood(variant: str, dimension: int) -> bool:
    """Return whether the likelihood of samples is measured: a plane is for its picture."""
    return variant == "basic" and dimension > 2


def category_probabilities(model: Autoencoder, images: ImageDataset) -> NDArray[np.float64]:
    """Return how surely each image belongs to each category: (n, K)."""
    return _codes(model, images, "category")


def category_error(
    model: Autoencoder, belongs: NDArray[np.float64], classes: NDArray[np.int64]
) -> float:
    """Return the share of images that are in a wrong category.

    Clusters have their names from the same images.
    """
    names = np.arange(belongs.shape[1])
    if finds_clusters(model):
        names = name_clusters(belongs, classes)
    return clustering_error(belongs, classes, names)


def finds_clusters(model: Autoencoder) -> bool:
    """Return whether the model's categories are clusters, and not classes that it was shown."""
    options: Any = model.config.recipe_options
    return options.labels_seen is None


def _classes(model: Autoencoder, test: ImageDataset) -> Facts:
    found = category_probabilities(model, test).argmax(axis=1)
    return {
        "error": plain(bootstrap_mean(found != test.labels, seed=0)),
        "confused": most_confused(found, test.labels),
    }


def most_confused(found: NDArray[np.int64], classes: NDArray[np.int64]) -> Facts:
    """Return the class that is most often taken for one other, and for which.

    A category that has taken over a part of another class shows here.
    """
    counts = confusion_matrix(classes, found)
    sizes = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    shown, taken_for = np.unravel_index(counts.argmax(), counts.shape)
    return {
        "class": int(shown),
        "taken_for": int(taken_for),
        "images": int(counts.max()),
        "of": int(sizes[shown]),
    }


def _clusters(
    model: Autoencoder,
    taught: NDArray[np.float64],
    classes: NDArray[np.int64],
    test: ImageDataset,
) -> Facts:
    names = name_clusters(taught, classes)
    by_majority = name_clusters(taught, classes, rule="majority")
    belongs = category_probabilities(model, test)
    clusters = belongs.argmax(axis=1)
    return {
        "error": plain(bootstrap_mean(names[clusters] != test.labels, seed=0)),
        "majority_error": plain(bootstrap_mean(by_majority[clusters] != test.labels, seed=0)),
        "matched_error": matched_clustering_error(clusters, test.labels),
        "names": names.tolist(),
        "heads_in_use": len(np.unique(clusters)),
    }


def _likelihood(
    model: Autoencoder, validation: ImageDataset, test: ImageDataset, samples: int, seed: int
) -> Facts:
    drawn = sample(model, samples, seed=seed).cpu()
    return parzen(drawn, validation, test)


def parzen(drawn: Tensor, validation: ImageDataset, test: ImageDataset) -> Facts:
    """Measure the likelihood of test images, the bandwidth chosen on validation images."""
    chosen = choose_bandwidth(validation.batch(slice(None)), drawn, BANDWIDTHS)
    each = parzen_log_likelihood(test.batch(slice(None)), drawn, bandwidth=chosen.value)
    return {
        "nats": plain(bootstrap_mean(each, seed=0)),
        "bandwidth": chosen.value,
        "bandwidth_at_end": chosen.at_end,
        "samples": len(drawn),
    }


def _follows_prior(model: Autoencoder, images: ImageDataset, seed: int) -> Facts:
    name, prior = _continuous_prior(model)
    generator = torch.Generator().manual_seed(seed)
    drawn = prior.sample(len(images), generator)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        codes = _codes(model, images, name)
    test = mmd_test(codes, drawn, seed=seed, scale=prior.spread)
    return {"code": name, "mmd_squared": test.statistic, "p_value": test.p_value}


def _continuous_prior(model: Autoencoder) -> tuple[str, Prior]:
    """Return the code that follows a prior which is no category."""
    recipe = RECIPES[model.config.recipe]
    priors = recipe.priors(model.config.recipe_options, model.latent_shape)
    name = "latent" if "latent" in priors else "style"
    return name, priors[name]


def _codes(model: Autoencoder, images: ImageDataset, name: str) -> NDArray[np.float64]:
    device = device_of(model)
    with evaluating(model):
        if isinstance(model.bottleneck, Universal):
            model.bottleneck.train()  # its posterior is the noise, which it leaves out otherwise
        found = [_code(model, batch.to(device), name) for batch, _ in images.batches(_BATCH)]
    return torch.cat(found).flatten(1).double().numpy()


def _code(model: Autoencoder, images: Tensor, name: str) -> Tensor:
    posterior = model.posterior(images)
    code = posterior.sample() if name == "latent" else (posterior.codes or {})[name]
    return code.cpu()
