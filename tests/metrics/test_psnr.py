import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from latentgeo.metrics import psnr


@pytest.mark.parametrize("data_range", [1.0, 2.0, 255.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_agrees_with_scikit_image(data_range, dtype):
    rng = np.random.default_rng(0)
    image, reference = rng.random((2, 5, 3, 8, 8)).astype(dtype) * data_range
    expected = [
        peak_signal_noise_ratio(r, i, data_range=data_range)
        for i, r in zip(image, reference, strict=True)
    ]
    np.testing.assert_allclose(psnr(image, reference, data_range=data_range), expected, rtol=1e-6)


def test_known_value_and_kind():
    reference = torch.zeros(2, 1, 4, 4)
    decibels = psnr(reference + 0.1, reference, data_range=1)
    assert isinstance(decibels, torch.Tensor)
    torch.testing.assert_close(decibels, torch.full((2,), 20.0).double(), rtol=1e-6, atol=0)


def test_equal_images_give_infinity():
    image = np.random.default_rng(0).random((2, 1, 4, 4))
    assert np.isposinf(psnr(image, image, data_range=1)).all()


def test_broadcasts_over_noise_levels():
    reference = torch.rand(5, 1, 4, 4)
    noisy = reference + torch.tensor([0.1, 0.2])[:, None, None, None, None]
    assert psnr(noisy, reference, data_range=1).shape == (2, 5)


def test_is_the_mean_of_decibels_and_not_pooled():
    reference = torch.zeros(2, 1, 2, 2)
    image = torch.stack([torch.full((1, 2, 2), 0.1), torch.full((1, 2, 2), 1.0)])
    assert psnr(image, reference, data_range=1).mean().item() == pytest.approx(10.0, rel=1e-6)


@pytest.mark.parametrize("data_range", [0, -1, float("nan")])
def test_refuses_a_range_that_is_not_positive(data_range):
    with pytest.raises(ValueError, match=r"data_range is .*, expected a positive number"):
        psnr(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2), data_range=data_range)


def test_refuses_shapes_that_differ():
    with pytest.raises(ValueError, match=r"\(1, 2, 2\) and reference \(1, 2, 3\)"):
        psnr(torch.zeros(1, 2, 2), torch.zeros(1, 2, 3), data_range=1)
