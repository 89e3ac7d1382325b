import numpy as np
import pytest
import torch

from latentgeo.measures import AnalysisSettings
from latentgeo.measures.embedding import draw_halves
from latentgeo.measures.units import unit_variables

SETTINGS = AnalysisSettings()
SAMPLES = 200


def measure(latents):
    return unit_variables(latents, draw_halves(latents.sizes["sample"], SETTINGS), SETTINGS)


@pytest.fixture(scope="module")
def posterior(make_latents):
    """Return vectors of four units: informative, collapsed, narrow but still, weak."""
    rng = np.random.default_rng(0)
    mean = np.zeros((2, SAMPLES, 4, 1, 1))
    mean[..., 0, 0, 0] = rng.normal(size=SAMPLES) + np.array([[0.0], [1.0]])
    mean[..., 3, 0, 0] = 0.02 * rng.normal(size=SAMPLES)
    log_variance = np.zeros_like(mean)
    log_variance[..., 0, 0, 0] = np.log(0.01)
    log_variance[..., 2, 0, 0] = np.log(0.5)
    return make_latents(mean, sampled=mean[None], log_variance=log_variance, noise=(0.0, 0.1))


def test_divergence_is_that_of_gaussians(posterior):
    from torch.distributions import Normal, kl_divergence

    mean = torch.from_numpy(posterior["mean"].values).double()
    spread = torch.from_numpy(posterior["log_variance"].values).double().mul(0.5).exp()
    expected = kl_divergence(Normal(mean, spread), Normal(0.0, 1.0))[..., 0, 0]
    found = measure(posterior)
    np.testing.assert_allclose(found["unit_kl"], expected.mean(1), atol=1e-12)
    np.testing.assert_allclose(found["kl_total"], expected.sum(-1).mean(1), atol=1e-12)
    ends = found["unit_kl_ci"]
    assert (ends.sel(bound="low") <= found["unit_kl"] + 1e-12).all()
    assert (ends.sel(bound="high") >= found["unit_kl"] - 1e-12).all()


def test_active_and_collapsed_units_are_told_apart(posterior):
    found = measure(posterior).isel(noise=0)
    np.testing.assert_array_equal(found["unit_active"], [True, False, False, False])
    np.testing.assert_array_equal(found["unit_collapsed"], [False, True, False, True])
    assert found["active_units"] == 1
    np.testing.assert_array_equal(found["active_units_ci"], [1, 1])
    expected = posterior["mean"].isel(noise=0, channel=0).var("sample", ddof=1)
    np.testing.assert_allclose(found["unit_variance"][0], expected, rtol=1e-5)
    np.testing.assert_allclose(found["unit_posterior_variance"], [0.01, 1, 0.5, 1], rtol=1e-6)


def test_a_unit_at_the_threshold_makes_the_number_uncertain(make_latents):
    rng = np.random.default_rng(1)
    mean = 0.1 * rng.normal(size=(1, SAMPLES, 6, 1, 1))
    found = measure(make_latents(mean, log_variance=np.zeros_like(mean), noise=(0.0,)))
    low, high = found["active_units_ci"].values[0]
    assert 0 <= low < found["active_units"].item() < high <= 6


def test_a_channel_sums_over_its_positions(make_latents):
    rng = np.random.default_rng(2)
    mean = rng.normal(size=(1, 50, 3, 4, 5)) * np.array([1.0, 0.05, 0.0])[:, None, None]
    mean[:, :, 2] += 0.01 * rng.normal(size=(4, 5))  # differs between positions, not images
    log_variance = np.full_like(mean, -1e-3)
    found = measure(make_latents(mean, log_variance=log_variance, noise=(0.0,))).isel(noise=0)
    each = (mean**2 + np.exp(log_variance) - 1 - log_variance) / 2
    np.testing.assert_allclose(found["unit_kl"], each.sum((-1, -2)).mean((0, 1)), rtol=1e-4)
    expected = mean[0].var(axis=0, ddof=1).mean((-1, -2))
    np.testing.assert_allclose(found["unit_variance"], expected, rtol=1e-4, atol=1e-12)
    np.testing.assert_array_equal(found["unit_active"], [True, False, False])
    np.testing.assert_array_equal(found["unit_collapsed"], [False, True, True])


def test_deterministic_vectors_have_dead_units_and_no_divergence(make_latents, vector_latents):
    vectors = vector_latents.copy()
    vectors[:, :, [2, 5]] = 0.25
    found = measure(make_latents(vectors))
    assert "unit_kl" not in found
    assert (found["active_units"] == 8).all()
    np.testing.assert_array_equal(np.flatnonzero(found["unit_collapsed"][0]), [2, 5])
    np.testing.assert_array_equal(found["active_units_ci"][0], [8, 8])


def test_deterministic_tensors_have_their_dead_channels_elsewhere(make_latents, tensor_latents):
    assert not measure(make_latents(tensor_latents)).data_vars
