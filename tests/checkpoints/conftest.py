import numpy as np
import pytest

from latentgeo.datasets import ImageDataset
from latentgeo.training import train


@pytest.fixture
def images():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 1, 8, 8), dtype=np.uint8)
    return ImageDataset.from_array(pixels, name="noise")


@pytest.fixture
def run(tmp_path, images):
    """Train a tiny VAE for an epoch."""
    with pytest.warns(UserWarning, match="has not learned"):
        return train(
            "vae",
            data=images,
            out=tmp_path / "run",
            options={"widths": (2, 3, 4)},
            epochs=1,
            device="cpu",
            progress=False,
        )
