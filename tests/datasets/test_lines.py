import math

import numpy as np
import pytest
import torch

from latentgeo.datasets import (
    ImageStream,
    line_angles,
    line_stream,
    load,
    render_lines,
    training_images,
)
from latentgeo.errors import InputError

SPLITS = ("train", "validation", "test")


@pytest.mark.parametrize(("start", "n"), [(0, 5), (1, 5), (3, 9), (4, 1), (70_001, 6)])
def test_an_angle_does_not_depend_on_its_batch(start, n):
    whole = line_angles(start + n, seed=3)
    np.testing.assert_array_equal(line_angles(n, seed=3, start=start), whole[start:])


def test_angles_are_uniform_on_the_circle_and_differ_by_seed():
    angles = line_angles(40_000, seed=0)
    assert angles.dtype == np.float64
    assert angles.min() >= 0
    assert angles.max() < 2 * math.pi
    share = np.histogram(angles, bins=16, range=(0, 2 * math.pi))[0] / len(angles)
    np.testing.assert_allclose(share, 1 / 16, atol=0.006)
    assert len(np.unique(angles)) == len(angles)
    assert not np.isin(line_angles(1_000, seed=1), angles).any()


@pytest.mark.parametrize("style", ["paper", "smooth"])
def test_a_stream_gives_the_lines_of_its_numbers(style):
    stream = line_stream(style, seed=5, samples=10)
    images = stream.at_epoch(3).batch([7, 0])
    expected = render_lines(torch.from_numpy(line_angles(10, 5, start=30)[[7, 0]]), style)
    assert torch.equal(images, (expected + 1) / 2)
    assert images.dtype == torch.float32
    assert stream.shape == images.shape[1:]


def test_no_two_epochs_share_an_image():
    stream = line_stream(samples=40)
    pixels = torch.cat([stream.at_epoch(epoch).batch(slice(None)) for epoch in range(3)])
    assert len(pixels.flatten(1).unique(dim=0)) == 120


def test_a_stream_walks_in_order_and_can_be_made_finite():
    stream = line_stream(samples=10).at_epoch(1)
    walked = list(stream.batches(4))
    assert [len(images) for images, _ in walked] == [4, 4, 2]
    assert np.concatenate([numbers for _, numbers in walked]).tolist() == list(range(10, 20))
    few = stream.take(3)
    assert (few.name, few.split, len(few)) == ("lines", "train", 3)


def test_the_fingerprint_is_of_the_recipe():
    stream = line_stream()
    others = [line_stream("smooth"), line_stream(seed=1), line_stream(samples=10)]
    assert len({each.fingerprint for each in [stream, *others]}) == 4
    assert stream.at_epoch(2).fingerprint == stream.fingerprint == line_stream().fingerprint


@pytest.mark.parametrize("name", ["lines", "lines-smooth"])
def test_lines_are_a_data_set_like_others(name):
    data = load(name)
    assert (len(data), data.shape, data.name) == (512, (1, 32, 32), name)
    assert data.images.dtype == np.float32
    assert (data.images.min(), data.images.max()) == (0, pytest.approx(1))
    assert data.fingerprint == load(name).fingerprint
    assert len({load(name, split).fingerprint for split in ("train", "validation", "test")}) == 3


def test_test_lines_are_not_trained_on():
    images = [load("lines", split).batch(slice(0, 500)).flatten(1) for split in SPLITS]
    assert len(torch.cat(images).unique(dim=0)) == 1_500


def test_a_finite_training_set_begins_the_stream():
    assert torch.equal(load("lines", "train").batch([0, 9]), training_images("lines").batch([0, 9]))


def test_training_images_are_endless_only_where_there_is_a_stream():
    assert isinstance(training_images("lines"), ImageStream)
    assert isinstance(training_images("lines", size=32), ImageStream)
    assert training_images("lines", size=16).shape == (1, 16, 16)
    assert training_images("digits").fingerprint == load("digits", "train").fingerprint


def test_bad_input_is_named():
    with pytest.raises(InputError, match="n is -1; expected a whole number from 0"):
        line_angles(-1, seed=0)
    with pytest.raises(InputError, match=r"start is 0.5"):
        line_angles(1, seed=0, start=0.5)
    with pytest.raises(InputError, match="seed -1 cannot be used"):
        line_angles(1, seed=-1)
    with pytest.raises(InputError, match="samples is 0"):
        line_stream(samples=0)
    with pytest.raises(InputError, match="style is 'thick'; expected 'paper' or 'smooth'"):
        line_stream("thick")
    with pytest.raises(InputError, match="position 10 is not in an epoch of 'lines'"):
        line_stream(samples=10).batch([0, 10])
