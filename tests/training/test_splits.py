import numpy as np
import pytest
import torch

from latentgeo.datasets import ImageDataset, ImageStream, SentenceDataset, load
from latentgeo.metrics import psnr
from latentgeo.settings import parse
from latentgeo.training import TrainConfig
from latentgeo.training.baseline import mean_image_psnr, psnr_in_decibels
from latentgeo.training.batches import steps_per_epoch
from latentgeo.training.data import Splits, copied, load_splits
from latentgeo.training.schedule import learning_rate_factor


def config(**values):
    return parse(TrainConfig, {"recipe": "cae", "data": "digits", **values}, "setting")


def test_named_data_bring_their_own_splits():
    splits = load_splits("digits", config(size=8))
    assert (len(splits.train), len(splits.validation)) == (1257, 180)
    assert splits.train.shape == (1, 8, 8)
    assert splits.validation.fingerprint == load("digits", "validation", size=8).fingerprint


def test_a_tenth_of_given_images_is_held_out_whatever_the_seed(images):
    splits, other = (load_splits(images, config(seed=seed)) for seed in (0, 1))
    assert len(splits.validation) == 6
    assert not set(splits.train.indices) & set(splits.validation.indices)
    assert set(splits.train.indices) | set(splits.validation.indices) == set(range(60))
    assert splits.validation.fingerprint == other.validation.fingerprint
    first = splits.validation.indices[0]
    assert np.array_equal(splits.validation.images[0], images.images[first])


def test_training_images_can_be_fewer(images):
    few, more = (load_splits(images, config(train_samples=n)).train for n in (10, 20))
    assert set(few.indices) < set(more.indices)
    assert len(few) == 10
    assert len(load_splits(images, config(train_samples=10)).validation) == 6


def test_baseline_is_the_mean_training_image(images):
    splits = load_splits(images, config())
    everything = slice(None)
    mean = splits.train.batch(everything).mean(dim=0)
    expected = psnr(mean, splits.validation.batch(everything), data_range=1.0).mean()
    assert mean_image_psnr(splits.train, splits.validation) == pytest.approx(
        float(expected), abs=1e-4
    )


def test_a_perfect_image_keeps_the_mean_finite():
    image = torch.rand(1, 1, 4, 4)
    assert psnr_in_decibels(image, image).item() == 100


def test_constant_schedule_rises_then_stays():
    factors = [
        learning_rate_factor("constant", step, warmup_steps=4, total_steps=8) for step in range(8)
    ]
    assert factors == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]


def test_steps_halve_and_then_divide_by_five():
    factors = [
        learning_rate_factor("steps", step, warmup_steps=0, total_steps=100)
        for step in (0, 29, 30, 49, 50, 99)
    ]
    assert factors == pytest.approx([1, 1, 0.5, 0.5, 0.1, 0.1])


def test_cosine_schedule_falls_by_half_in_the_middle():
    def factor(step):
        return learning_rate_factor("cosine", step, warmup_steps=0, total_steps=10)

    assert factor(0) == 1
    assert factor(5) == pytest.approx(0.5)
    assert 0 < factor(9) < 0.03


@pytest.mark.parametrize(
    ("samples", "size", "steps"),
    [(54, 8, 7), (56, 8, 7), (57, 8, 7), (58, 8, 8), (1, 8, 1), (3, 1, 3)],
)
def test_a_last_batch_of_one_image_is_left_out(samples, size, steps):
    assert steps_per_epoch(samples, size) == steps


CPU = torch.device("cpu")


def of_bytes(seed):
    return np.random.default_rng(seed).integers(0, 256, (20, 3, 4, 5), dtype=np.uint8)


KEPT = {
    "bytes": ImageDataset.from_array(of_bytes(0)),
    "floats": ImageDataset.from_array(of_bytes(1) / 255),
    "words": SentenceDataset.from_sentences(["a dog runs", "a man eats", "dog eats a man"]),
}


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("device", [CPU, pytest.param(torch.device("cuda"), marks=pytest.mark.gpu)])
def test_a_batch_of_the_copy_is_the_batch(name, device):
    images = KEPT[name]
    positions = torch.tensor([2, 0, 2])
    copy = copied([images], device, images.images.nbytes)[images]
    chosen = images.as_seen(copy[positions.to(device)])
    assert chosen.device.type == device.type
    assert torch.equal(chosen.cpu(), images.batch(positions))
    assert torch.equal(images.as_seen(copy).cpu(), images.batch(slice(None)))


def test_what_does_not_fit_is_not_copied():
    large, small = ImageDataset.from_array(of_bytes(0)), KEPT["bytes"].take(2)
    room = small.images.nbytes + large.images.nbytes
    assert set(copied([large, small], CPU, room)) == {large, small}
    assert set(copied([large, small], CPU, room - 1)) == {large}
    assert set(copied([large, small], CPU, large.images.nbytes - 1)) == {small}
    stream = ImageStream("lines", "train", (1, 4, 4), 1, lambda numbers, device: None, "nothing")
    assert set(copied([stream, small], CPU, room)) == {small}


def test_copies_take_an_eighth_of_what_is_free_and_are_shared(monkeypatch):
    images, few = KEPT["bytes"], KEPT["bytes"].take(2)
    free = 8 * images.images.nbytes
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 2 * free))
    splits, card = Splits(images, few), torch.device("meta")
    copies = splits.copies_on(card)
    assert set(copies) == {images}
    assert splits.copies_on(card) is copies
    assert splits.copies_on(CPU) == {}
