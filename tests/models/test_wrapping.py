from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn

from latentgeo import encode
from latentgeo.datasets import ImageDataset
from latentgeo.errors import InputError
from latentgeo.metrics import psnr
from latentgeo.models import PosteriorLayout, Preprocessing, wrap

SHAPE = (1, 8, 8)


class Pair(nn.Module):
    """An encoder that gives mean and log-variance."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, images):
        latent = self.encoder(images)
        return latent, torch.full_like(latent, -4.0)


@pytest.fixture
def images():
    return ImageDataset.from_array(np.random.default_rng(0).random((5, *SHAPE)))


def _tensors():
    return nn.Conv2d(1, 3, 2, stride=2), nn.ConvTranspose2d(3, 1, 2, stride=2)


def _vectors():
    return (
        nn.Sequential(nn.Flatten(), nn.Linear(64, 6)),
        nn.Sequential(nn.Linear(6, 64), nn.Unflatten(1, SHAPE)),
    )


@pytest.mark.parametrize(
    ("modules", "latent_shape"), [(_tensors, (3, 4, 4)), (_vectors, (6, 1, 1))]
)
@pytest.mark.parametrize("stochastic", [False, True])
def test_a_foreign_model_is_encoded_as_it_would_encode_itself(
    modules, latent_shape, stochastic, images
):
    encoder, decoder = modules()
    model = wrap(Pair(encoder) if stochastic else encoder, decoder, image_shape=SHAPE, name="mine")
    assert model.latent_shape == latent_shape
    assert model.stochastic is stochastic
    latents = encode(model, images, noise=(0.0, 0.1))
    assert latents.attrs["recipe"] == "mine"
    with torch.inference_mode():
        expected = encoder(images.batch(slice(None))).reshape(5, *latent_shape)
    np.testing.assert_allclose(latents["mean"][0], expected, atol=1e-5)
    assert ("sampled" in latents) is stochastic
    if stochastic:
        spread = (latents["sampled"] - latents["mean"]).std().item()
        assert spread == pytest.approx(np.exp(-2), rel=0.4)  # of few numbers


def test_decoded_images_stay_in_range(images):
    encoder, decoder = _tensors()
    nn.init.constant_(decoder.bias, 7.0)
    model = wrap(encoder, decoder, image_shape=SHAPE)
    assert model.decode(model.encode(images.batch(slice(None)))).max() == 1


def test_modules_that_do_not_fit_are_described():
    encoder, decoder = _tensors()
    with pytest.raises(InputError, match=r"encoder Conv2d does not take a tensor of shape"):
        wrap(encoder, decoder, image_shape=(3, 8, 8))
    with pytest.raises(InputError, match=r"encoder gives a tensor of shape \(2, 1, 8, 8, 1, 1\)"):
        wrap(nn.Unflatten(3, (8, 1, 1)), decoder, image_shape=SHAPE)
    with pytest.raises(InputError, match=r"decoder gives a tensor of shape \(2, 3, 4, 4\)"):
        wrap(encoder, nn.Identity(), image_shape=SHAPE)


class Tokens(nn.Module):
    """An encoder that gives one vector per row of the image: (b, 8, 5)."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(8, 5)

    def forward(self, images):
        return self.net(images.squeeze(1))


class Rows(nn.Module):
    """A decoder of such vectors."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(5, 8)

    def forward(self, tokens):
        assert tokens.shape[1:] == (8, 5)
        return {"sample": self.net(tokens)[:, None]}


def test_tokens_become_channels_and_rows_and_come_back(images):
    encoder = Tokens()
    model = wrap(encoder, Rows(), image_shape=SHAPE)
    assert model.latent_shape == (5, 8)
    batch = images.batch(slice(None))
    with torch.inference_mode():
        latent = model.encode(batch)
        np.testing.assert_allclose(latent.mT, encoder(batch), atol=1e-6)
        assert model.decode(latent).shape == batch.shape


def test_without_a_decoder_latents_are_encoded_and_decoding_is_refused(images):
    encoder, _ = _tensors()
    model = wrap(encoder, None, image_shape=SHAPE, name="half")
    assert not model.decodes
    latents = encode(model, images)
    assert "psnr" not in latents
    assert latents["mean"].shape == (1, 5, 3, 4, 4)
    with pytest.raises(InputError, match="model 'half' has no decoder"):
        model.decode(torch.zeros(1, 3, 4, 4))


def test_psnr_is_measured_on_what_the_net_sees(images):
    # The net sees the images doubled in size, and gives back exactly what it sees.
    model = wrap(
        nn.Identity(), nn.Identity(), image_shape=SHAPE, preprocessing=Preprocessing(size=16)
    )
    assert model.latent_shape == (1, 16, 16)
    latents = encode(model, images, noise=(0.0,))
    assert np.isinf(latents["psnr"]).all()


def test_what_decides_the_latents_is_in_the_identity_of_an_encoding(images, tmp_path):
    encoder, decoder = _tensors()
    plain = wrap(encoder, decoder, image_shape=SHAPE)
    shifted = wrap(encoder, decoder, image_shape=SHAPE, preprocessing=Preprocessing(range=(-1, 1)))
    assert plain.weights_sha256() == shifted.weights_sha256()
    encode(plain, images, out=tmp_path / "z")
    with pytest.raises(InputError, match="latents of another encoding: preprocessing is"):
        encode(shifted, images, out=tmp_path / "z")


def test_mean_and_spread_in_one_tensor_are_named_where_the_decoder_takes_half():
    encoder, decoder = nn.Conv2d(1, 6, 3, 2, 1), nn.ConvTranspose2d(3, 1, 4, 2, 1)
    said = (
        r"the decoder takes half .* with --posterior halves or --posterior interleaved\. As it is"
    )
    with pytest.raises(InputError, match=said):
        wrap(encoder, decoder, image_shape=SHAPE)
    model = wrap(encoder, decoder, image_shape=SHAPE, posterior=PosteriorLayout(layout="halves"))
    assert model.stochastic
    with pytest.raises(InputError, match=r"decoder ConvTranspose2d does not take") as caught:
        wrap(nn.Conv2d(1, 5, 3, 2, 1), decoder, image_shape=SHAPE)
    assert "half" not in str(caught.value)


class Descending(nn.Module):
    """An encoder that descends an energy, and may say itself that it takes derivatives."""

    def __init__(self, decoder, *, says_so):
        super().__init__()
        self.decoder = decoder
        self.says_so = says_so

    def forward(self, images):
        with torch.enable_grad() if self.says_so else nullcontext():
            z = torch.zeros(len(images), 3, 4, 4, requires_grad=True)
            energy = (self.decoder(z) - images).square().sum()
            return z - 0.1 * torch.autograd.grad(energy, z, create_graph=True)[0]


class Refining(nn.Module):
    """A decoder that moves its images along a gradient."""

    def __init__(self, decoder):
        super().__init__()
        self.decoder = decoder

    def forward(self, latents):
        images = self.decoder(latents).detach().requires_grad_()
        return images - torch.autograd.grad(images.square().sum(), images)[0] / 4


@pytest.mark.parametrize("says_so", [False, True])
def test_encoders_and_decoders_that_take_derivatives_are_given_them(images, says_so):
    _, decoder = _tensors()
    encoder = Descending(decoder, says_so=says_so)
    model = wrap(encoder, Refining(decoder), image_shape=SHAPE)
    batch = images.batch(slice(None))
    expected = encoder(batch)
    latents = encode(model, images)
    np.testing.assert_allclose(latents["mean"][0], expected.detach(), atol=1e-6)
    decoded = (decoder(expected) / 2).clip(0, 1).detach()
    found = psnr(decoded, batch, data_range=1.0)
    np.testing.assert_allclose(latents["psnr"][0], found, atol=1e-4)
    assert model.encode(batch).requires_grad


def test_places_in_a_codebook_are_no_latent():
    encoder = nn.Conv2d(1, 3, 2, stride=2)
    with pytest.raises(InputError, match=r"int64.*codebook.*--encode encoder"):
        wrap(Chosen(encoder), None, image_shape=SHAPE)


class Chosen(nn.Module):
    """An encoder that gives the places of a codebook."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, images):
        return self.encoder(images).argmax(1)


class _Viewing(nn.Module):
    """A decoder that takes its maps for rows of numbers, as published code often does."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.last = nn.Linear(2 * 8 * 8, 64)

    def forward(self, latents):
        return self.last(self.conv(latents).view(len(latents), -1)).view(-1, 1, 8, 8)


def test_a_foreign_network_keeps_the_layout_that_it_was_written_for(images):
    model = wrap(nn.Conv2d(1, 2, 3, padding=1), _Viewing(), image_shape=images.shape)
    assert np.isfinite(encode(model, images, noise=[0.0])["psnr"]).all()
