import math

import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from latentgeo.errors import InputError
from latentgeo.metrics.mmd import mmd_squared
from latentgeo.models import ModelConfig, build, objective
from latentgeo.objectives import (
    AdversarialPrior,
    Batch,
    Categorical,
    Classification,
    CodeReconstruction,
    Discriminator,
    GaussianMixture,
    HeadDistance,
    Labelled,
    MaximumMeanDiscrepancy,
    MomentMatching,
    Pass,
    Posterior,
    StandardNormal,
)


def a_pass(latent, codes=None, model=None):
    latent = latent if latent.ndim == 4 else latent[..., None, None]
    return Pass(Posterior(latent, codes=codes), latent, torch.zeros(len(latent), 1, 4, 4), model)


def a_batch(n, labels=None):
    return Batch(torch.rand(n, 1, 4, 4), labels)


def test_discrepancy_is_the_measure_on_as_many_draws():
    codes, prior, batch = torch.randn(12, 3), StandardNormal(3, 2.0), a_batch(12)
    term = MaximumMeanDiscrepancy(prior, kernel="rbf", weight=7.0)
    torch.manual_seed(1)
    found = term(a_pass(codes), batch)
    torch.manual_seed(1)
    draws = prior.sample(12)
    torch.testing.assert_close(found, mmd_squared(codes, draws, kernel="rbf", scale=24.0))
    assert (term.name, term.weight) == ("mmd_latent", 7.0)


def test_descending_the_discrepancy_brings_codes_to_the_prior():
    term = MaximumMeanDiscrepancy(StandardNormal(2))
    codes = (0.1 * torch.randn(200, 2) + 2).requires_grad_()
    optimiser = torch.optim.Adam([codes], 0.05)
    for _ in range(300):
        optimiser.zero_grad()
        term(a_pass(codes), a_batch(200)).backward()
        optimiser.step()
    assert codes.mean(dim=0).abs().max() < 0.3
    assert codes.std(dim=0).min() > 0.6


def test_discrepancy_of_a_single_image_is_refused():
    with pytest.raises(InputError, match="set a batch_size from 2"):
        MaximumMeanDiscrepancy(StandardNormal(2))(a_pass(torch.zeros(1, 2)), a_batch(1))


def test_moments_are_compared_without_bias():
    # A code of N(m, s²I) against N(0, I): ‖m‖² + ‖s²I + mmᵀ - I‖².
    mean, deviation = torch.tensor([0.5, 0.0, 0.0]), 0.7
    term = MomentMatching(StandardNormal(3))
    found = torch.stack(
        [term(a_pass(deviation * torch.randn(10, 3) + mean), a_batch(10)) for _ in range(4000)]
    )
    moment = deviation**2 * torch.eye(3) + torch.outer(mean, mean) - torch.eye(3)
    expected = mean.square().sum() + moment.square().sum()
    assert abs(found.mean() - expected) < 4 * found.std() / len(found) ** 0.5


@pytest.mark.parametrize("dimension", [4, 60])
def test_descending_the_moments_finds_the_priors_scale(dimension):
    term = MomentMatching(StandardNormal(dimension, 2.0))
    factor = torch.tensor(0.3, requires_grad=True)
    optimiser = torch.optim.Adam([factor], 0.02)
    for _ in range(400):
        optimiser.zero_grad()
        term(a_pass(factor * torch.randn(32, dimension)), a_batch(32)).backward()
        optimiser.step()
    assert factor.item() == pytest.approx(2.0, rel=0.1)


def test_adversarial_losses_are_the_cross_entropies_of_the_discriminator():
    term = AdversarialPrior(StandardNormal(2), hidden=(8,))
    codes, batch = torch.randn(5, 2), a_batch(5)
    logits = term.adversary(codes)
    torch.testing.assert_close(term(a_pass(codes), a_batch(5)), -torch.sigmoid(logits).log().mean())
    torch.manual_seed(0)
    found = term.adversary_loss(a_pass(codes), batch)
    torch.manual_seed(0)
    real = term.adversary(StandardNormal(2).sample(5))
    expected = -torch.sigmoid(real).log().mean() - (1 - torch.sigmoid(logits)).log().mean()
    torch.testing.assert_close(found, expected)


def test_positions_are_codes_of_their_own():
    term = AdversarialPrior(StandardNormal(3), hidden=(8,), positions=True)
    latents = torch.randn(5, 3, 2, 4)
    codes, batch = latents.permute(0, 2, 3, 1).reshape(40, 3), a_batch(5)
    torch.testing.assert_close(
        term(a_pass(latents), batch), -torch.sigmoid(term.adversary(codes)).log().mean()
    )
    torch.manual_seed(0)
    found = term.adversary_loss(a_pass(latents), batch)
    torch.manual_seed(0)
    real = term.adversary(StandardNormal(3).sample(40))
    fake = term.adversary(codes)
    expected = -torch.sigmoid(real).log().mean() - (1 - torch.sigmoid(fake)).log().mean()
    torch.testing.assert_close(found, expected)
    assert term.diagnostics(a_pass(latents), batch)["code_variance"] == pytest.approx(
        float(codes.var(dim=0, correction=0).mean()), rel=1e-5
    )


@pytest.mark.parametrize("recipe", ["aae", "wae-gan"])
@pytest.mark.parametrize(
    ("backbone", "options", "numbers", "widths"),
    [
        ("sctc", {"widths": (4, 8, 16)}, 16, (128, 128)),
        ("sctc", {"widths": (4, 8, 16), "discriminator": (9,)}, 16, (9,)),
        ("sctc", {"widths": (4, 8, 16), "discriminator_sees": "latent"}, 64, None),
        ("mlp", {"hidden": (8,), "latent_dim": 6}, 6, None),
        ("mlp", {"hidden": (8,), "latent_dim": 2, "prior": "mixture"}, 2, None),
    ],
)
def test_a_discriminator_sees_the_positions_of_tensors(recipe, backbone, options, numbers, widths):
    config = ModelConfig(recipe=recipe, backbone=backbone, image_shape=(1, 8, 8), options=options)
    (term,) = [each for each in objective(build(config)) if isinstance(each, AdversarialPrior)]
    layers = [layer for layer in term.adversary.net if isinstance(layer, torch.nn.Linear)]
    assert layers[0].in_features == term.prior.dimension == numbers
    of_paper = {"aae": (1000, 1000), "wae-gan": (512,) * 4}[recipe]
    assert tuple(layer.out_features for layer in layers[:-1]) == (widths or of_paper)


def test_positions_need_a_prior_that_is_the_same_at_each():
    options = {"discriminator_sees": "positions", "prior": "mixture", "latent_dim": 2}
    with pytest.raises(ValueError, match="use prior=normal or discriminator_sees=latent"):
        build(ModelConfig(recipe="aae", backbone="mlp", image_shape=(1, 8, 8), options=options))


def test_adversary_and_codes_find_the_prior():
    term = AdversarialPrior(StandardNormal(2), hidden=(32, 32), learning_rate=2e-3)
    codes = (0.2 * torch.randn(256, 2) + 1.5).requires_grad_()
    optimiser = torch.optim.Adam([codes], 0.02, betas=(0.5, 0.999))
    for _ in range(600):
        optimiser.zero_grad()
        term(a_pass(codes), a_batch(256)).backward()
        optimiser.step()
        term.descend(a_pass(codes), a_batch(256))
    assert codes.mean(dim=0).abs().max() < 0.5
    assert 0.6 < codes.std(dim=0).min() < codes.std(dim=0).max() < 1.5


def test_a_discriminator_is_told_the_labels_and_draws_follow_them():
    term = AdversarialPrior(GaussianMixture(), hidden=(8,), classes=10)
    labels = torch.tensor([0, 3, -1, 9])
    net = term.adversary
    told = net._one_hot_labels(labels, torch.zeros(4, 2))
    assert torch.equal(told, one_hot(torch.tensor([0, 3, 10, 9]), 11).float())
    assert net.net[0].in_features == 13
    seen = []
    net.register_forward_pre_hook(lambda module, given: seen.append(given))
    term._score_draws(Batch(torch.zeros(400, 1, 2, 2), torch.full((400,), 5)), 400)
    draws, given = seen[0]
    assert (given == 5).all()
    torch.testing.assert_close(draws.mean(dim=0), torch.tensor([-1.4, 0.0]), atol=0.1, rtol=0)


def test_the_known_density_is_added_to_each_logit_and_not_across_the_batch():
    prior = StandardNormal(2)
    net = Discriminator(2, (4,), prior=prior)
    codes = torch.randn(6, 2)
    assert net(codes).shape == (6,)
    each = torch.cat([net(code[None]) for code in codes])
    torch.testing.assert_close(net(codes), each)
    torch.testing.assert_close(net(codes) - prior.log_density(codes), net.net(codes)[:, 0])


def test_noise_on_the_codes_is_for_training_alone():
    net, codes = Discriminator(2, (4,), noise=0.5), torch.randn(6, 2)
    assert not torch.equal(net(codes), net(codes))
    net.eval()
    assert torch.equal(net(codes), net(codes))


class TestSigns:
    def diagnostics(self, term, codes, n=2000):
        term.adversary.eval()
        found = term.diagnostics(a_pass(codes), a_batch(n))
        return {name: float(value) for name, value in found.items()}

    def test_of_codes_that_follow_the_prior(self):
        term = AdversarialPrior(StandardNormal(3), hidden=(8,))
        signs = self.diagnostics(term, torch.randn(2000, 3))
        assert signs["accuracy"] == pytest.approx(0.5, abs=0.05)
        assert signs["code_variance"] == pytest.approx(1, abs=0.1)
        assert term.diagnose(signs) is None

    def test_of_collapsed_codes(self):
        term = AdversarialPrior(StandardNormal(3), hidden=(8,))
        said = term.diagnose(self.diagnostics(term, 0.1 * torch.randn(2000, 3)))
        assert said.startswith("the codes (latent) have collapsed: their variance is 0.9")
        assert "try a smaller weight" in said

    def test_of_codes_of_many_numbers_in_few_directions(self):
        term = AdversarialPrior(StandardNormal(400), hidden=(8,))
        codes = torch.randn(2000, 400)
        codes[:, 8:] = 0
        assert "collapsed" not in str(term.diagnose(self.diagnostics(term, codes)))
        assert "collapsed" in term.diagnose(self.diagnostics(term, 0.1 * codes))

    @pytest.mark.parametrize(("dimension", "advice"), [(3, "discriminator_rate"), (400, "fewer")])
    def test_of_a_discriminator_that_has_won(self, dimension, advice):
        term = AdversarialPrior(StandardNormal(dimension), hidden=(8,))
        said = term.diagnose({"accuracy": 0.99, "score_deviation": 3.0, "code_variance": 1.0})
        assert "has won: its accuracy is 99.0%" in said
        assert advice in said

    def test_of_a_dead_discriminator(self):
        term = AdversarialPrior(StandardNormal(3), hidden=(8,))
        with torch.no_grad():
            term.adversary.net[0].bias.fill_(-100)
        said = term.diagnose(self.diagnostics(term, torch.randn(2000, 3) + 3))
        assert "is dead: its output is the same for every code; try" in said

    def test_of_categories(self):
        term = AdversarialPrior(Categorical(8), code="category", hidden=(8,))
        used = one_hot(torch.arange(2000) % 3, 8).float()
        signs = term.diagnostics(a_pass(used, {"category": used}), a_batch(2000))
        assert float(signs["active"]) == pytest.approx(3, abs=0.01)
        said = term.diagnose({name: float(value) for name, value in signs.items()})
        assert said.startswith("only 3.0 of 8 categories are in use; try")


def test_classification_is_the_cross_entropy_of_the_labelled_images():
    logits, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    images = torch.rand(2, 1, 4, 4)

    class Model:
        def posterior(self, given):
            assert given is images
            return Posterior(torch.zeros(2, 1, 1, 1), codes={"category_logits": logits[:2]})

    pass_ = a_pass(torch.zeros(6, 2), {"category_logits": logits}, Model())
    term = Classification()
    whole = term(pass_, a_batch(6, labels))
    torch.testing.assert_close(whole, cross_entropy(logits, labels))
    batch = a_batch(6, labels)._replace(labelled=Labelled(images, labels[:2]))
    torch.testing.assert_close(term(pass_, batch), cross_entropy(logits[:2], labels[:2]))
    wrong = (logits.argmax(dim=1) != labels).double().mean()
    assert term.diagnostics(pass_, a_batch(6, labels))["error"] == wrong
    with pytest.raises(TypeError, match="needs labels, the batch has none"):
        term(pass_, a_batch(6))


def test_heads_are_pushed_up_to_the_distance():
    heads = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    pass_ = a_pass(torch.zeros(2, 2), {"heads": heads})
    found = HeadDistance(4.5)(pass_, a_batch(2))
    third = math.hypot(3, 3)
    assert float(found) == pytest.approx((0 + (4.5 - third) + 3.5) / 3, rel=1e-6)


def test_code_reconstruction_sums_over_the_code_and_averages_over_the_batch():
    stage, rebuilt = torch.randn(5, 3), torch.randn(5, 3)
    pass_ = a_pass(stage, {"stage": stage, "rebuilt": rebuilt})
    found = CodeReconstruction()(pass_, a_batch(5))
    torch.testing.assert_close(found, (stage - rebuilt).square().sum() / 5)


def test_a_code_that_shrinks_is_diagnosed():
    said = CodeReconstruction().diagnose({"stage_deviation": 0.01, "through_error": 0.1})
    assert "the first code has shrunk to a standard deviation of 0.010" in said
    assert "stage_gradients" in said
    assert CodeReconstruction().diagnose({"stage_deviation": 0.3}) is None
