"""Published data sets as others leave them in a folder: known by their files, whatever its name."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from latentgeo.datasets import celeba, cifar10, svhn
from latentgeo.datasets.idx import find_pairs, read_pair
from latentgeo.datasets.splits import Labels, Pixels
from latentgeo.errors import InputError

_DIGITS = tuple("0123456789")


class Layout(NamedTuple):
    """What lies in a folder.

    Attributes
    ----------
    read : callable
        A split and a size to images and labels.
    class_names : tuple of str
        Names of the classes; empty where they are not known.
    """

    read: Callable[[str, int | None], tuple[Pixels, Labels]]
    class_names: tuple[str, ...] = ()


def find_layout(folder: Path) -> Layout | None:
    """Return how a folder is to be read, where it holds the files of a data set that is known.

    Those are idx files (MNIST and its kin), CIFAR-10 in its binary version and that for Python,
    SVHN's cropped digits and CelebA.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.

    Returns
    -------
    Layout or None

    Raises
    ------
    InputError
        When it holds two sets of idx files.
    """
    if pairs := find_pairs(folder):
        return Layout(lambda split, size: _idx(pairs, split, folder))
    if cifar10.find_cifar10(folder) is not None:
        return Layout(
            lambda split, size: cifar10.read_cifar10(folder, split, size), cifar10.CLASS_NAMES
        )
    if all((folder / file.name).is_file() for file in svhn.FILES.values()):
        return Layout(lambda split, size: svhn.read_svhn(folder, split, size), _DIGITS)
    if celeba.find_partition(folder) is not None:
        return Layout(lambda split, size: celeba.read_celeba(folder, split, size))
    return None


def _idx(pairs: dict[str, tuple[Path, Path]], split: str, folder: Path) -> tuple[Pixels, Labels]:
    part = "test" if split == "test" else "train"
    if part not in pairs:
        raise InputError(
            f"folder {str(folder)!r} has idx files of {', '.join(pairs)} images alone, none for "
            f"split {split!r}; choose another split (--split)"
        )
    images, labels = read_pair(*pairs[part], split)
    return images, np.asarray(labels)
