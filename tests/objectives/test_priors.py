import math

import pytest
import torch

from latentgeo.errors import InputError
from latentgeo.objectives import (
    PRIORS,
    UNLABELLED,
    Categorical,
    CustomPrior,
    GaussianMixture,
    StandardNormal,
    SwissRoll,
    make_prior,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", PRIORS)
def test_draws_have_the_dimension_and_follow_the_seed(name):
    prior = make_prior(name, 2)
    first, again, other = (prior.sample(50, seeded(seed)) for seed in (0, 0, 1))
    assert first.shape == (50, 2)
    assert first.dtype == torch.float32
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("name", PRIORS)
def test_the_global_generator_is_used_without_another(name):
    prior = make_prior(name, 2)
    torch.manual_seed(3)
    first = prior.sample(10)
    torch.manual_seed(3)
    assert torch.equal(first, prior.sample(10))


def test_normal_has_its_moments_and_density():
    prior = StandardNormal(3, 2.0)
    draws = prior.sample(20000, seeded())
    torch.testing.assert_close(draws.T.cov(), 4 * torch.eye(3), atol=0.1, rtol=0)
    expected = torch.distributions.Normal(0.0, 2.0).log_prob(draws).sum(dim=1)
    torch.testing.assert_close(prior.log_density(draws), expected)
    assert prior.spread == 24


@pytest.mark.parametrize("component", [0, 3, 9])
def test_a_petal_lies_outwards_and_is_long_along_its_axis(component):
    draws = GaussianMixture().sample(20000, seeded(), labels=torch.full((20000,), component))
    angle = 2 * math.pi * component / 10
    axis = torch.tensor([math.cos(angle), math.sin(angle)])
    across = torch.tensor([-math.sin(angle), math.cos(angle)])
    torch.testing.assert_close(draws.mean(dim=0), 1.4 * axis, atol=0.02, rtol=0)
    assert (draws @ axis).std().item() == pytest.approx(0.5, rel=0.03)
    assert (draws @ across).std().item() == pytest.approx(0.05, rel=0.03)


def test_density_of_the_mixture_is_that_of_its_components():
    draws = GaussianMixture().sample(200, seeded())
    each = []
    for component in range(10):
        angle = torch.tensor(2 * math.pi * component / 10)
        rotation = torch.stack(
            [torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])]
        )
        covariance = rotation @ torch.diag(torch.tensor([0.25, 0.0025])) @ rotation.T
        normal = torch.distributions.MultivariateNormal(1.4 * rotation[:, 0], covariance)
        each.append(normal.log_prob(draws))
    expected = torch.stack(each).logsumexp(dim=0) - math.log(10)
    torch.testing.assert_close(GaussianMixture().log_density(draws), expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("segment", [0, 4, 9])
def test_the_roll_unrolls_into_its_segments(segment):
    draws = SwissRoll().sample(1000, seeded(), labels=torch.full((1000,), segment))
    radius = draws.norm(dim=1)
    u = (radius / 3).square()
    assert segment / 10 <= u.min() < u.max() <= (segment + 1) / 10 + 1e-6
    angle = 4 * math.pi * u.sqrt()
    expected = radius[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    torch.testing.assert_close(draws, expected, atol=1e-4, rtol=1e-4)


def test_hidden_labels_draw_from_the_whole_prior():
    labels = torch.full((3000,), UNLABELLED)
    labels[:1000] = 2
    category = Categorical(5).sample(3000, seeded(), labels=labels).argmax(dim=1)
    assert (category[:1000] == 2).all()
    assert torch.bincount(category[1000:]).min() > 300
    rest = SwissRoll().sample(3000, seeded(), labels=labels)[1000:]
    assert rest.norm(dim=1).max() > 2.9
    assert rest.norm(dim=1).min() < 0.5


def test_categories_are_one_hot():
    draws = Categorical(4).sample(500, seeded())
    assert draws.sum(dim=1).eq(1).all()
    assert draws.max(dim=1).values.eq(1).all()


def test_spread_is_the_expected_squared_distance_of_two_draws():
    prior = GaussianMixture()
    a, b = prior.sample(20000, seeded(1)), prior.sample(20000, seeded(2))
    found = (a - b).square().sum(dim=1).mean().item()
    assert prior.spread == pytest.approx(found, rel=0.05)


def test_a_prior_of_your_own(monkeypatch):
    def draw(n, generator):
        return torch.rand(n, 3, generator=generator)

    monkeypatch.setitem(PRIORS, "cube", lambda dimension, deviation: CustomPrior(draw, 3))
    prior = make_prior("cube", 3)
    assert prior.sample(100, seeded()).min() >= 0
    with pytest.raises(InputError, match=r"prior 'cube' has dimension 3, the code has 4; choose"):
        make_prior("cube", 4)
    with pytest.raises(InputError, match=r"gave shape \(5, 3\), expected \(5, 2\)"):
        CustomPrior(draw, 2).sample(5)
    with pytest.raises(InputError, match="density of the prior CustomPrior is not known"):
        prior.log_density(torch.zeros(1, 3))


@pytest.mark.parametrize("name", ["mixture", "swiss-roll"])
def test_the_wrong_dimension_is_refused_with_the_way_out(name):
    with pytest.raises(InputError) as caught:
        make_prior(name, 8)
    assert f"prior {name!r} has dimension 2, the code has 8" in str(caught.value)
    assert "latent_dim" in str(caught.value)


@pytest.mark.parametrize("prior", [SwissRoll(), GaussianMixture(), Categorical(10)])
def test_a_label_beyond_the_parts_is_refused(prior):
    with pytest.raises(InputError, match="label 10 has no part of the prior, which has 10"):
        prior.sample(2, labels=torch.tensor([0, 10]))
