import numpy as np
import pytest
import xarray as xr

from latentgeo.measures.quality import evidence, mean_image_psnr, measure_quality
from latentgeo.metrics import LEARNED_MARGIN_DB, psnr
from latentgeo.results import ModelResult


def _decibels(clean, levels=3):
    return xr.DataArray(
        np.stack([clean - 3 * level for level in range(levels)]), dims=("noise", "sample")
    )


@pytest.fixture
def images():
    return np.random.default_rng(0).random((50, 1, 8, 8)).astype(np.float32)


def test_a_model_that_gives_the_mean_image_has_not_learned(images):
    baseline = mean_image_psnr(images)
    assert not measure_quality(_decibels(baseline), baseline, seed=0).learned


def test_a_model_that_gives_black_has_not_learned(images):
    black = psnr(np.zeros_like(images), images, data_range=1.0)
    quality = measure_quality(_decibels(black), mean_image_psnr(images), seed=0)
    assert not quality.learned
    assert quality.variables["psnr_gain"] < 0


def test_no_constant_image_beats_the_margin(images):
    # The one constant image that is best in mean decibels, found by descent, must not pass.
    import torch

    target = torch.from_numpy(images)
    constant = target.mean(dim=0, keepdim=True).requires_grad_()
    optimiser = torch.optim.Adam([constant], lr=1e-2)
    for _ in range(300):
        loss = -psnr(constant.expand_as(target), target, data_range=1.0).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    gain = -loss.item() - mean_image_psnr(images).mean()
    assert 0 <= gain < LEARNED_MARGIN_DB


def test_a_good_model_has_learned_and_says_by_how_much(images):
    baseline = mean_image_psnr(images)
    quality = measure_quality(_decibels(baseline + 10), baseline, seed=0)
    assert quality.learned
    variables = quality.variables.assign_coords(noise=[0.0, 0.1, 0.5])
    assert "a gain of 10.0 dB [10.0, 10.0] per image" in evidence(ModelResult("", variables))
    assert quality.variables["psnr_mean"].values[1] == pytest.approx(baseline.mean() + 7)


@pytest.mark.parametrize(("limit", "value"), [("_BATCH", 7), ("_BYTES", None)])
def test_batches_of_images_have_one_mean(images, monkeypatch, limit, value):
    expected = mean_image_psnr(images)
    np.testing.assert_array_equal(
        expected, psnr(np.repeat(images.mean(0)[None], 50, 0), images, data_range=1.0)
    )
    monkeypatch.setattr(f"latentgeo.measures.quality.{limit}", value or 5 * images[0].nbytes)
    seen = Counted(images)
    np.testing.assert_allclose(mean_image_psnr(seen), expected, atol=1e-5)
    assert max(seen.sizes) <= 7


class Counted:
    """Images that note how many are read at a time."""

    def __init__(self, images):
        self.images, self.sizes = images, []

    def __len__(self):
        return len(self.images)

    def __getitem__(self, some):
        taken = self.images[some]
        self.sizes.append(len(taken))
        return taken
