"""Which images belong to which split."""

import hashlib
import unicodedata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentgeo.errors import InputError

SPLITS = ("train", "validation", "test")

# What folders and arrays of the splits are called.
_FOLDERS = {
    **dict.fromkeys(("train", "training", "trainset", "train_set", "training_set"), "train"),
    **dict.fromkeys(
        ("val", "valid", "validation", "dev", "val_set", "validation_set"), "validation"
    ),
    **dict.fromkeys(("test", "testing", "testset", "test_set"), "test"),
}

#: Training images held out for validation, where a dataset publishes no split of its own.
VALIDATION = 5000

#: Images and labels as a file gives them.
Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64] | None


def check_split(split: Any) -> None:
    """Raise an `InputError` unless `split` is one of `SPLITS`."""
    if split not in SPLITS:
        raise InputError(f"split {split!r} is not known: expected one of {', '.join(SPLITS)}")


def split_named(folder: str) -> str | None:
    """Return the split that a folder's name says: "val", "Validation" and the like."""
    return _FOLDERS.get(folder.lower())


def split_of_name(name: str) -> str:
    """Return the split of a thing from its name alone: "train" for 8 of 10."""
    # One name has one form here, however a file system writes its accents.
    form = unicodedata.normalize("NFC", name)
    content = form.encode(errors="surrogateescape")  # a file's name need not be UTF-8
    tenth = int(hashlib.sha256(content).hexdigest(), 16) % 10
    return {8: "validation", 9: "test"}.get(tenth, "train")


def hold_out(
    images: Pixels, labels: NDArray[np.int64], split: str
) -> tuple[Pixels, NDArray[np.int64]]:
    """Part the images that a dataset publishes for training.

    Parameters
    ----------
    images, labels : numpy.ndarray
        The whole published training set, in the order of its files.
    split : {"train", "validation"}
        "validation" is the last 5,000 images, "train" is all others.

    Returns
    -------
    images, labels : numpy.ndarray

    Raises
    ------
    InputError
        When there are no more than 5,000 images.
    """
    if len(images) <= VALIDATION:
        raise InputError(
            f"a training file with {len(images)} images is too short: {VALIDATION} are held out "
            "for validation; expected the canonical file"
        )
    part = slice(-VALIDATION, None) if split == "validation" else slice(None, -VALIDATION)
    return images[part], labels[part]
