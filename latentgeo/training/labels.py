"""Which labels training may see."""

import numpy as np
from numpy.typing import NDArray

from latentgeo.datasets import ImageDataset, ImageStream
from latentgeo.errors import InputError
from latentgeo.objectives import UNLABELLED, Supervision


def known_labels(
    images: ImageDataset | ImageStream, supervision: Supervision, seed: int
) -> NDArray[np.int64]:
    """Hide the labels of all images but a few.

    Parameters
    ----------
    images : ImageDataset or ImageStream
        The training images.
    supervision : Supervision
        How many keep their label.
    seed : int
        Chooses them. The classes get equally many; where the number cannot be divided, some get
        one more.

    Returns
    -------
    numpy.ndarray of shape (n,)
        The labels, `UNLABELLED` where they are hidden.

    Raises
    ------
    InputError
        When there are no labels, more classes than the recipe knows, fewer labels than classes,
        or a class has too few images.
    """
    labels = all_labels(images, supervision)
    if supervision.labels is None:
        return labels
    _check_number(supervision.labels, supervision.classes)
    rng = np.random.default_rng((seed, supervision.labels))
    known = np.full_like(labels, UNLABELLED)
    wanted = np.full(supervision.classes, supervision.labels // supervision.classes)
    more = rng.permutation(supervision.classes)[: supervision.labels % supervision.classes]
    wanted[more] += 1
    for label, count in enumerate(wanted):
        chosen = _choose(np.flatnonzero(labels == label), count, label, images.name, rng)
        known[chosen] = label
    return known


def all_labels(images: ImageDataset | ImageStream, supervision: Supervision) -> NDArray[np.int64]:
    """Return the labels of images, checked.

    Takes and raises what `known_labels` does.
    """
    labels = _labels(images)
    if labels is None:
        raise InputError(
            f"data {images.name!r} have no labels, which this variant learns from; "
            "use data with labels, or a variant without (variant=basic)"
        )
    if labels.max() >= supervision.classes:
        raise InputError(
            f"data {images.name!r} have labels up to {labels.max()}, but the number of "
            f"categories is {supervision.classes}; set categories={labels.max() + 1}"
        )
    return labels


def probe_labels(images: ImageDataset | ImageStream) -> NDArray[np.int64]:
    """Return the labels of images for a probe, which sees all of them.

    Raises `InputError` when there are none.
    """
    labels = _labels(images)
    if labels is None:
        raise InputError(
            f"data {images.name!r} have no labels, which a probe learns from; use data with "
            "labels, or leave --probe out (probe=False)"
        )
    return labels


def _labels(images: ImageDataset | ImageStream) -> NDArray[np.int64] | None:
    return images.labels if isinstance(images, ImageDataset) else None


def _check_number(labels: int, classes: int) -> None:
    if labels < classes:
        raise InputError(
            f"labels is {labels}, fewer than the {classes} classes; "
            f"expected at least one of each, labels={classes} or more"
        )


def _choose(
    positions: NDArray[np.int64], count: int, label: int, name: str, rng: np.random.Generator
) -> NDArray[np.int64]:
    if len(positions) < count:
        raise InputError(
            f"class {label} of {name!r} has {len(positions)} training images, but {count} labels "
            "of it are wanted; ask for fewer labels, or leave the class out"
        )
    return rng.choice(positions, count, replace=False)
