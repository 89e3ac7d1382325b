"""Runs of one epoch, which benchmarks of the loop time."""

from typing import Any

import torch

from latentgeo.datasets import ImageDataset, ImageStream
from latentgeo.models import Autoencoder
from latentgeo.training import TrainConfig
from latentgeo.training.data import Splits
from latentgeo.training.start import fresh_model


def one_epoch(images: ImageDataset | ImageStream, **settings: Any) -> TrainConfig:
    """Return the settings of a run of one epoch that saves its state at the end alone."""
    return TrainConfig(data=images.name, epochs=1, checkpoint_steps=len(images), **settings)


def seeded_model(config: TrainConfig, splits: Splits) -> Autoencoder:
    """Build the model with the weights that a run begins with."""
    torch.manual_seed(config.seed)
    return fresh_model(config, splits)
