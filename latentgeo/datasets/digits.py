"""Handwritten digits that come with scikit-learn: real images without a download."""

from pathlib import Path

import numpy as np

from latentgeo.datasets.resizing import resize
from latentgeo.datasets.splits import Labels, Pixels

_SIDE = 28
_BRIGHTEST = 16
_PARTS = {"train": slice(0, 1257), "validation": slice(1257, 1437), "test": slice(1437, None)}


def read_digits(folder: Path, split: str, size: int | None) -> tuple[Pixels, Labels]:
    """Return scikit-learn's 1,797 digits, enlarged from 8×8 to 28×28.

    They lie in the order in which they were written, so test images are mostly by other
    writers than training images.

    Parameters
    ----------
    folder : pathlib.Path
        Not used: the images come with scikit-learn.
    split : str
        "train" is the first 1,257 images, "validation" the next 180, "test" the last 360.
    size : int or None
        Not used: `load` resizes.

    Returns
    -------
    images : numpy.ndarray
        Shape (n, 1, 28, 28), uint8.
    labels : numpy.ndarray
        Shape (n,), int64.
    """
    from sklearn.datasets import load_digits  # slow to import, and nothing else needs it

    bundled = load_digits()
    small = np.rint(bundled.images[_PARTS[split]] * (255 / _BRIGHTEST)).astype(np.uint8)
    return resize(small[:, None], _SIDE), bundled.target[_PARTS[split]].astype(np.int64)
