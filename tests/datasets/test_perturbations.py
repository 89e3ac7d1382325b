import math

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from latentgeo.datasets import (
    PERTURBATIONS,
    Perturbation,
    find_perturbation,
    perturb,
    seeded_normal,
)
from latentgeo.errors import InputError

KINDS = sorted(kind for kind in PERTURBATIONS if not kind.startswith("words-"))
RANDOM = [kind for kind in KINDS if kind != "blur"]
LEVEL = 0.3
FROZEN_NOISE = [-1.0824088, -1.2284267, 0.4451782]


@pytest.fixture
def images():
    return torch.rand(6, 3, 12, 10) * 0.8 + 0.1


def indices(n=6):
    return np.arange(n)


@pytest.mark.parametrize("kind", KINDS)
def test_shape_dtype_and_input_stay(images, kind):
    before = images.clone()
    for dtype in (torch.float32, torch.float64):
        perturbed = perturb(images.to(dtype), kind, LEVEL, seed=0, indices=indices())
        assert perturbed.shape == images.shape
        assert perturbed.dtype == dtype
    assert torch.equal(images, before)


@pytest.mark.parametrize("kind", KINDS)
def test_level_0_changes_nothing(kind):
    images = torch.rand(4, 1, 8, 8) * 3 - 1  # outside [0, 1] too
    unchanged = perturb(images, kind, 0, seed=0, indices=indices(4))
    assert torch.equal(unchanged, images)
    assert unchanged.data_ptr() != images.data_ptr()


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_result(images, kind):
    first, second = (perturb(images, kind, LEVEL, seed=3, indices=indices()) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("kind", RANDOM)
def test_another_seed_or_index_another_result(images, kind):
    base = perturb(images, kind, LEVEL, seed=0, indices=indices())
    assert not torch.equal(base, perturb(images, kind, LEVEL, seed=1, indices=indices()))
    assert not torch.equal(base, perturb(images, kind, LEVEL, seed=0, indices=indices() + 6))


@pytest.mark.parametrize("kind", KINDS)
def test_result_does_not_depend_on_the_batch(images, kind):
    whole = perturb(images, kind, LEVEL, seed=0, indices=indices())
    order = [4, 0, 5]
    part = perturb(images[order], kind, LEVEL, seed=0, indices=order)
    assert torch.equal(part, whole[order])
    alone = perturb(images[2:3], kind, LEVEL, seed=0, indices=torch.tensor([2]))
    assert torch.equal(alone, whole[2:3])


@pytest.mark.parametrize("kind", KINDS)
def test_one_draw_serves_all_levels(images, kind):
    perturbation = PERTURBATIONS[kind]
    draw = perturbation.draw(tuple(images.shape[1:]), seed=0, indices=indices())
    for level in (0.0, 0.1, 0.5, 1.0):
        expected = perturb(images, kind, level, seed=0, indices=indices())
        assert torch.equal(perturbation.apply(images, draw, level), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_clipped_says_whether_the_result_stays_in_the_unit_interval(kind):
    images = torch.rand(16, 1, 16, 16)
    perturbed = perturb(images, kind, 1.0, seed=0, indices=indices(16))
    inside = bool(perturbed.min() >= 0) and bool(perturbed.max() <= 1)
    assert inside == PERTURBATIONS[kind].clipped


@pytest.mark.parametrize("kind", KINDS)
def test_summary_says_what_the_level_means(kind):
    perturbation = PERTURBATIONS[kind]
    assert perturbation.name == kind
    assert perturbation.summary.startswith("level is the ")
    assert "\n" not in perturbation.summary
    assert "[0, 1]" in perturbation.summary


def test_noise_at_twice_the_level_is_twice_the_noise(images):
    low, high = (
        perturb(images.double(), "gaussian", level, seed=0, indices=indices()) - images.double()
        for level in (0.1, 0.2)
    )
    torch.testing.assert_close(high, 2 * low)


def test_gaussian_noise_is_standard_normal_and_independent():
    noise = perturb(torch.zeros(200, 1, 28, 28), "gaussian", 1.0, seed=0, indices=indices(200))
    flat = noise.flatten(1).double().numpy()
    assert kstest(flat.ravel(), "norm").pvalue > 0.01
    correlation = np.corrcoef(flat) - np.eye(200)
    assert np.abs(correlation).max() < 6 / math.sqrt(28 * 28)
    other = perturb(torch.zeros(200, 1, 28, 28), "gaussian", 1.0, seed=1, indices=indices(200))
    assert abs(np.corrcoef(flat.ravel(), other.numpy().ravel())[0, 1]) < 5 / math.sqrt(flat.size)


def test_gaussian_noise_never_changes_between_versions():
    noise = perturb(torch.zeros(1, 1, 1, 3), "gaussian", 1.0, seed=2024, indices=[7]).flatten()
    torch.testing.assert_close(noise, torch.tensor(FROZEN_NOISE), rtol=0, atol=1e-6)


def test_clipped_noise_is_the_same_noise_clipped(images):
    plain, clipped = (
        perturb(images, kind, 0.5, seed=0, indices=indices())
        for kind in ("gaussian", "gaussian-clipped")
    )
    assert torch.equal(clipped, plain.clamp(0, 1))
    assert not torch.equal(clipped, plain)


@pytest.mark.parametrize("level", [0.1, 0.25, 0.5, 1.0])
def test_salt_and_pepper_hits_exactly_the_share_of_pixels(level):
    images = torch.full((8, 3, 20, 20), 0.5)
    perturbed = perturb(images, "salt-and-pepper", level, seed=0, indices=indices(8))
    hit = perturbed != 0.5
    assert torch.equal(hit.sum(dim=(2, 3)), torch.full((8, 3), round(level * 400)))
    assert set(perturbed[hit].tolist()) == {0.0, 1.0}
    assert (perturbed == perturbed[:, :1]).all()  # all channels alike


def test_salt_is_as_frequent_as_pepper():
    images = torch.full((50, 1, 28, 28), 0.5)
    perturbed = perturb(images, "salt-and-pepper", 1.0, seed=0, indices=indices(50))
    assert abs(float(perturbed.mean()) - 0.5) < 4 * 0.5 / math.sqrt(50 * 28 * 28)


@pytest.mark.parametrize("kind", ["salt-and-pepper", "occlusion"])
def test_what_is_hit_at_a_low_level_is_hit_at_a_higher(kind):
    images = torch.full((20, 1, 15, 11), 0.5)
    low = images
    for level in np.linspace(0.02, 1, 40):
        high = perturb(images, kind, float(level), seed=0, indices=indices(20))
        already = low != 0.5
        assert torch.equal(high[already], low[already])
        low = high
    assert (low != 0.5).all()


def test_occlusion_blackens_one_square_of_the_stated_area():
    images = torch.ones(50, 2, 20, 20)
    perturbed = perturb(images, "occlusion", 0.25, seed=0, indices=indices(50))
    black = perturbed == 0
    assert torch.equal(black.sum(dim=(2, 3)), torch.full((50, 2), 100))
    rows, columns = black[:, 0].any(dim=2), black[:, 0].any(dim=1)
    assert (rows.sum(dim=1) == 10).all()
    assert (columns.sum(dim=1) == 10).all()
    tops = rows.int().argmax(dim=1)
    assert tops.min() == 0
    assert tops.max() == 10  # places reach from one border to the other
    places = torch.stack([tops, columns.int().argmax(dim=1)], dim=1)
    assert len(places.unique(dim=0)) > 20


@pytest.mark.parametrize("sigma", [0.8, 1.5, 3.0])
def test_blur_spreads_a_point_with_the_stated_variance(sigma):
    images = torch.zeros(1, 1, 61, 61, dtype=torch.float64)
    images[0, 0, 30, 30] = 1
    blurred = perturb(images, "blur", sigma, seed=0, indices=[0])[0, 0]
    assert float(blurred.sum()) == pytest.approx(1)
    distance = torch.arange(61.0).double() - 30
    variance = float((blurred.sum(dim=0) * distance**2).sum())
    assert variance == pytest.approx(sigma**2, rel=0.01)


def test_blur_leaves_a_plain_image_and_does_not_mix_channels_or_images():
    images = torch.zeros(2, 2, 9, 9)
    images[1, 0] = 1
    torch.testing.assert_close(perturb(images, "blur", 2.0, seed=0, indices=[0, 1]), images)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", [-0.1, math.nan, math.inf, -math.inf, "0.1", None, True])
def test_impossible_level(images, kind, level):
    with pytest.raises(InputError, match=rf"of {kind} cannot be used: expected a number from 0"):
        perturb(images, kind, level, seed=0, indices=indices())


@pytest.mark.parametrize(
    ("kind", "level"), [("salt-and-pepper", 1.01), ("occlusion", 2), ("blur", 65)]
)
def test_level_beyond_the_highest(images, kind, level):
    with pytest.raises(InputError, match=rf"from 0 to {PERTURBATIONS[kind].highest:g}"):
        perturb(images, kind, level, seed=0, indices=indices())


def test_numpy_numbers_are_levels(images):
    for level in (np.float32(0.5), np.float64(0.5)):
        perturb(images, "gaussian", level, seed=np.int64(0), indices=indices())


def test_unknown_kind_lists_those_that_are(images):
    with pytest.raises(InputError, match=r"'fog' is not known: expected one of gaussian, "):
        perturb(images, "fog", 0.1, seed=0, indices=indices())
    assert isinstance(find_perturbation("blur"), Perturbation)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, None, True])
def test_impossible_seed(images, seed):
    with pytest.raises(InputError, match="expected a whole number from 0 to"):
        perturb(images, "gaussian", 0.1, seed=seed, indices=indices())


@pytest.mark.parametrize("wrong", [[0, 1, 2, 3, 4, -1], [0.0] * 6, [[0]] * 6])
def test_impossible_indices(images, wrong):
    with pytest.raises(InputError, match="one whole number from 0 for each image"):
        perturb(images, "gaussian", 0.1, seed=0, indices=wrong)


def test_as_many_indices_as_images(images):
    with pytest.raises(InputError, match="5 indices came with 6 images"):
        perturb(images, "gaussian", 0.1, seed=0, indices=indices(5))


@pytest.mark.parametrize(
    "wrong", [torch.zeros(6, 8, 8), torch.zeros(6, 1, 8, 8, dtype=torch.uint8)]
)
def test_not_a_batch_of_images(wrong):
    with pytest.raises(InputError, match=r"expected \(b, C, H, W\) in floating point"):
        perturb(wrong, "gaussian", 0.1, seed=0, indices=indices())


def test_streams_of_one_seed_are_independent():
    first, second = (
        seeded_normal((10_000,), seed=0, indices=[3], stream=stream)[0] for stream in (0, 1)
    )
    assert abs(float(torch.corrcoef(torch.stack([first, second]))[0, 1])) < 0.05
    again = seeded_normal((10_000,), seed=0, indices=[1, 3], stream=1)
    assert torch.equal(again[1], second)


def test_largest_seed_and_index():
    noise = seeded_normal((4,), seed=2**64 - 1, indices=[2**62])
    assert torch.isfinite(noise).all()
