"""Which images belong to which split."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentgeo.errors import InputError

SPLITS = ("train", "validation", "test")

#: Images and labels as a file gives them.
Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64] | None


def check_split(split: Any) -> None:
    """Raise an `InputError` unless `split` is one of `SPLITS`."""
    if split not in SPLITS:
        raise InputError(f"split {split!r} is not known: expected one of {', '.join(SPLITS)}")


def hold_out(
    images: Pixels, labels: NDArray[np.int64], split: str, count: int
) -> tuple[Pixels, NDArray[np.int64]]:
    """Part the images that a dataset publishes for training.

    Parameters
    ----------
    images, labels : numpy.ndarray
        The whole published training set, in the order of its files.
    split : {"train", "validation"}
        "validation" is the last `count` images, "train" is all others.
    count : int
        How many images are held out.

    Returns
    -------
    images, labels : numpy.ndarray

    Raises
    ------
    InputError
        When there are no more than `count` images.
    """
    if len(images) <= count:
        raise InputError(
            f"a training file with {len(images)} images is too short: {count} are held out for "
            "validation; expected the canonical file"
        )
    part = slice(-count, None) if split == "validation" else slice(None, -count)
    return images[part], labels[part]
