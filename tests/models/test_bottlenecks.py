import pytest
import torch

from latentgeo.models.bottlenecks import (
    Categories,
    Conditional,
    DenseGaussian,
    Deterministic,
    Stacked,
    Universal,
)


@pytest.fixture
def features():
    return torch.randn(6, 12, 1, 1)


def test_a_universal_point_depends_on_noise_while_training_alone(features):
    net = Universal(12, 3, noise=5)
    assert not torch.equal(net(features).mean, net(features).mean)
    assert net(features).log_variance is None
    net.eval()
    assert torch.equal(net(features).mean, net(features).mean)


def test_a_universal_posterior_is_no_mere_shift(features):
    net = Universal(12, 3, noise=5)
    spread = torch.stack([net(features).mean for _ in range(400)]).std(dim=0)
    assert (spread.std(dim=0) > 0.01 * spread.mean()).all()


def test_a_normalised_latent_has_the_deviation_asked_for():
    net = Deterministic(12, 12, "linear", deviation=2.0)
    latent = net(5 * torch.randn(50, 12, 3, 3) + 7).mean
    torch.testing.assert_close(latent.mean(dim=(0, 2, 3)), torch.zeros(12), atol=1e-4, rtol=0)
    spread = latent.std(dim=(0, 2, 3), correction=0)
    torch.testing.assert_close(spread, torch.full((12,), 2.0), atol=1e-3, rtol=0)


def test_a_dense_head_sees_all_places():
    head = DenseGaussian(3, (5, 2, 2))
    features = torch.randn(4, 3, 2, 2)
    elsewhere = features.clone()
    elsewhere[:, :, 1, 1] += 1
    before, after = head(features), head(elsewhere)
    assert before.mean.shape == before.log_variance.shape == (4, 5, 2, 2)
    assert (before.mean[..., 0, 0] != after.mean[..., 0, 0]).all()
    expected = features.flatten(1) @ head.mean.weight.T + head.mean.bias
    torch.testing.assert_close(before.mean.flatten(1), expected)


class TestConditional:
    @pytest.fixture
    def net(self):
        return Conditional(Deterministic(12, 3, "linear"), classes=4)

    def test_without_labels_the_classes_share_one(self, net, features):
        posterior = net(features)
        assert posterior.mean.shape == (6, 7, 1, 1)
        assert (posterior.mean[:, 3:] == 0.25).all()
        assert torch.equal(posterior.codes["style"], posterior.mean[:, :3, 0, 0])

    def test_known_labels_take_their_places(self, net, features):
        latent = net(features).mean
        told = net.condition(latent, torch.tensor([0, 3, -1, 1, -1, 2]))
        assert torch.equal(told[:, :3], latent[:, :3])
        label = told[:, 3:, 0, 0]
        assert label[[0, 1, 3, 5]].argmax(dim=1).tolist() == [0, 3, 1, 2]
        assert label[[0, 1, 3, 5]].sum(dim=1).tolist() == [1, 1, 1, 1]
        assert (label[[2, 4]] == 0.25).all()

    def test_it_composes_style_and_label(self, net):
        codes = {"style": torch.randn(2, 3), "label": torch.eye(4)[:2]}
        assert torch.equal(net.compose(codes), torch.cat([codes["style"], codes["label"]], dim=1))


class TestCategories:
    def test_latent_is_category_beside_style(self, features):
        posterior = Categories(12, 7, 4)(features)
        codes = posterior.codes
        assert codes["category"].shape == (6, 4)
        assert codes["style"].shape == (6, 3)
        torch.testing.assert_close(codes["category"].sum(dim=1), torch.ones(6))
        expected = torch.cat([codes["category"], codes["style"]], dim=1)
        assert torch.equal(posterior.mean[..., 0, 0], expected)
        assert torch.equal(codes["category_logits"].softmax(dim=1), codes["category"])

    def test_latent_is_head_plus_style(self, features):
        net = Categories(12, 2, 4, heads=5.0)
        posterior = net(features)
        codes = posterior.codes
        expected = codes["category"] @ net.heads + codes["style"]
        assert torch.equal(posterior.mean[..., 0, 0], expected)
        one = net.compose({"category": torch.eye(4), "style": torch.zeros(4, 2)})
        assert torch.equal(one, net.heads)

    def test_heads_begin_about_as_far_as_asked(self):
        heads = Categories(12, 10, 200, heads=5.0).heads.detach()
        assert torch.pdist(heads).mean().item() == pytest.approx(5, rel=0.1)

    def test_normalised_logits_use_all_categories(self):
        features = torch.randn(400, 12, 1, 1) + 5
        shares = []
        for normalised in (True, False):
            torch.manual_seed(0)
            net = Categories(12, 20, 8, normalised=normalised)
            chosen = net(features).codes["category"].argmax(dim=1)
            shares.append(torch.bincount(chosen, minlength=8) / 400)
        assert shares[0].min() > 0.04
        assert shares[0].max() < shares[1].max()


class TestStacked:
    def make(self, gradients, shape=(3, 2, 2)):
        return Stacked(12, shape, dimension=2, hidden=(8, 8), gradients=gradients)

    def test_codes(self):
        features = torch.randn(6, 12, 2, 2)
        net = self.make("stop")
        posterior = net(features)
        codes = posterior.codes
        assert posterior.mean.shape == (6, 3, 2, 2)
        assert torch.equal(codes["stage"], posterior.mean.flatten(1))
        assert torch.equal(codes["code"], net.second_encoder(codes["stage"]))
        assert torch.equal(codes["rebuilt"], net.compose({"code": codes["code"]}))
        assert codes["rebuilt"].shape == (6, 12)

    @pytest.mark.parametrize(
        ("gradients", "flows"), [("stop", False), ("normalised", True), ("raw", True)]
    )
    def test_gradients_of_the_second_stage(self, gradients, flows):
        features = torch.randn(6, 12, 2, 2)
        net = self.make(gradients)
        codes = net(features).codes
        (codes["stage"] - codes["rebuilt"]).square().sum().backward()
        first = [weight.grad for weight in net.first.parameters()]
        assert any(grad is not None and grad.any() for grad in first) == flows
        assert all(weight.grad.any() for weight in net.second_decoder.parameters())

    def test_only_raw_gradients_let_the_first_code_shrink(self):
        start, end = zip(*map(self.deviations, ("stop", "normalised", "raw")), strict=True)
        assert end[0] > start[0]
        assert end[1] == pytest.approx(start[1], rel=0.1)
        assert end[2] < 0.8 * start[2]
        assert end[2] < 0.5 * end[0]

    def deviations(self, gradients):
        """Train both stages; give the first code's standard deviation before and after."""
        torch.manual_seed(0)
        features = torch.randn(64, 12, 1, 1)
        net = self.make(gradients, (6, 1, 1))
        decoder = torch.nn.Linear(6, 12)
        optimiser = torch.optim.Adam([*net.parameters(), *decoder.parameters()], 1e-2)
        found = []
        for _ in range(400):
            posterior = net(features)
            codes = posterior.codes
            error = decoder(posterior.mean.flatten(1)) - features.flatten(1)
            second = codes["stage"] - codes["rebuilt"]
            optimiser.zero_grad()
            (error.square().sum() + 30 * second.square().sum()).backward()
            optimiser.step()
            found.append(codes["stage"].detach().std().item())
        return found[0], found[-1]
