import io

import numpy as np
import pytest
from scipy.io import savemat

from latentgeo.datasets import load, svhn
from latentgeo.errors import InputError


def mat(**variables) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, variables)
    return buffer.getvalue()


@pytest.fixture
def put(tmp_path, monkeypatch, cached):
    def put(part: str, content: bytes) -> None:
        file = cached(content, tmp_path / "svhn", f"{part}_32x32.mat")
        monkeypatch.setitem(svhn.FILES, part, file)

    return put


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (32, 32, 3, 5), dtype=np.uint8)


CLASSES = np.array([[1], [9], [10], [2], [10]], np.uint8)


def test_axes_and_the_digit_zero(tmp_path, put, pixels):
    put("test", mat(X=pixels, y=CLASSES))
    data = load("svhn", root=tmp_path)
    assert data.labels.tolist() == [1, 9, 0, 2, 0]
    np.testing.assert_array_equal(data.images[3, 1], pixels[:, :, 1, 3])
    assert data.shape == (3, 32, 32)


def test_validation_is_the_end_of_the_training_file(tmp_path, put, pixels, hold_out_two):
    put("train", mat(X=pixels, y=CLASSES.astype(float)))
    assert load("svhn", "train", root=tmp_path).labels.tolist() == [1, 9, 0]
    assert load("svhn", "validation", root=tmp_path).labels.tolist() == [2, 0]


def test_other_contents(tmp_path, put, pixels):
    for content, message in [
        (mat(X=pixels), "lacks X or y"),
        (mat(X=pixels[..., :4], y=CLASSES), r"expected \(32, 32, 3, n\) in uint8"),
        (mat(X=pixels.astype(float), y=CLASSES), "dtype float64"),
        (mat(X=pixels[:28], y=CLASSES), r"shape \(28, 32, 3, 5\)"),
        (mat(X=pixels, y=CLASSES - 1), "other classes than 1 to 10"),
        (b"plain text", "cannot be read"),
        (mat(X=pixels, y=CLASSES)[:3000], "cannot be read"),
    ]:
        put("test", content)
        with pytest.raises(InputError, match=message) as caught:
            load("svhn", root=tmp_path)
        assert "test_32x32.mat" in str(caught.value)
