"""What a step is fed: which images, in which order, with which labels, on the device."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.objectives import UNLABELLED, Batch, Corruption, Labelled, Supervision
from latentgeo.training.config import TrainConfig
from latentgeo.training.data import Images, Splits
from latentgeo.training.labels import all_labels, known_labels, probe_labels

Positions = NDArray[np.int64]


class Batches:
    """The batches of a run; which images they hold depends on seed, epoch and step alone.

    Parameters
    ----------
    config : TrainConfig
        Batch size, seed, and whether there is a probe.
    splits : Splits
        The images.
    device : torch.device
        Where the batches are needed.
    supervision : Supervision, optional
        The labels that the recipe may see.
    corruption : callable, optional
        What the encoder sees in place of the images.
    """

    def __init__(
        self,
        config: TrainConfig,
        splits: Splits,
        device: torch.device,
        supervision: Supervision | None,
        corruption: Corruption | None,
    ) -> None:
        self._config = config
        self._splits = splits
        self._device = device
        self.supervision = supervision
        self.corruption = corruption
        if supervision is not None:
            self._validation_labels = all_labels(splits.validation, supervision)
            self._known = known_labels(splits.train, supervision, config.seed)
        self.steps_per_epoch = steps_per_epoch(len(splits.train), config.batch_size)

    def positions(self, epoch: int, first: int) -> Iterator[Positions]:
        """Yield the positions of each batch of an epoch, from the batch `first` on."""
        count, size = len(self._splits.train), self._config.batch_size
        order = np.random.default_rng((self._config.seed, epoch)).permutation(count)
        for batch in range(first, self.steps_per_epoch):
            yield order[batch * size : (batch + 1) * size]

    def pretraining(self, steps: int) -> Iterator[Batch]:
        """Yield batches for so many steps before the first epoch."""
        images, rng = self._splits.train, np.random.default_rng((self._config.seed, 0, 2))
        size = min(len(images), self._config.batch_size)
        for _ in range(steps):
            yield self.training(images, rng.choice(len(images), size, replace=False), 0)

    def training(self, images: Images, positions: Positions, step: int) -> Batch:
        """Return a batch to train on, with the labels that the recipe and the probe may see.

        Parameters
        ----------
        images : ImageDataset or ImageStream
            The training images of the present epoch.
        positions : numpy.ndarray of shape (b,)
            Which of them.
        step : int
            Steps made before; it seeds which labelled images go with the batch.
        """
        batch = Batch(self._images(images, positions))
        if self.supervision is not None:
            batch = batch._replace(labels=self._labels(self._known, positions))
            if self.supervision.batch:
                batch = batch._replace(labelled=self._labelled(images, step))
        return self._with_probe_labels(batch, self._splits.train, positions)

    def validation(self) -> Iterator[Batch]:
        """Yield all validation images with their labels."""
        images = self._splits.validation
        parts = math.ceil(len(images) / self._config.batch_size)
        # In parts of nearly one size: a last part of one image would have no spread.
        for positions in np.array_split(np.arange(len(images)), parts):
            batch = Batch(self._images(images, positions))
            if self.supervision is not None:
                batch = batch._replace(labels=self._labels(self._validation_labels, positions))
            yield self._with_probe_labels(batch, images, positions)

    def corrupt(self, images: Tensor) -> Tensor:
        """Return what the encoder sees."""
        return images if self.corruption is None else self.corruption(images)

    def _labelled(self, images: Images, step: int) -> Labelled:
        assert self.supervision is not None
        rng = np.random.default_rng((self._config.seed, step, 1))
        chosen = rng.choice(np.flatnonzero(self._known != UNLABELLED), self.supervision.batch)
        seen = self.corrupt(self._images(images, chosen))
        return Labelled(seen, self._labels(self._known, chosen))

    def _with_probe_labels(self, batch: Batch, images: Images, positions: Positions) -> Batch:
        if not self._config.probe:
            return batch
        return batch._replace(probe_labels=self._labels(probe_labels(images), positions))

    def _images(self, images: Images, positions: Positions) -> Tensor:
        seen = self._splits.batch_on(self._device, images, positions)
        return seen.contiguous(memory_format=torch.channels_last)

    def _labels(self, labels: Positions, positions: Positions) -> Tensor:
        return torch.from_numpy(labels[positions]).to(self._device, non_blocking=True)


def steps_per_epoch(samples: int, size: int) -> int:
    """Return how many batches an epoch has, without a last one of a single image.

    Batch statistics and kernel estimates need two.
    """
    alone = samples % size == 1 and samples > 1 < size
    return math.ceil(samples / size) - alone
