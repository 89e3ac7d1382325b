import math

import numpy as np
import pytest
import torch

from latentgeo.metrics import choose_bandwidth, parzen, parzen_log_likelihood


def slow(points, samples, h):
    """One point and one sample at a time."""
    found = []
    for x in points:
        exponents = [-((x - s) ** 2).sum() / (2 * h * h) for s in samples]
        top = max(exponents)
        total = math.log(sum(math.exp(e - top) for e in exponents)) + top
        constant = math.log(len(samples)) + len(x) * math.log(h * math.sqrt(2 * math.pi))
        found.append(total - constant)
    return np.array(found)


@pytest.mark.parametrize("h", [0.05, 0.3, 2.0])
@pytest.mark.parametrize("block", [2**24, 8])
def test_it_is_the_sum_over_all_pairs(monkeypatch, h, block):
    monkeypatch.setattr(parzen, "_BLOCK_ENTRIES", block)
    rng = np.random.default_rng(0)
    points, samples = rng.random((6, 4)), rng.random((9, 4))
    found = parzen_log_likelihood(points, samples, bandwidth=h)
    np.testing.assert_allclose(found, slow(points, samples, h), rtol=1e-10)


def test_one_sample_gives_the_normal_density():
    normal = torch.distributions.Normal(torch.tensor([0.3, -1.0]), 0.7)
    points = torch.randn(5, 2)
    found = parzen_log_likelihood(points, torch.tensor([[0.3, -1.0]]), bandwidth=0.7)
    np.testing.assert_allclose(found, normal.log_prob(points).sum(dim=1), rtol=1e-5)


def test_images_are_flattened_and_torch_and_numpy_agree():
    points, samples = torch.rand(3, 1, 4, 4), torch.rand(5, 1, 4, 4)
    found = parzen_log_likelihood(points, samples, bandwidth=0.2)
    flat = parzen_log_likelihood(
        points.numpy().reshape(3, 16), samples.numpy().reshape(5, 16), bandwidth=0.2
    )
    np.testing.assert_array_equal(found, flat)


def test_far_points_stay_finite():
    found = parzen_log_likelihood(np.full((1, 784), 1.0), np.zeros((3, 784)), bandwidth=0.01)
    assert np.isfinite(found).all()


def test_the_bandwidth_is_the_best_on_validation():
    rng = np.random.default_rng(0)
    samples, validation = rng.normal(size=(400, 2)), rng.normal(size=(100, 2))
    chosen = choose_bandwidth(validation, samples, [3.0, 0.01, 0.3, 1.0], tolerance=math.inf)
    scores = [
        parzen_log_likelihood(validation, samples, bandwidth=h).mean() for h in chosen.candidates
    ]
    np.testing.assert_allclose(chosen.scores, scores)
    assert chosen.value == chosen.candidates[int(np.argmax(scores))] == 0.3
    assert not chosen.at_end
    assert choose_bandwidth(validation, samples, [0.3, 1.0]).at_end


@pytest.mark.parametrize("dimension", [2, 50, 784])
def test_the_grid_does_not_decide_the_likelihood(dimension):
    rng = np.random.default_rng(1)
    # Near a plane: there the likelihood hangs on the bandwidth.
    plane = rng.normal(size=(2, dimension))
    samples, validation = (
        rng.random((count, 2)) @ plane + 0.05 * rng.normal(size=(count, dimension))
        for count in (300, 60)
    )
    found = [
        choose_bandwidth(validation, samples, np.logspace(-2, 1, count)).scores.max()
        for count in (4, 7, 10)
    ]
    dense = np.logspace(-2, 1, 1500)
    best = choose_bandwidth(validation, samples, dense, tolerance=math.inf).scores.max()
    assert max(found) - min(found) < 0.1
    assert best - min(found) < 0.1


@pytest.mark.parametrize(
    ("points", "samples", "bandwidth", "message"),
    [
        ((2, 3), (4, 5), 1.0, r"points have shape \(2, 3\) and samples \(4, 5\)"),
        ((2, 3), (0, 3), 1.0, "at least one of each"),
        ((2, 3), (4, 3), 0.0, "bandwidth is 0.0, expected a positive number"),
    ],
)
def test_what_cannot_be_estimated_is_refused(points, samples, bandwidth, message):
    with pytest.raises(ValueError, match=message):
        parzen_log_likelihood(np.zeros(points), np.zeros(samples), bandwidth=bandwidth)
    with pytest.raises(ValueError, match="no candidate"):
        choose_bandwidth(np.zeros((2, 3)), np.zeros((2, 3)), [])
