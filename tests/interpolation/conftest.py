import numpy as np
import pytest
from torch import nn

from latentgeo.datasets import ImageDataset
from latentgeo.models import wrap

SIDE = 8


def make_images(count=60, side=SIDE, seed=0):
    pixels = np.random.default_rng(seed).uniform(size=(count, 1, side, side)).astype(np.float32)
    return ImageDataset.from_array(pixels, labels=np.arange(count) % 3, name="noise")


@pytest.fixture(scope="session")
def images():
    return make_images()


@pytest.fixture
def pixels():
    """Return a model whose latents are the pixels: every path is a fade."""
    return wrap(nn.Identity(), nn.Identity(), image_shape=(1, SIDE, SIDE))
