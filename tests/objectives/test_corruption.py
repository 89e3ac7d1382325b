import torch

from latentgeo.objectives import GaussianCorruption


def test_noise_of_zero_changes_nothing():
    images = torch.rand(3, 1, 4, 4)
    assert torch.equal(GaussianCorruption(0, 0)(images), images)


def test_deviation_is_drawn_per_image_uniformly_in_the_range():
    noise = GaussianCorruption(0.1, 0.3)(torch.zeros(2000, 1, 40, 40))
    deviations = noise.flatten(1).std(dim=1)
    assert deviations.min() > 0.1 * 0.9
    assert deviations.max() < 0.3 * 1.1
    quantiles = torch.quantile(deviations, torch.tensor([0.25, 0.5, 0.75]))
    torch.testing.assert_close(quantiles, torch.tensor([0.15, 0.2, 0.25]), atol=0.01, rtol=0)


def test_nothing_is_clipped_and_the_input_is_left_alone():
    images = torch.zeros(4, 1, 8, 8)
    assert GaussianCorruption(0.3, 0.3)(images).min() < 0
    assert not images.any()
