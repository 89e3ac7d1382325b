"""The nets of the ACAI paper."""

import pytest
import torch
from torch import nn

from latentgeo.models.acai import ACAIOptions, LeakyConv2d, acai_encoder, build_acai
from latentgeo.models.critic import CriticOptions, build_critic, critic_terms, per_squared_error
from latentgeo.models.nets import Shapes
from latentgeo.models.quantised import Codebook, QuantisedDecoder
from latentgeo.objectives.likelihoods import LIKELIHOODS


def count(net):
    return sum(weight.numel() for weight in net.parameters())


@pytest.mark.parametrize(
    ("colours", "depth", "scales", "channels", "encoder", "decoder", "latent"),
    [
        (1, 16, 4, 16, 627_472, 313_985, (16, 2, 2)),
        (1, 16, 3, 2, 150_146, 75_265, (2, 4, 4)),
        (1, 16, 3, 16, 166_288, 83_329, (16, 4, 4)),
        (3, 64, 3, 2, 2_370_178, 1_186_947, (2, 4, 4)),
        (3, 64, 3, 16, 2_434_704, 1_219_203, (16, 4, 4)),
        (3, 64, 3, 64, 2_655_936, 1_329_795, (64, 4, 4)),
    ],
)
def test_parameter_counts_of_the_paper(colours, depth, scales, channels, encoder, decoder, latent):
    options = ACAIOptions(depth=depth, scales=scales, latent_channels=channels)
    nets = build_acai((colours, 32, 32), options)
    assert (count(nets.encoder), count(nets.decoder)) == (encoder, decoder)
    assert nets.latent_shape == latent
    images = torch.rand(2, colours, 32, 32)
    assert nets.encoder(images).shape == (2, *latent)
    assert nets.decoder(nets.encoder(images)).shape == images.shape


def test_weights_are_drawn_by_fan_in_for_the_slope():
    torch.manual_seed(0)
    layer = LeakyConv2d(32, 64, 3)
    assert layer.weight.std().item() == pytest.approx((1.04 * 32 * 9) ** -0.5, rel=0.02)
    assert not layer.bias.any()


def test_layers_are_those_of_the_paper():
    net = acai_encoder(1, 4, 2, 3)
    kinds = [type(layer).__name__ for layer in net]
    block = ["LeakyConv2d", "LeakyReLU", "LeakyConv2d", "LeakyReLU", "AvgPool2d"]
    assert kinds == ["LeakyConv2d", *block, *block, "LeakyConv2d", "LeakyReLU", "LeakyConv2d"]
    assert net[0].padding == (0, 0)
    assert {layer.negative_slope for layer in net if isinstance(layer, nn.LeakyReLU)} == {0.2}
    assert [layer.out_channels for layer in net if isinstance(layer, nn.Conv2d)] == [
        4, 4, 4, 8, 8, 16, 3,
    ]  # fmt: skip


def test_28_pixels_are_padded_to_32_with_black_and_cropped():
    nets = build_acai((1, 28, 28), ACAIOptions(depth=2))
    assert nets.latent_shape == (16, 4, 4)
    images = torch.rand(1, 1, 28, 28)
    framed = nets.encoder[1](nets.encoder[0](images))
    assert framed.shape == (1, 1, 32, 32)
    assert torch.equal(framed[..., 2:30, 2:30], 2 * images - 1)
    frame = torch.ones(32, 32, dtype=torch.bool)
    frame[2:30, 2:30] = False
    assert set(framed[0, 0][frame].tolist()) == {-1.0}
    assert nets.decoder(torch.zeros(1, 16, 4, 4)).shape == images.shape


def test_the_critic_is_the_encoder():
    shapes = Shapes((1, 32, 32), (16, 2, 2))
    assert count(build_critic(shapes, 16)) == 627_472
    assert build_critic(shapes, 16)(torch.zeros(3, 1, 32, 32)).shape == (3, 16, 2, 2)


@pytest.mark.parametrize(
    ("image", "latent"),
    [((1, 28, 28), (8, 1, 1)), ((3, 32, 32), (128, 8, 8)), ((64, 1, 1), (8, 1, 1))],
)
def test_there_is_a_critic_for_every_shape(image, latent):
    critic = build_critic(Shapes(image, latent), 4)
    images = torch.rand(5, *image, requires_grad=True)
    critic(images).square().mean().backward()
    assert images.grad.abs().sum() > 0


def test_no_weight_no_critic():
    assert critic_terms(CriticOptions(), "bernoulli", Shapes((1, 8, 8), (4, 2, 2))) == ()


@pytest.mark.parametrize("likelihood", ["gaussian", "squared", "squared-signed"])
def test_weights_are_those_of_the_paper_whatever_the_likelihood(likelihood):
    images, error = torch.full((1, 3, 4, 4), 0.5), 0.1
    shift = {"squared-signed": 0.0}.get(likelihood, 0.5)
    scale = 1 if likelihood == "squared-signed" else 0.5
    logits = torch.full((1, 3, 4, 4), shift + scale * error)
    loss = LIKELIHOODS[likelihood].negative_log(logits, images)
    expected = per_squared_error(likelihood, (3, 4, 4)) * error**2
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def quantised(**settings):
    torch.manual_seed(0)
    given = {"codes": 3, "codebook_size": 8, "code_size": 5, "decay": 0.9, **settings}
    return QuantisedDecoder(nn.Identity(), (4, 2, 2), **given)


def test_the_decoder_sees_vectors_of_the_codebook_only():
    decoder = quantised().eval()
    latents = torch.randn(6, 4, 2, 2)
    points = decoder.project(latents.flatten(1)).reshape(18, 5)
    distance = torch.cdist(points, decoder.codebook.vectors)
    chosen = decoder.codebook.vectors[distance.argmin(dim=1)]
    expected = decoder.expand(chosen.reshape(6, 15)).reshape(6, 4, 2, 2)
    torch.testing.assert_close(decoder(latents), expected)
    torch.testing.assert_close(
        decoder.commitment(latents), distance.amin(dim=1).square().mean() / 5
    )


def test_gradients_pass_straight_through_the_codebook():
    decoder = quantised().eval()
    latents = torch.randn(6, 4, 2, 2, requires_grad=True)
    decoder(latents).square().sum().backward()
    assert latents.grad.abs().sum() > 0
    assert decoder.project.weight.grad.abs().sum() > 0


def test_the_codebook_follows_in_training_only():
    decoder, latents = quantised(), torch.randn(6, 4, 2, 2)
    before = decoder.codebook.vectors.clone()
    decoder.eval()(latents)
    decoder.train().commitment(latents)
    assert torch.equal(decoder.codebook.vectors, before)
    decoder(latents)
    assert not torch.equal(decoder.codebook.vectors, before)


def test_vectors_move_to_the_mean_of_what_chose_them_and_others_stay():
    book = Codebook(3, 2, 0.5)
    book.vectors.copy_(torch.tensor([[0.0, 0.0], [9.0, 9.0], [-9.0, 9.0]]))
    points = torch.tensor([[1.0, 0.0], [1.0, 2.0], [8.0, 9.0]])
    for _ in range(40):
        book.follow(points, book.nearest(points))
    expected = torch.tensor([[1.0, 1.0], [8.0, 9.0]])
    torch.testing.assert_close(book.vectors[:2], expected, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(book.vectors[2], torch.tensor([-9.0, 9.0]))
    lone = Codebook(2, 2, 0.999)
    lone.vectors.copy_(torch.tensor([[0.0, 0.0], [9.0, 9.0]]))
    lone.follow(points, lone.nearest(points))
    torch.testing.assert_close(lone.vectors, expected)
    for _ in range(20_000):
        lone.follow(points[:2], lone.nearest(points[:2]))
    torch.testing.assert_close(lone.vectors, expected, rtol=1e-2, atol=0)
