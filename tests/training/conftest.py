from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from latentgeo.datasets import ImageDataset
from latentgeo.training import train
from latentgeo.training.step import Steps


def blobs(count=60, seed=0):
    """Make images of one bright disc each: 54 to train on, 6 to validate on."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:8, :8]
    centres = rng.uniform(1, 6, (count, 2, 1, 1))
    distance = (rows - centres[:, 0]) ** 2 + (columns - centres[:, 1]) ** 2
    pixels = (255 * np.exp(-distance / 4)).astype(np.uint8)
    return ImageDataset.from_array(pixels[:, None], name="blobs")


@dataclass
class Trainer:
    """Train a tiny model on the blobs: 7 steps an epoch."""

    folder: Path
    images: ImageDataset

    def __call__(self, name="run", recipe="vae", **settings):
        given = {
            "data": self.images,
            "out": self.folder / name,
            "options": {"widths": (2, 3, 4)},
            "epochs": 3,
            "batch_size": 8,
            "device": "cpu",
            "checkpoint_steps": 3,
            "progress": False,
        }
        return train(recipe, **{**given, **settings})


@pytest.fixture
def images():
    return blobs()


@pytest.fixture
def run(tmp_path, images):
    return Trainer(tmp_path, images)


class Stopped(Exception):
    """What `stop_at` raises."""


@pytest.fixture
def stop_at(monkeypatch):
    """Make training stop when so many steps were made, as if the process had died."""

    def stop(step):
        descend = Steps.descend

        def until(self, batches):
            if self.runs[0].progress.step == step:
                raise Stopped
            return descend(self, batches)

        monkeypatch.setattr(Steps, "descend", until)
        return Stopped

    return stop


def _tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value
    return [
        t for part in parts if isinstance(part, dict | list | torch.Tensor) for t in _tensors(part)
    ]


@pytest.fixture
def assert_same_run():
    """Compare two run folders: best weights, metrics, and every tensor of the last state."""

    def compare(one, other, tensors=50):
        for name in ("model.safetensors", "metrics.csv", "config.json"):
            assert (one / name).read_bytes() == (other / name).read_bytes(), name
        states = [
            _tensors(torch.load(folder / "state" / "last.pt", weights_only=True))
            for folder in (one, other)
        ]
        assert len(states[0]) == len(states[1]) > tensors
        assert all(torch.equal(a, b) for a, b in zip(*states, strict=True))

    return compare
