import numpy as np
import pytest

from latentgeo.datasets import DatasetInfo, load, names, register_dataset, table
from latentgeo.errors import InputError

SPLITS = ("train", "validation", "test")


def test_all_datasets_are_listed():
    images = ["digits", "mnist", "fashion-mnist", "cifar10", "svhn", "celeba"]
    assert list(names()) == [*images, "lines", "lines-smooth", "multi30k"]


@pytest.mark.parametrize("name", list(names()))
def test_info_says_what_there_is(name):
    info = names()[name]
    assert info.summary
    assert info.licence
    assert "\n" not in info.summary
    assert tuple(info.samples) == SPLITS
    assert len(info.image_shape) == 3
    assert info.download_bytes == 0 or info.download_bytes > 1e6


@pytest.mark.parametrize("split", SPLITS)
def test_digits_are_as_their_info_says(split, tmp_path):
    info = names()["digits"]
    data = load("digits", split, root=tmp_path)
    assert len(data) == info.samples[split]
    assert data.shape == info.image_shape
    assert data.class_names == info.class_names
    assert (data.name, data.split, data.size) == ("digits", split, None)
    assert data.indices.tolist() == list(range(len(data)))
    assert data.images.min() == 0
    assert data.images.max() > 240
    assert np.bincount(data.labels).min() >= 0.8 * len(data) / 10
    assert list(tmp_path.iterdir()) == []


def test_digits_keep_their_order_and_brightness():
    from sklearn.datasets import load_digits

    bundled = load_digits()
    parts = [load("digits", split) for split in SPLITS]
    np.testing.assert_array_equal(np.concatenate([p.labels for p in parts]), bundled.target)
    ours = np.concatenate([p.images.mean(axis=(1, 2, 3)) for p in parts]) / 255
    np.testing.assert_allclose(ours, bundled.images.mean(axis=(1, 2)) / 16, atol=0.03)


def test_size_resizes_and_is_part_of_the_fingerprint():
    plain, same, larger = (load("digits", size=size) for size in (None, 28, 32))
    assert larger.shape == (1, 32, 32)
    assert (plain.size, same.size, larger.size) == (None, 28, 32)
    assert len({plain.fingerprint, same.fingerprint, larger.fingerprint}) == 3


def test_loading_twice_gives_the_same():
    assert load("digits").fingerprint == load("digits").fingerprint


def test_unknown_data_lists_what_is_known():
    with pytest.raises(InputError) as caught:
        load("mnits")
    message = str(caught.value)
    assert message.startswith("data 'mnits' is not known (did you mean 'mnist'?): expected one of")
    assert "digits, mnist, fashion-mnist, cifar10, svhn, celeba" in message
    assert "folder of images" in message


def test_file_is_not_a_folder_of_images(tmp_path):
    (tmp_path / "picture.png").write_bytes(b"")
    with pytest.raises(InputError, match="give the folder that holds the images"):
        load(tmp_path / "picture.png")


@pytest.mark.parametrize("split", ["Train", "val", "", 0])
def test_unknown_split(split):
    with pytest.raises(InputError, match="expected one of train, validation, test"):
        load("digits", split)


@pytest.mark.parametrize("size", [0, -1, 28.0, "28", True, 10**6])
def test_impossible_size(size):
    with pytest.raises(InputError, match="expected a whole number of pixels"):
        load("digits", size=size)


def test_a_row_and_a_function_add_a_dataset(request, tmp_path):
    def read_ramps(folder, split, size):
        assert folder == tmp_path / "ramps"
        return np.tile(np.arange(8, dtype=np.uint8), (3, 1, 8, 1)), None

    row = DatasetInfo("ramps", (1, 8, 8), dict.fromkeys(SPLITS, 3), (), "MIT", 0, read_ramps)
    register_dataset("ramps", row)
    request.addfinalizer(lambda: table.TABLE.unregister("ramps"))
    assert "ramps" in names()
    assert load("ramps", "train", root=tmp_path, size=4).shape == (1, 4, 4)
