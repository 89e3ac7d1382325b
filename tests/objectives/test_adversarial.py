from copy import deepcopy

import pytest
import torch
from torch import nn

from latentgeo.models import ModelConfig, build
from latentgeo.objectives import AdversarialTerm, Batch, Pass, Posterior


class Toy(AdversarialTerm):
    """Scores codes and decoded images; it needs pass, decoder and encoder."""

    def __init__(self, **settings):
        super().__init__(nn.Linear(4, 1), name="toy", **settings)

    def __call__(self, pass_, batch):
        return self.adversary(pass_.latent.flatten(1)).square().mean()

    def adversary_loss(self, pass_, batch):
        again = pass_.codec.posterior(pass_.codec.decode(pass_.latent.flip(0))).mean
        codes = torch.cat([pass_.latent, again])
        return (self.adversary(codes.flatten(1)) - 1).square().mean()


@pytest.fixture
def model():
    options = {"hidden": (8,), "latent_dim": 4}
    return build(ModelConfig(recipe="cae", backbone="mlp", image_shape=(1, 4, 4), options=options))


@pytest.fixture
def batch():
    return Batch(torch.rand(6, 1, 4, 4))


def copies(module):
    return [weight.detach().clone() for weight in module.parameters()]


def same(module, weights):
    return all(torch.equal(a, b) for a, b in zip(module.parameters(), weights, strict=True))


def test_the_autoencoders_step_moves_it_and_leaves_the_adversary(model, batch):
    term = Toy()
    before, adversary = copies(model.encoder), copies(term.adversary)
    optimiser = torch.optim.Adam([*model.parameters(), *term.adversary.parameters()], 0.1)
    term(model(batch.images), batch).backward()
    optimiser.step()
    assert not same(model.encoder, before)
    assert same(term.adversary, adversary)
    assert all(weight.grad is None for weight in term.adversary.parameters())


def test_the_adversarys_step_moves_it_and_leaves_the_autoencoder(model, batch):
    term = Toy(learning_rate=0.1)
    before, adversary = copies(model), copies(term.adversary)
    term.descend(model(batch.images), batch)
    assert same(model, before)
    assert all(weight.grad is None for weight in model.parameters())
    assert not same(term.adversary, adversary)
    assert not any(weight.requires_grad for weight in term.adversary.parameters())


def test_the_adversary_learns(model, batch):
    term, pass_ = Toy(learning_rate=0.1), model(batch.images)
    losses = [float(term.descend(pass_, batch)) for _ in range(60)]
    assert losses[-1] < 0.2 * losses[0]


def test_factor_and_clip_apply_to_the_adversary(model, batch):
    pass_, moved = model(batch.images), []
    for factor in (1.0, 0.25):
        torch.manual_seed(0)
        term = Toy(learning_rate=0.1)
        before = term.adversary.weight.detach().clone()
        term.set_rate(factor)
        term.descend(pass_, batch, clip=1e-3)
        moved.append((term.adversary.weight - before).abs().max().item())
        gradients = [weight.grad.flatten() for weight in term.adversary.parameters()]
        assert torch.cat(gradients).norm().item() == pytest.approx(1e-3, rel=1e-3)
    assert moved[1] == pytest.approx(0.25 * moved[0], rel=1e-4)


def test_a_saved_adversary_goes_on_the_same(model, batch):
    pass_, first, second = model(batch.images), Toy(), Toy()
    first.descend(pass_, batch)
    second.load_state_dict(deepcopy(first.state_dict()))
    for term in (first, second):
        term.descend(pass_, batch)
    assert same(second.adversary, copies(first.adversary))


def test_a_pass_gives_its_codes():
    mean, style = torch.randn(2, 4, 1, 1), torch.randn(2, 3)
    pass_ = Pass(Posterior(mean, codes={"style": style}), mean, torch.zeros(2, 1, 4, 4))
    assert pass_.code("latent") is mean
    assert pass_.code("style") is style
    with pytest.raises(TypeError, match=r"needs the code 'colour', .*\['style'\]"):
        pass_.code("colour")
    with pytest.raises(TypeError, match="needs the autoencoder"):
        _ = pass_.codec


def test_nothing_flows_back_through_a_detached_pass():
    mean = torch.randn(2, 4, 1, 1, requires_grad=True)
    posterior = Posterior(mean, 2 * mean, {"style": 3 * mean})
    pass_ = Pass(posterior, 2 * mean, 3 * mean).detached()
    tensors = [*pass_.posterior[:2], pass_.code("style"), pass_.latent, pass_.logits]
    assert not any(tensor.requires_grad for tensor in tensors)


class Convolution(AdversarialTerm):
    """Scores images that lie in memory channel by channel, as the training loop has them."""

    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 3), name="convolution")

    def __call__(self, pass_, batch):
        return self.adversary(batch.images).square().mean()

    adversary_loss = __call__


def test_a_step_is_that_of_adam_however_the_gradients_lie_in_memory(model):
    term = Convolution()
    net = deepcopy(term.adversary).requires_grad_(True)
    images = torch.rand(2, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.5, 0.999), fused=False)
    for _ in range(3):
        term.descend(model(torch.rand(2, 1, 4, 4)), Batch(images))
        optimiser.zero_grad()
        net(images).square().mean().backward()
        optimiser.step()
    for ours, theirs in zip(term.adversary.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
