import numpy as np
import pytest
from PIL import Image

from latentgeo.datasets.resizing import resize


@pytest.mark.parametrize("size", [5, 13, 28, 40])
def test_same_as_pillow(size):
    images = np.random.default_rng(0).integers(0, 256, (3, 2, 20, 20), dtype=np.uint8)
    resized = resize(images, size)
    assert resized.dtype == np.uint8
    for image, ours in zip(images, resized, strict=True):
        for plane, our_plane in zip(image, ours, strict=True):
            pillow = Image.fromarray(plane).resize((size, size), Image.Resampling.BILINEAR)
            assert np.abs(our_plane.astype(int) - np.asarray(pillow).astype(int)).max() <= 1


def test_plain_images_stay_plain():
    for value in (0, 37, 255):
        images = np.full((2, 3, 8, 8), value, np.uint8)
        for size in (3, 17):
            assert (resize(images, size) == value).all()


def test_floats_stay_floats_in_the_unit_interval():
    images = np.random.default_rng(0).random((2, 1, 8, 8), dtype=np.float32)
    resized = resize(images, 11)
    assert resized.dtype == np.float32
    assert resized.min() >= 0
    assert resized.max() <= 1


def test_result_does_not_depend_on_the_batch():
    images = np.random.default_rng(0).integers(0, 256, (1100, 1, 4, 4), dtype=np.uint8)
    np.testing.assert_array_equal(resize(images, 6)[1050:], resize(images[1050:], 6))
