"""The real files: what is known of them, independent of our reader."""

import hashlib

import numpy as np
import pytest

from latentgeo.datasets import load, names, perturb
from latentgeo.datasets.idx import MNIST_FILES

pytestmark = pytest.mark.real_data

SPLITS = ("train", "validation", "test")
MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
# Images of each digit among the 60,000 and the 10,000, as published.
TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.fixture(scope="module")
def parts(data_folder):
    return {
        (name, split): load(name, split, root=data_folder)
        for name in ("mnist", "fashion-mnist")
        for split in SPLITS
    }


def published_train(parts, name):
    return [
        np.concatenate([getattr(parts[name, split], field) for split in ("train", "validation")])
        for field in ("images", "labels")
    ]


def test_mnist_files_are_those_that_the_world_knows(data_folder):
    for pair in MNIST_FILES.values():
        for file in pair:
            content = (data_folder / "mnist" / file.name).read_bytes()
            assert hashlib.md5(content).hexdigest() == MD5[file.name]
            assert len(content) == file.n_bytes


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_splits_are_as_the_info_says(parts, name):
    info = names()[name]
    for split in SPLITS:
        data = parts[name, split]
        assert len(data) == len(data.labels) == info.samples[split]
        assert data.shape == info.image_shape
        assert data.images.dtype == np.uint8


def test_mnist_label_counts(parts):
    _, labels = published_train(parts, "mnist")
    assert np.bincount(labels).tolist() == TRAIN_COUNTS
    assert np.bincount(parts["mnist", "test"].labels).tolist() == TEST_COUNTS
    assert labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert parts["mnist", "test"].labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_fashion_mnist_label_counts(parts):
    _, labels = published_train(parts, "fashion-mnist")
    assert np.bincount(labels).tolist() == [6000] * 10
    assert np.bincount(parts["fashion-mnist", "test"].labels).tolist() == [1000] * 10


@pytest.mark.parametrize(
    ("name", "mean", "deviation"), [("mnist", 0.1307, 0.3081), ("fashion-mnist", 0.2860, 0.3530)]
)
def test_pixel_statistics_are_the_published_ones(parts, name, mean, deviation):
    images, _ = published_train(parts, name)
    counts = np.bincount(images.ravel(), minlength=256)
    share = counts / counts.sum()
    values = np.arange(256) / 255
    found = (share * values).sum()
    assert found == pytest.approx(mean, abs=5e-5)
    assert np.sqrt((share * (values - found) ** 2).sum()) == pytest.approx(deviation, abs=5e-5)


def test_validation_is_the_end_of_the_training_file(parts, data_folder):
    from latentgeo.datasets.idx import read_idx

    last = read_idx(data_folder / "mnist" / "train-images-idx3-ubyte.gz", ndim=3)[-5000:]
    np.testing.assert_array_equal(parts["mnist", "validation"].images[:, 0], last)


def test_noise_of_all_test_images_has_the_stated_level(parts):
    data = parts["mnist", "test"]
    clean = data.batch(slice(0, 2000))
    noisy = perturb(clean, "gaussian", 0.1, seed=0, indices=data.indices[:2000])
    noise = (noisy - clean).double()
    assert float(noise.std()) == pytest.approx(0.1, abs=3e-4)
    assert float(noise.mean()) == pytest.approx(0, abs=5e-4)
