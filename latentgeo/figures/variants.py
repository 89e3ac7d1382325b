"""What each variant of the adversarial autoencoder is for, drawn from a trained model."""

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.datasets import ImageDataset
from latentgeo.errors import InputError
from latentgeo.figures._display import Display
from latentgeo.figures.codes import CodesDisplay
from latentgeo.figures.image_grid import ImageGridDisplay
from latentgeo.models import Autoencoder, device_of, sample, sample_latents
from latentgeo.models.aae import AAEOptions
from latentgeo.models.sampling import evaluating

_PLANE = 2
_STYLES, _MEMBERS, _SAMPLES = 8, 8, 8
_BATCH = 256


def draw_variant(model: Autoencoder, images: ImageDataset, *, seed: int = 0) -> dict[str, Display]:
    """Draw the figures of an adversarial autoencoder's variant.

    Parameters
    ----------
    model : Autoencoder
        Of the recipe aae.
    images : ImageDataset
        Images to show it by, such as a few thousand test images. Their labels only colour codes.
    seed : int, default=0
        Seeds draws of the prior and the choice of images.

    Returns
    -------
    dict of str to Display
        "codes": the plane of latents of two numbers, beside the prior. "styles" (supervised and
        semi-supervised): a style in each row, a class or category in each column. "heads"
        (clustering and dimensionality reduction): the head image of each cluster, decoded of its
        category and a style of 0, and images that belong to it. "samples": images of draws of
        the prior, for what has none of these.

    Raises
    ------
    InputError
        When the model is of another recipe, or takes other images.

    References
    ----------
    Makhzani et al., Adversarial Autoencoders (arXiv 1511.05644), sections 2 to 7.
    """
    if model.config.recipe != "aae":
        raise InputError(
            f"model {model.config.recipe!r} has no variants to draw, expected an aae; "
            "see latentgeo.models.sample for images of other recipes"
        )
    variant = _options(model).variant
    drawn: dict[str, Display] = {}
    if model.latent_shape == (_PLANE, 1, 1):
        drawn["codes"] = _codes(model, images, seed, parts=variant == "label-regularised")
    if variant in ("supervised", "semi-supervised"):
        drawn["styles"] = _styles(model, seed, "label" if variant == "supervised" else "category")
    if variant in ("clustering", "dimensionality-reduction"):
        drawn["heads"] = _heads(model, images, seed)
    return drawn or {"samples": _samples(model, seed)}


def _codes(model: Autoencoder, images: ImageDataset, seed: int, *, parts: bool) -> Display:
    with evaluating(model):
        found = [model.encode(batch.to(device_of(model))) for batch, _ in images.batches(_BATCH)]
    labels = images.labels
    known = torch.from_numpy(labels.copy()) if parts and labels is not None else None
    return CodesDisplay(
        _array(torch.cat(found).flatten(1)),
        _array(sample_latents(model, len(images), seed=seed, labels=known).flatten(1)),
        labels=labels,
        prior_labels=None if known is None else labels,
        heads=_learned_heads(model),
    )


def _learned_heads(model: Autoencoder) -> NDArray[np.floating] | None:
    heads = getattr(model.bottleneck, "heads", None)
    return None if heads is None else _array(heads)


def _styles(model: Autoencoder, seed: int, content: str) -> Display:
    """Decode each style with each class: what stays along a row is style."""
    classes = _categories(model)
    style = sample_latents(model, _STYLES, seed=seed).flatten(1)
    width = style.shape[1] - classes
    # The supervised latent has the style first, the semi-supervised one the category.
    drawn = style[:, :width] if content == "label" else style[:, classes:]
    each = torch.eye(classes, device=style.device).repeat(_STYLES, 1)
    images = _decode(model, {"style": drawn.repeat_interleave(classes, 0), content: each})
    return ImageGridDisplay(
        images.reshape(_STYLES, classes, *images.shape[1:]),
        column_labels=[str(number) for number in range(classes)],
        title=f"rows: style, columns: {content}",
    )


def _heads(model: Autoencoder, images: ImageDataset, seed: int) -> Display:
    """Show each cluster's head image, and images of it."""
    count = _categories(model)
    device = device_of(model)
    width = model.latent_shape[0] - (count if _learned_heads(model) is None else 0)
    codes = {"category": torch.eye(count), "style": torch.zeros(count, width)}
    decoded = _decode(model, {name: code.to(device) for name, code in codes.items()})
    clusters = _clusters(model, images)
    rng = np.random.default_rng(seed)
    rows = [_members(images, np.flatnonzero(clusters == number), rng) for number in range(count)]
    return ImageGridDisplay(
        np.concatenate([decoded[:, None], np.stack(rows)], axis=1),
        row_labels=[f"{number}: {(clusters == number).mean():.1%}" for number in range(count)],
        column_labels=["head", *[""] * _MEMBERS],
        title="cluster, its share of the images, its head, images that belong to it",
    )


def _clusters(model: Autoencoder, images: ImageDataset) -> NDArray[np.int64]:
    device = device_of(model)
    with evaluating(model):
        found = [model.posterior(batch.to(device)).codes for batch, _ in images.batches(_BATCH)]
    surely = torch.cat([codes["category"] for codes in found if codes])
    clusters: NDArray[np.int64] = surely.argmax(dim=1).cpu().numpy()
    return clusters


def _members(
    images: ImageDataset, places: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.floating]:
    """Choose images of a cluster, blank where it has too few."""
    chosen = rng.permutation(places)[:_MEMBERS]
    shown = np.ones((_MEMBERS, *images.shape), dtype=np.float32)
    shown[: len(chosen)] = images.batch(chosen).numpy()
    return shown


def _samples(model: Autoencoder, seed: int) -> Display:
    images = _array(sample(model, _SAMPLES**2, seed=seed))
    return ImageGridDisplay(
        images.reshape(_SAMPLES, _SAMPLES, *images.shape[1:]), title="draws of the prior, decoded"
    )


def _decode(model: Autoencoder, codes: dict[str, Tensor]) -> NDArray[np.floating]:
    with evaluating(model):
        latents = model.bottleneck.compose(codes)
        return _array(model.decode(latents.view(-1, *model.latent_shape)))


def _categories(model: Autoencoder) -> int:
    return int(_options(model).categories)


def _options(model: Autoencoder) -> AAEOptions:
    return cast("AAEOptions", model.config.recipe_options)


def _array(values: Tensor) -> NDArray[np.floating]:
    array: NDArray[np.floating] = values.detach().cpu().numpy()
    return array
