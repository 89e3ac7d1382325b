import numpy as np
import pytest
import torch
from torch import nn

from latentgeo import encode
from latentgeo.datasets import ImageDataset
from latentgeo.errors import InputError
from latentgeo.models import wrap

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
    with pytest.raises(InputError, match=r"encoder gives a tensor of shape \(2, 1, 64\)"):
        wrap(nn.Flatten(2), decoder, image_shape=SHAPE)
    with pytest.raises(InputError, match=r"decoder gives a tensor of shape \(2, 3, 4, 4\)"):
        wrap(encoder, nn.Identity(), image_shape=SHAPE)
