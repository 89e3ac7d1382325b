import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from latentgeo.objectives import LIKELIHOODS, Batch, KLDivergence, Pass, Posterior, Reconstruction


@pytest.fixture
def images():
    return torch.rand(5, 2, 4, 4)


def a_pass(logits, posterior=None):
    posterior = posterior or Posterior(torch.zeros(5, 3, 1, 1))
    return Pass(posterior, posterior.mean, logits)


def test_bernoulli_is_the_negative_log_likelihood_of_torch():
    logits, binary = torch.randn(5, 2, 4, 4), torch.randint(0, 2, (5, 2, 4, 4)).float()
    expected = -Bernoulli(logits=logits).log_prob(binary).sum(dim=(1, 2, 3)).mean()
    term = Reconstruction(LIKELIHOODS["bernoulli"])
    torch.testing.assert_close(term(a_pass(logits), Batch(binary)), expected)


def test_gaussian_is_the_negative_log_likelihood_of_torch_up_to_its_constant(images):
    output = torch.randn_like(images)
    normal = Normal(output, 0.1)
    expected = (normal.log_prob(output) - normal.log_prob(images)).sum(dim=(1, 2, 3)).mean()
    term = Reconstruction(LIKELIHOODS["gaussian"])
    torch.testing.assert_close(term(a_pass(output), Batch(images)), expected)


# That of sentences is of words, not of pixels each for itself.
@pytest.mark.parametrize("likelihood", [name for name in LIKELIHOODS if name != "categorical"])
def test_reconstruction_is_least_at_the_image_itself(likelihood, images):
    images = images.clamp(0.05, 0.95)
    sigmoid = likelihood in ("bernoulli", "squared-sigmoid")
    exact = torch.logit(images) if sigmoid else images
    exact = 2 * images - 1 if likelihood == "squared-signed" else exact
    term = Reconstruction(LIKELIHOODS[likelihood])
    assert term(a_pass(exact), Batch(images)) < term(a_pass(exact + 0.1), Batch(images))
    torch.testing.assert_close(LIKELIHOODS[likelihood].mean(exact), images)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_mean_images_lie_in_the_pixel_range(likelihood):
    mean = LIKELIHOODS[likelihood].mean(100 * torch.randn(5, 1, 4, 4))
    assert mean.min() >= 0
    assert mean.max() <= 1


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_reconstruction_sums_over_pixels_and_averages_over_the_batch(likelihood, images):
    term, logits = Reconstruction(LIKELIHOODS[likelihood]), torch.randn_like(images)
    once = term(a_pass(logits), Batch(images))
    twice = term(a_pass(logits.repeat(2, 1, 2, 1)), Batch(images.repeat(2, 1, 2, 1)))
    torch.testing.assert_close(twice, 2 * once)


def test_kl_is_that_of_torch():
    mean, log_variance = torch.randn(5, 3, 2, 2), torch.randn(5, 3, 2, 2)
    posterior = Posterior(mean, log_variance)
    normal = Normal(mean, posterior.standard_deviation)
    expected = kl_divergence(normal, Normal(0.0, 1.0)).sum(dim=(1, 2, 3)).mean()
    found = KLDivergence()(
        a_pass(torch.zeros(5, 1, 4, 4), posterior), Batch(torch.zeros(5, 1, 4, 4))
    )
    torch.testing.assert_close(found, expected)


def test_kl_weight_rises_during_the_warm_up():
    term = KLDivergence(weight=2.0, warmup=0.5)
    found = [term.weight_at(share) for share in (0.0, 0.25, 0.5, 1.0)]
    assert found == [0.0, 1.0, 2.0, 2.0]
    assert KLDivergence(weight=2.0).weight_at(0.0) == 2.0


def test_kl_of_a_point_is_refused():
    with pytest.raises(TypeError, match="needs a stochastic posterior"):
        KLDivergence()(a_pass(torch.zeros(5, 1, 4, 4)), Batch(torch.zeros(5, 1, 4, 4)))


def test_names_of_terms_differ():
    assert Reconstruction.name != KLDivergence.name
