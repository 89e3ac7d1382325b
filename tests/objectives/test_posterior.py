import torch

from latentgeo.objectives import Posterior


def test_a_point_is_its_own_sample():
    point = Posterior(torch.randn(2, 3, 1, 1))
    assert point.sample() is point.mean
    assert not point.standard_deviation.any()


def test_samples_have_the_stated_mean_and_deviation():
    mean, deviation = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])
    many = Posterior(
        mean.expand(200_000, 2)[..., None, None],
        deviation.square().log().expand(200_000, 2)[..., None, None],
    ).sample(torch.Generator().manual_seed(0))
    torch.testing.assert_close(many.mean(dim=0).flatten(), mean, atol=0.03, rtol=0)
    torch.testing.assert_close(many.std(dim=0).flatten(), deviation, atol=0.03, rtol=0)


def test_samples_repeat_under_a_generator():
    posterior = Posterior(torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4))
    first, second = (posterior.sample(torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(first, second)


def test_gradients_pass_through_a_sample():
    mean, log_variance = torch.zeros(2, 1, 1, 1), torch.zeros(2, 1, 1, 1)
    mean.requires_grad_()
    log_variance.requires_grad_()
    Posterior(mean, log_variance).sample().sum().backward()
    assert torch.equal(mean.grad, torch.ones_like(mean))
    assert log_variance.grad.abs().min() > 0
