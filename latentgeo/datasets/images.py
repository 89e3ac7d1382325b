"""A set of images in memory, with what is needed to name it again."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from latentgeo.datasets.streams import checked_seed
from latentgeo.errors import InputError
from latentgeo.foreign.arrays import as_numpy

# Beyond this, a second axis is not taken for colour when the last one may be.
_MOST_COLOURS = 4


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Images of one split, all of one size.

    Make one with `load`, or with `ImageDataset.from_array` from arrays of your own.

    Parameters
    ----------
    name : str
        Name of the dataset.
    split : str
        "train", "validation" or "test".
    images : numpy.ndarray
        Shape (n, C, H, W); uint8 in [0, 255], or float32 in [0, 1]. Kept read-only.
    labels : numpy.ndarray or None
        Shape (n,), int64, positions in `class_names`; None where there are none.
    class_names : tuple of str
        Names of the classes; empty where there are none.
    indices : numpy.ndarray
        Shape (n,), int64: the place of each image in its split. A subset keeps them, so that
        perturbations seeded by them stay those of the same images.
    size : int or None, default=None
        Side in pixels to which the images were resized, None for images as they came.
    files : tuple of str, default=()
        Where each image comes from, below the folder or file that was given; empty where they have
        no names.
    skipped : tuple of str, default=()
        Files that could not be read and were left out.

    Attributes
    ----------
    shape : tuple of int
        (C, H, W).
    fingerprint : str
        SHA-256 of name, split, size, shape, pixels, labels and indices.
    """

    name: str
    split: str
    images: NDArray[Any]
    labels: NDArray[np.int64] | None
    class_names: tuple[str, ...]
    indices: NDArray[np.int64]
    size: int | None = None
    files: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in ("images", "labels", "indices"):
            array = getattr(self, field)
            if array is not None:
                # The fingerprint is computed once, so what it covers must not change.
                object.__setattr__(self, field, _read_only(array))

    @classmethod
    def from_array(
        cls,
        images: ArrayLike,
        labels: ArrayLike | None = None,
        name: str = "user",
        split: str = "test",
    ) -> "ImageDataset":
        """Make a dataset of your own images.

        Parameters
        ----------
        images : array_like
            Shape (n, C, H, W), or (n, H, W) for grey images; uint8 in [0, 255], or floating
            point in [0, 1], which is kept in float32.
        labels : array_like, optional
            Shape (n,), whole numbers from 0.
        name : str, default="user"
            Name of the dataset, for results and messages.
        split : str, default="test"
            Name of the split.

        Returns
        -------
        ImageDataset

        Raises
        ------
        InputError
            When shape, dtype or range are others, a value is NaN, or there are no images.
        """
        pixels = _checked_pixels(as_numpy(images, f"images of {name!r}"), name)
        known = None if labels is None else as_numpy(labels, f"labels of {name!r}")
        classes = None if known is None else _checked_labels(known, len(pixels), name)
        names = () if classes is None else tuple(str(c) for c in range(int(classes.max()) + 1))
        return ImageDataset(name, split, pixels, classes, names, np.arange(len(pixels)))

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"ImageDataset({self.name!r}, {self.split!r}, n={len(self)}, shape={self.shape})"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (C, H, W) of each image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that decides a result on these images, as hexadecimal text."""
        digest = hashlib.sha256()
        facts = (self.name, self.split, self.size, self.images.shape, self.images.dtype.str)
        digest.update(repr(facts).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(b"unlabelled" if self.labels is None else self.labels.tobytes())
        digest.update(self.indices.tobytes())
        return digest.hexdigest()

    def batch(self, indices: Any) -> Tensor:
        """Return images as a tensor.

        Parameters
        ----------
        indices : int array_like or slice
            Positions in this dataset (0 to n - 1), not original indices.

        Returns
        -------
        torch.Tensor
            Shape (b, C, H, W), float32 in [0, 1]; a copy.

        Raises
        ------
        InputError
            When a position lies outside the dataset.
        """
        chosen = indices if isinstance(indices, slice) else np.asarray(indices, dtype=np.int64)
        try:
            pixels = np.array(self.images[chosen])
        except IndexError as error:
            raise InputError(
                f"position {_outside(chosen, len(self))} is not in {self!r}: "
                f"expected 0 to {len(self) - 1}"
            ) from error
        return self.as_seen(torch.from_numpy(pixels))

    def as_seen(self, kept: Tensor) -> Tensor:
        """Make what models see of what is kept, on the device where it lies.

        Parameters
        ----------
        kept : torch.Tensor
            Rows of `images`, in their dtype.

        Returns
        -------
        torch.Tensor
            Shape (b, C, H, W), float32 in [0, 1].
        """
        if kept.dtype != torch.uint8:
            return kept
        # By a tensor: by a number, CUDA multiplies with the inverse, and last bits differ.
        return kept.float().div_(torch.full((), 255.0, device=kept.device))

    def batches(self, size: int) -> Iterator[tuple[Tensor, NDArray[np.int64]]]:
        """Yield the batches of the dataset in order.

        Parameters
        ----------
        size : int
            Number of images in a batch; the last batch may be smaller.

        Yields
        ------
        images : torch.Tensor
            Shape (b, C, H, W), float32 in [0, 1].
        indices : numpy.ndarray
            Shape (b,), their original indices, which `perturb` takes.

        Raises
        ------
        InputError
            When `size` is not a positive whole number.
        """
        if not _is_count(size):
            raise InputError(f"batch size {size!r} cannot be used: expected a whole number from 1")
        return self._walk(size)

    def at_epoch(self, epoch: int) -> "ImageDataset":
        """Return the images that an epoch of training sees: these, in every epoch.

        An `ImageStream` gives others.
        """
        return self

    def take(self, n: int, seed: int | None = None) -> "ImageDataset":
        """Return a subset that remembers which images it holds.

        Parameters
        ----------
        n : int
            Number of images.
        seed : int, optional
            Draw them at random, without replacement; a larger `n` with the same seed begins
            with the same images. By default the first `n` are taken.

        Returns
        -------
        ImageDataset

        Raises
        ------
        InputError
            When `n` is not a whole number from 1 to the number of images, or the seed is
            negative.
        """
        if not _is_count(n) or n > len(self):
            raise InputError(
                f"{n!r} samples of {self.name} ({self.split}) cannot be taken: "
                f"expected a whole number from 1 to {len(self)}"
            )
        if seed is None:
            return self.at(np.arange(n))
        return self.at(np.random.default_rng(checked_seed(seed)).permutation(len(self))[:n])

    def at(self, positions: NDArray[np.int64]) -> "ImageDataset":
        """Return the images at some positions, 0 to n - 1, which remember which they are."""
        return replace(
            self,
            images=self.images[positions],
            labels=None if self.labels is None else self.labels[positions],
            indices=self.indices[positions],
            files=tuple(self.files[position] for position in positions) if self.files else (),
        )

    def _walk(self, size: int) -> Iterator[tuple[Tensor, NDArray[np.int64]]]:
        for start in range(0, len(self), size):
            here = slice(start, start + size)
            yield self.batch(here), self.indices[here]


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def _is_count(value: Any) -> bool:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return whole and bool(value >= 1)


def _outside(positions: Any, n: int) -> int:
    """Find the first position that a dataset of `n` images does not have."""
    flat = np.atleast_1d(positions).ravel()
    return int(flat[(flat >= n) | (flat < -n)][0])


def _checked_pixels(images: NDArray[Any], name: str) -> NDArray[Any]:
    if images.ndim == 3:
        images = images[:, None]
    check_images(images, name)
    return images.copy() if images.dtype == np.uint8 else images.astype(np.float32)


def check_images(images: NDArray[Any], name: str) -> None:
    """Raise an `InputError` unless these are images (n, C, H, W), uint8 or in [0, 1]."""
    _check_shape(images, name)
    if images.dtype == np.uint8:
        return
    if not np.issubdtype(images.dtype, np.floating):
        raise InputError(
            f"images of {name!r} have dtype {images.dtype}: "
            "expected uint8 in [0, 255] or floating point in [0, 1]"
        )
    _check_range(images, name)


def _check_shape(images: NDArray[Any], name: str) -> None:
    if images.ndim != 4:
        raise InputError(
            f"images of {name!r} have shape {images.shape}: expected (n, C, H, W) or (n, H, W); "
            "reshape them (signals to (n, C, 1, L))"
        )
    if 0 in images.shape:
        raise InputError(f"images of {name!r} have shape {images.shape}: there is nothing in them")
    _, first, second, last = images.shape
    if first == second and first > _MOST_COLOURS and last in (1, 3, 4):
        raise InputError(
            f"images of {name!r} have shape {images.shape}, which looks like (n, H, W, C): "
            "expected (n, C, H, W); use numpy.moveaxis(images, -1, 1)"
        )


def _check_range(images: NDArray[Any], name: str) -> None:
    low, high = float(images.min()), float(images.max())  # NaN in the images makes both NaN
    if np.isnan(low):
        bad = np.flatnonzero(np.isnan(images).any(axis=(1, 2, 3)))
        raise InputError(
            f"images of {name!r} hold NaN in {len(bad)} of {len(images)} images, first in image "
            f"{bad[0]}: expected values in [0, 1]"
        )
    if low < 0 or high > 1:
        raise InputError(
            f"images of {name!r} lie in [{low:g}, {high:g}]: expected [0, 1] in floating point "
            "(divide by the largest value), or [0, 255] in uint8"
        )


def _checked_labels(labels: NDArray[Any], n: int, name: str) -> NDArray[np.int64]:
    if labels.shape != (n,):
        raise InputError(
            f"labels of {name!r} have shape {labels.shape}: expected ({n},), one for each image"
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise InputError(
            f"labels of {name!r} have dtype {labels.dtype} and begin with {labels[0]!s}: "
            "expected whole numbers from 0"
        )
    return labels.astype(np.int64)
