import pytest
import torch
from torch import nn

from latentgeo.objectives import Batch, Pass, Posterior
from latentgeo.objectives.interpolation_critic import InterpolationCritic


class Linear(nn.Module):
    """An autoencoder of linear maps, which notes what it decodes."""

    def __init__(self, shape=(1, 4, 4), latent=(3, 1, 1)):
        super().__init__()
        size = torch.Size(shape).numel()
        self.shape, self.latent = shape, latent
        self.encoder = nn.Linear(size, torch.Size(latent).numel())
        self.decoder = nn.Linear(torch.Size(latent).numel(), size)
        self.decoded = []

    def decode_logits(self, latents):
        self.decoded.append(latents)
        return self.decoder(latents.flatten(1)).reshape(-1, *self.shape)

    def forward(self, images):
        latent = self.encoder(images.flatten(1)).reshape(-1, *self.latent)
        logits = self.decoder(latent.flatten(1)).reshape(-1, *self.shape)
        return Pass(Posterior(latent), latent, logits, self)


class Map(nn.Module):
    """A critic that gives a map."""

    def __init__(self, shape=(1, 4, 4)):
        super().__init__()
        size = torch.Size(shape).numel()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(size, 32), nn.LeakyReLU(0.2), nn.Linear(32, 8)
        )
        self.seen = []

    def forward(self, images):
        self.seen.append(images)
        return self.net(images).reshape(len(images), 2, 2, 2)


def copies(module):
    return [weight.detach().clone() for weight in module.parameters()]


def same(module, weights):
    return all(torch.equal(a, b) for a, b in zip(module.parameters(), weights, strict=True))


@pytest.fixture
def term():
    return InterpolationCritic(Map(), lambda logits: logits, learning_rate=0.05)


@pytest.fixture
def batch():
    return Batch(torch.rand(6, 1, 4, 4))


def test_its_step_moves_the_critic_and_the_other_does_not(term, batch):
    model = Linear()
    ours, critics = copies(model), copies(term.adversary)
    optimiser = torch.optim.Adam([*model.parameters(), *term.adversary.parameters()], 0.05)
    pass_ = model(batch.images)
    term(pass_, batch).backward()
    optimiser.step()
    assert same(term.adversary, critics)
    moved = [not torch.equal(a, b) for a, b in zip(model.parameters(), ours, strict=True)]
    assert all(moved)
    ours = copies(model)
    term.descend(pass_, batch)
    assert same(model, ours)
    assert all(
        not torch.equal(a, b) for a, b in zip(term.adversary.parameters(), critics, strict=True)
    )


def test_the_scalar_is_the_mean_of_the_map(term):
    images = torch.rand(5, 1, 4, 4)
    torch.testing.assert_close(term.scalar(images), term.adversary(images).mean(dim=(1, 2, 3)))


def test_pairs_are_in_reverse_order_with_a_share_of_at_most_one_half_each(term):
    model, shares = Linear(), []
    pass_ = model(torch.rand(40, 1, 4, 4))
    for _ in range(50):
        mixture = term._mix(pass_)
        share = mixture.share.reshape(-1, 1, 1, 1)
        expected = share * pass_.latent + (1 - share) * pass_.latent.flip(0)
        torch.testing.assert_close(model.decoded[-1], expected)
        shares.append(mixture.share)
    drawn = torch.cat(shares)
    assert drawn.min() >= 0
    assert drawn.max() <= 0.5
    assert drawn.mean().item() == pytest.approx(0.25, abs=0.01)
    assert drawn.std().item() == pytest.approx(0.5 / 12**0.5, abs=0.01)
    assert len(drawn.unique()) > 1900


def test_the_middle_of_an_odd_batch_is_no_mixture(term):
    model = Linear()
    pass_ = model(torch.rand(5, 1, 4, 4))
    mixture = term._mix(pass_)
    assert mixture.share[2] == 0
    assert (mixture.share[[0, 1, 3, 4]] > 0).all()
    torch.testing.assert_close(model.decoded[-1][2], pass_.latent[2])


def test_losses_are_those_of_the_paper(term, batch):
    model = Linear()
    pass_ = model(batch.images)
    with torch.no_grad():
        ours = term(pass_, batch)
        images, share = term._mixture
        critics = term.adversary_loss(pass_.detached(), batch)
        said = term.scalar(images)
        unmixed = 0.2 * (2 * batch.images - 1) + 0.8 * pass_.logits
        expected = (said - share).square().mean() + term.scalar(unmixed).square().mean()
    torch.testing.assert_close(ours, said.square().mean())
    torch.testing.assert_close(critics, expected)


def test_both_see_the_same_interpolations_decoded_once(term, batch):
    model = Linear()
    pass_ = model(batch.images)
    term(pass_, batch).backward()
    term.descend(pass_, batch)
    assert len(model.decoded) == 1
    first, second = term.adversary.seen[:2]
    assert torch.equal(first, second)
    assert not second.requires_grad
    term.descend(pass_, batch)
    assert len(model.decoded) == 2


def test_a_critic_learns_the_share(batch):
    torch.manual_seed(1)
    term = InterpolationCritic(Map(), lambda logits: logits, learning_rate=0.01)
    model = Linear()
    model.requires_grad_(False)
    images = torch.zeros(64, 1, 4, 4)
    images[:32], images[32:] = 1.0, 0.0
    images[32:, :, :2] = 1.0
    batch = Batch(images)
    pass_ = model(images)
    before = term.diagnostics(pass_, batch)["error"]
    for _ in range(300):
        term(pass_, batch)
        term.descend(pass_, batch)
    assert term.diagnostics(pass_, batch)["error"] < 0.05 < 0.1 < before


@pytest.mark.parametrize("shape", [(1, 4, 4), (16, 1, 1)])
def test_images_and_vectors(shape):
    torch.manual_seed(0)
    model = Linear(shape)
    term = InterpolationCritic(Map(shape), lambda logits: logits)
    batch = Batch(torch.rand(4, *shape))
    pass_ = model(batch.images)
    term(pass_, batch).backward()
    assert model.encoder.weight.grad.abs().sum() > 0
    assert torch.isfinite(term.descend(pass_, batch))
