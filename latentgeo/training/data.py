"""The images of a run: what is trained on, and what is held out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.datasets import (
    ALL,
    ImageDataset,
    ImageStream,
    SentenceDataset,
    load,
    training_images,
)
from latentgeo.errors import InputError
from latentgeo.training.config import TrainConfig

_HELD_OUT = 0.1
# What images may take of a card's free memory: most of it is for passes and gradients.
_SHARE_FOR_IMAGES = 1 / 8

Images = ImageDataset | ImageStream


@dataclass(frozen=True)
class Splits:
    """Images to train on, and images to validate on."""

    train: Images
    validation: ImageDataset
    _copies: dict[torch.device, dict[ImageDataset, Tensor]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _epochs: dict[torch.device, tuple[tuple[str, int], Tensor | None]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The words of the channels, where the images are sentences."""
        return self.train.vocabulary if isinstance(self.train, SentenceDataset) else ()

    def facts(self) -> dict[str, Any]:
        """Describe the images, JSON-ready, so that other images can be told from them."""
        return {
            "name": self.train.name,
            "image_shape": list(self.train.shape),
            **{
                part: {"samples": len(images), "sha256": images.fingerprint}
                for part, images in (("train", self.train), ("validation", self.validation))
            },
        }

    def copies_on(self, device: torch.device) -> dict[ImageDataset, Tensor]:
        """Return the tensors kept on a GPU, one copy for all runs that train on them there.

        Parameters
        ----------
        device : torch.device
            The card. A CPU has the images in its memory already.

        Returns
        -------
        dict of ImageDataset to torch.Tensor
            As `copied` gives them, for an eighth of the memory that was free.
        """
        if device.type == "cpu":
            return {}
        if device not in self._copies:
            self._copies[device] = copied((self.train, self.validation), device, _room(device))
        return self._copies[device]

    def epoch_on(self, device: torch.device, images: ImageStream) -> Tensor | None:
        """Make the images of an epoch on a card, once for all that train on these there.

        Parameters
        ----------
        device : torch.device
            The card.
        images : ImageStream
            The images; those of another epoch are given up.

        Returns
        -------
        torch.Tensor of shape (samples, C, H, W) or None
            None where they take more than an eighth of the memory that was free.
        """
        wanted = images.fingerprint, images.epoch
        if self._epochs.get(device, (None, None))[0] != wanted:
            self._epochs.pop(device, None)
            fits = 4 * len(images) * prod(images.shape) <= _room(device)
            made = images.batch(slice(None), device) if fits else None
            self._epochs[device] = wanted, made
        return self._epochs[device][1]

    def batch_on(
        self, device: torch.device, images: Images, positions: NDArray[np.int64]
    ) -> Tensor:
        """Return images (b, C, H, W) on a device, without waiting for it.

        Parameters
        ----------
        device : torch.device
            Where they are needed.
        images : ImageDataset or ImageStream
            Images of these splits.
        positions : numpy.ndarray of shape (b,)
            Which of them.
        """
        if isinstance(images, ImageDataset):
            copy = self.copies_on(device).get(images)
        else:
            copy = None if device.type == "cpu" else self.epoch_on(device, images)
        if copy is None:
            return images.batch(positions).to(device, non_blocking=True)
        chosen = copy[torch.from_numpy(positions).to(device, non_blocking=True)]
        return images.as_seen(chosen) if isinstance(images, ImageDataset) else chosen


def _room(device: torch.device) -> int:
    """Return how many bytes images may take on a card."""
    free, _ = torch.cuda.mem_get_info(device)
    return int(_SHARE_FOR_IMAGES * free)


def copied(parts: Iterable[Images], device: torch.device, room: int) -> dict[ImageDataset, Tensor]:
    """Copy images to a device as they are kept: a batch is gathered there without a transfer.

    Parameters
    ----------
    parts : iterable of ImageDataset or ImageStream
        The images; a stream, which has no end, is left out.
    device : torch.device
        Where to.
    room : int
        Bytes that all may take. Images that need more than is left are left out.

    Returns
    -------
    dict of ImageDataset to torch.Tensor
        `ImageDataset.images` of those that were copied.
    """
    found: dict[ImageDataset, Tensor] = {}
    for part in parts:
        if isinstance(part, ImageDataset) and part.images.nbytes <= room:
            room -= part.images.nbytes
            found[part] = torch.tensor(part.images, device=device)
    return found


def load_splits(data: Any, config: TrainConfig) -> Splits:
    """Load the images of a run.

    Parameters
    ----------
    data : str, pathlib.Path or object
        Whatever `latentgeo.datasets.load` takes: its splits "train" (images without end where the
        data set has them) and "validation" are taken. Of an `ImageDataset`, and of what can be
        read but once, a tenth is held out, the same whatever the seed.
    config : TrainConfig
        `size`, `train_samples` and `seed` decide.

    Returns
    -------
    Splits
        Images to train on and to validate on.

    Raises
    ------
    InputError
        When the data cannot be loaded, or there are fewer images than asked for.
    """
    if isinstance(data, Iterator):
        data = load(data, ALL)
    if isinstance(data, ImageDataset):
        splits = _held_out(data, config)
    else:
        how: dict[str, Any] = {"size": config.size, "skip_unreadable": config.skip_unreadable}
        splits = Splits(training_images(data, **how), load(data, "validation", **how))
    if config.train_samples is None:
        return splits
    return Splits(splits.train.take(config.train_samples, seed=config.seed), splits.validation)


def _held_out(images: ImageDataset, config: TrainConfig) -> Splits:
    if config.size is not None:
        raise InputError(
            f"size is {config.size}, but the data are images already; resize them, or leave it out"
        )
    if len(images) < 2:
        raise InputError(
            f"data {images.name!r} has {len(images)} image, expected at least 2: "
            "one to train on and one to validate on"
        )
    order = np.random.default_rng(0).permutation(len(images))
    count = max(1, round(_HELD_OUT * len(images)))
    return Splits(
        _part(images, np.sort(order[count:]), "train"),
        _part(images, np.sort(order[:count]), "validation"),
    )


def _part(images: ImageDataset, positions: NDArray[np.int64], split: str) -> ImageDataset:
    return replace(images.at(positions), split=split)
