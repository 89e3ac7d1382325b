"""Training on images that are made when they are asked for."""

import json

import numpy as np
import pytest
import torch

from latentgeo.datasets import ImageStream
from latentgeo.datasets.lines import line_stream
from latentgeo.training import TrainConfig, records, start
from latentgeo.training.data import Splits
from latentgeo.training.step import Step

CONFIG = {"recipe": "cae", "data": "lines"}
DESCEND = Step.descend

pytestmark = pytest.mark.filterwarnings("ignore:.*has not learned")


@pytest.fixture
def lines(run, monkeypatch):
    """Train on 40 fresh lines an epoch, and note which are drawn."""
    drawn = []

    def make(numbers, device):
        drawn.append(np.array(numbers))
        return line_stream().make(numbers, device)

    stream = ImageStream("lines", "train", (1, 32, 32), 40, make, "noted lines")
    load = start.load_splits

    def few(data, config):
        splits = load(data, config)
        return Splits(stream, splits.validation.take(8))

    monkeypatch.setattr(start, "load_splits", few)
    monkeypatch.setattr(records, "mean_image_psnr", lambda train, validation: 50.0)

    def train(name, **settings):
        return run(name, recipe="cae", data="lines", **settings)

    return train, drawn


def test_no_image_is_seen_twice(lines):
    train, drawn = lines
    folder = train("run")
    seen = np.concatenate(drawn)
    assert sorted(seen) == list(range(120))
    assert set(np.concatenate(drawn[:5])) == set(range(40))
    facts = json.loads((folder / "run.json").read_text())["data"]
    assert facts["train"]["samples"] == 40


@pytest.mark.parametrize("step", [3, 8])
def test_resumed_is_bit_for_bit_the_unbroken_run(lines, run, stop_at, monkeypatch, step):
    train, drawn = lines
    unbroken = train("unbroken")
    whole = np.concatenate(drawn)
    drawn.clear()
    stopped = stop_at(step)
    with pytest.raises(stopped):
        train("stopped")
    with monkeypatch.context() as patch:
        patch.setattr(Step, "descend", DESCEND)
        resumed = train("stopped", resume=True)
    assert np.array_equal(drawn[-1], whole[-8:])
    for name in ("model.safetensors", "metrics.csv"):
        assert (resumed / name).read_bytes() == (unbroken / name).read_bytes()


def test_named_lines_are_a_stream(run):
    folder = run("named", recipe="cae", data="lines", train_samples=16, epochs=1)
    facts = json.loads((folder / "run.json").read_text())["data"]
    assert facts["train"]["samples"] == 16
    splits = start.load_splits("lines", TrainConfig(**CONFIG))
    assert isinstance(splits.train, ImageStream)
    assert torch.equal(splits.train.batch([5]), splits.train.at_epoch(0).batch([5]))
