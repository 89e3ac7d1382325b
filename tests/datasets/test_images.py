import numpy as np
import pytest
import torch

from latentgeo.datasets import ImageDataset
from latentgeo.errors import InputError

from_array = ImageDataset.from_array


@pytest.fixture
def data():
    images = np.random.default_rng(0).integers(0, 256, (10, 3, 5, 4), dtype=np.uint8)
    return from_array(images, labels=np.arange(10) % 3)


def test_batch_is_float32_in_the_unit_interval(data):
    batch = data.batch([0, 9])
    assert batch.dtype == torch.float32
    assert batch.shape == (2, 3, 5, 4)
    np.testing.assert_array_equal(batch.numpy(), data.images[[0, 9]].astype(np.float32) / 255)


def test_black_and_white_are_exactly_0_and_1():
    images = np.zeros((2, 1, 2, 2), np.uint8)
    images[1] = 255
    assert from_array(images).batch([0, 1]).unique().tolist() == [0.0, 1.0]


@pytest.mark.parametrize("chosen", [[3, 1], np.array([3, 1]), torch.tensor([3, 1]), slice(1, 3)])
def test_batch_takes_positions_of_any_kind(data, chosen):
    expected = data.images[np.asarray(chosen) if not isinstance(chosen, slice) else chosen]
    np.testing.assert_array_equal(
        (data.batch(chosen) * 255).round().numpy().astype(np.uint8), expected
    )


def test_batch_is_a_copy():
    data = from_array(np.zeros((2, 1, 2, 2), np.float32))
    data.batch([0]).fill_(1)
    data.batch(slice(0, 1)).fill_(1)
    assert data.images.max() == 0


def test_position_outside_is_an_input_error(data):
    with pytest.raises(InputError, match=r"position 10 is not in .*expected 0 to 9"):
        data.batch([0, 10])


def test_floats_are_kept_exactly():
    images = np.random.default_rng(0).random((4, 1, 3, 3), dtype=np.float32)
    np.testing.assert_array_equal(from_array(images).batch(slice(None)).numpy(), images)


def test_grey_images_get_a_channel():
    data = from_array(np.zeros((4, 6, 5)))
    assert data.shape == (1, 6, 5)
    assert len(data) == 4


def test_takes_tensors():
    images = torch.rand(4, 1, 3, 3)
    assert torch.equal(from_array(images).batch(slice(None)), images)


def test_own_array_may_change_later(data):
    images = np.zeros((2, 1, 3, 3), np.uint8)
    data = from_array(images)
    before = data.fingerprint
    images[:] = 7
    assert data.images.max() == 0
    assert from_array(np.zeros((2, 1, 3, 3), np.uint8)).fingerprint == before


def test_arrays_are_read_only(data):
    for array in (data.images, data.labels, data.indices):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_class_names_count_up_to_the_largest_label(data):
    assert data.class_names == ("0", "1", "2")
    assert data.labels.dtype == np.int64


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((4, 4)), r"shape \(4, 4\): expected \(n, C, H, W\)"),
        (np.zeros((1, 1, 1, 1, 1)), "shape"),
        (np.zeros((0, 1, 4, 4)), "nothing in them"),
        (np.zeros((2, 8, 8, 3)), r"looks like \(n, H, W, C\).*moveaxis"),
        (np.zeros((2, 1, 4, 4), np.int64), "dtype int64: expected uint8"),
        (np.zeros((2, 1, 4, 4), bool), "dtype bool"),
        (np.full((2, 1, 4, 4), 255.0), r"lie in \[255, 255\]: expected \[0, 1\]"),
        (np.full((2, 1, 4, 4), -0.1), r"lie in \[-0.1, -0.1\]"),
        (np.full((2, 1, 4, 4), np.inf), "lie in"),
    ],
)
def test_images_of_wrong_size_kind_or_range(images, message):
    with pytest.raises(InputError, match=message) as caught:
        from_array(images, name="mine")
    assert "'mine'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nan_is_named_with_its_image():
    images = np.zeros((5, 1, 4, 4))
    images[[2, 4], 0, 1, 1] = np.nan
    with pytest.raises(InputError, match="NaN in 2 of 5 images, first in image 2"):
        from_array(images)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(3, np.int64), r"shape \(3,\): expected \(4,\)"),
        (np.zeros(4), "dtype float64"),
        (np.full(4, -1), "expected whole numbers from 0"),
    ],
)
def test_wrong_labels(labels, message):
    with pytest.raises(InputError, match=message):
        from_array(np.zeros((4, 1, 2, 2)), labels)


def test_take_first(data):
    subset = data.take(3)
    np.testing.assert_array_equal(subset.images, data.images[:3])
    assert subset.indices.tolist() == [0, 1, 2]


def test_take_at_random_remembers_the_originals(data):
    subset = data.take(4, seed=1)
    assert len(set(subset.indices.tolist())) == 4
    np.testing.assert_array_equal(subset.images, data.images[subset.indices])
    np.testing.assert_array_equal(subset.labels, data.labels[subset.indices])
    twice = subset.take(2, seed=5)
    np.testing.assert_array_equal(twice.images, data.images[twice.indices])


def test_take_is_seeded_and_nested(data):
    assert data.take(4, seed=1).fingerprint == data.take(4, seed=1).fingerprint
    assert data.take(4, seed=1).fingerprint != data.take(4, seed=2).fingerprint
    assert data.take(8, seed=1).indices[:4].tolist() == data.take(4, seed=1).indices.tolist()


@pytest.mark.parametrize("n", [0, -1, 11, 2.0, True, "3", None])
def test_take_of_none_or_more_than_there_are(data, n):
    with pytest.raises(InputError, match="expected a whole number from 1 to 10"):
        data.take(n)


def test_take_without_labels():
    assert from_array(np.zeros((4, 1, 2, 2))).take(2).labels is None


def test_batches_walk_through_all_in_order(data):
    subset = data.take(7, seed=0)
    parts = list(subset.batches(3))
    assert [len(images) for images, _ in parts] == [3, 3, 1]
    assert torch.equal(torch.cat([images for images, _ in parts]), subset.batch(slice(None)))
    np.testing.assert_array_equal(np.concatenate([i for _, i in parts]), subset.indices)


@pytest.mark.parametrize("size", [0, -1, 1.5, True])
def test_batches_of_impossible_size(data, size):
    with pytest.raises(InputError, match="batch size"):
        data.batches(size)


def test_fingerprint_covers_all_that_decides_a_result():
    images = np.zeros((4, 1, 2, 2), np.uint8)
    base = from_array(images, np.zeros(4, np.int64))
    brighter = images.copy()
    brighter[3, 0, 1, 1] = 1
    others = [
        from_array(brighter, np.zeros(4, np.int64)),
        from_array(images),
        from_array(images, np.array([0, 0, 0, 1])),
        from_array(images, np.zeros(4, np.int64), name="other"),
        from_array(images, np.zeros(4, np.int64), split="train"),
        from_array(images.reshape(4, 1, 4, 1), np.zeros(4, np.int64)),
        from_array(images.astype(np.float32), np.zeros(4, np.int64)),
        base.take(3),
        base.take(4, seed=0),
    ]
    fingerprints = [data.fingerprint for data in [base, *others]]
    assert len(set(fingerprints)) == len(fingerprints)
    assert len(base.fingerprint) == 64
    assert from_array(images, np.zeros(4, np.int64)).fingerprint == base.fingerprint
