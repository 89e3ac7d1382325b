import gzip
import struct

import numpy as np
import pytest

from latentgeo.datasets import idx, load
from latentgeo.datasets.idx import read_idx
from latentgeo.errors import InputError


def write(path, content: bytes):
    path.write_bytes(gzip.compress(content))
    return path


def head(*shape: int, kind: int = 8) -> bytes:
    return bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


def test_reads_what_was_written(tmp_path):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    path = write(tmp_path / "a.gz", head(2, 3, 4) + array.tobytes())
    np.testing.assert_array_equal(read_idx(path, ndim=3), array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (head(24) + bytes(24), "begins with the bytes 00000801: expected 00000803"),
        (head(2, 3, 4, kind=9) + bytes(24), "begins with the bytes 00000903"),
        (b"PK\x03\x04" + bytes(40), "begins with the bytes 504b0304"),
        (head(2, 3, 4) + bytes(23), r"holds 23 bytes of data: its header announces 24"),
        (head(2, 3, 4) + bytes(25), r"holds more than 24 bytes of data: its header announces 24"),
        (head(2, 3, 4)[:9], "holds 0 bytes of data"),
        (head(2**31, 2**31, 4), "is not read: its arrays take 1844"),
        (b"", "begins with the bytes : expected"),
    ],
)
def test_content_of_another_kind_or_length(tmp_path, content, message):
    path = write(tmp_path / "bad.gz", content)
    with pytest.raises(InputError, match=message) as caught:
        read_idx(path, ndim=3)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_truncated_corrupt_or_plain_gzip(tmp_path):
    whole = gzip.compress(head(2, 3, 4) + np.random.default_rng(0).bytes(24))
    corrupt = bytearray(whole)
    corrupt[-6] ^= 255  # in the checksum
    for number, content in enumerate([whole[:-10], whole[:5], bytes(corrupt), b"plain text"]):
        path = tmp_path / f"{number}.gz"
        path.write_bytes(content)
        with pytest.raises(InputError, match="cannot be unpacked"):
            read_idx(path, ndim=3)


def put(monkeypatch, cached, root, files, images: bytes, labels: bytes, name="mnist"):
    pair = (cached(images, root / name, "images.gz"), cached(labels, root / name, "labels.gz"))
    monkeypatch.setitem(files, "train", pair)


def test_validation_is_the_end_of_the_training_file(
    tmp_path, monkeypatch, cached, small_mnist, hold_out_two
):
    images, labels, contents = small_mnist
    put(monkeypatch, cached, tmp_path, idx.MNIST_FILES, *contents)
    train, validation = (load("mnist", split, root=tmp_path) for split in ("train", "validation"))
    np.testing.assert_array_equal(train.images[:, 0], images[:10])
    np.testing.assert_array_equal(validation.images[:, 0], images[10:])
    np.testing.assert_array_equal(validation.labels, labels[10:])
    assert (train.shape, train.labels.dtype) == ((1, 28, 28), np.int64)


def test_training_file_that_is_too_short(tmp_path, monkeypatch, cached, small_mnist):
    put(monkeypatch, cached, tmp_path, idx.MNIST_FILES, *small_mnist[2])
    with pytest.raises(InputError, match="12 images is too short: 5000 are held out"):
        load("mnist", "train", root=tmp_path)


def test_fashion_mnist_has_a_folder_and_classes_of_its_own(
    tmp_path, monkeypatch, cached, small_mnist, hold_out_two
):
    put(monkeypatch, cached, tmp_path, idx.FASHION_FILES, *small_mnist[2], name="fashion-mnist")
    data = load("fashion-mnist", "train", root=tmp_path)
    assert data.class_names[9] == "Ankle boot"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (head(11) + bytes(11), "12 images and 11 labels"),
        (head(12) + bytes([*range(11), 10]), "holds 10: expected 0 to 9"),
    ],
)
def test_labels_that_do_not_fit(tmp_path, monkeypatch, cached, small_mnist, labels, message):
    images = small_mnist[2][0]
    put(monkeypatch, cached, tmp_path, idx.MNIST_FILES, images, gzip.compress(labels))
    with pytest.raises(InputError, match=message):
        load("mnist", "train", root=tmp_path)
