"""Checkpoints that others trained, from their raw files."""

import numpy as np
import pytest
import torch

from latentgeo import encode
from latentgeo.checkpoints import check_round_trip, info, open_checkpoint
from latentgeo.datasets import load
from latentgeo.errors import InputError

from .nets import Burgess

pytestmark = pytest.mark.real_data


def _burgess(folder, name, shape):
    return open_checkpoint(
        folder / "disentangling-vae" / name / "model.pt",
        model=Burgess,
        image_shape=shape,
        posterior={"layout": "interleaved"},
        preprocessing={"size": 32},
    )


@pytest.mark.parametrize(
    ("name", "reconstruction", "divergence"), [("VAE_mnist", 119, 20), ("betaH_mnist", 130, 11)]
)
def test_the_figures_that_the_authors_report(name, reconstruction, divergence, foreign_checkpoints):
    facts = info(
        foreign_checkpoints / "disentangling-vae" / name / "model.pt",
        data=load("mnist", "train"),
        model=Burgess,
        posterior={"layout": "interleaved"},
        preprocessing={"size": 32},
    )["on_data"]
    assert facts["bernoulli_nats"] == pytest.approx(reconstruction, rel=0.1)
    assert facts["divergence_nats"] == pytest.approx(divergence, rel=0.1)
    assert facts["images"] == 1000


def test_halves_instead_of_turns_would_be_seen(foreign_checkpoints):
    images = load("mnist", "test").take(16, seed=0)
    right = _burgess(foreign_checkpoints, "VAE_mnist", images.shape)
    assert check_round_trip(right, images).suspicion is None
    wrong = open_checkpoint(
        foreign_checkpoints / "disentangling-vae" / "VAE_mnist" / "model.pt",
        model=Burgess,
        image_shape=images.shape,
        posterior={"layout": "halves"},
        preprocessing={"size": 32},
    )
    assert "no other input scaling helps" in check_round_trip(wrong, images).suspicion


@pytest.mark.parametrize(("name", "channels"), [("taesd", 4), ("taesd3", 16)])
def test_taesd_from_its_raw_files(name, channels, foreign_checkpoints):
    images = load("fashion-mnist", "test", size=64, samples=8, seed=0)
    path = foreign_checkpoints / "taesd" / f"{name}_encoder.safetensors"
    colour = {"grey_to_rgb": True}
    model = open_checkpoint(path, image_shape=images.shape, preprocessing=colour)
    assert model.latent_shape == (channels, 8, 8)
    trip = check_round_trip(model, images)
    # Photographs of 512 pixels: 24.6 and 31.5 dB; these are smaller and simpler.
    assert trip.psnr_db > 24
    assert trip.suspicion is None
    decoder = foreign_checkpoints / "taesd" / f"{name}_decoder.safetensors"
    wrong = open_checkpoint(
        decoder, image_shape=images.shape, preprocessing={**colour, "range": (0, 1)}
    )
    assert wrong.weights_sha256() == model.weights_sha256()  # either half leads to both
    assert "try --range=-1,1" in check_round_trip(wrong, images).suspicion


def test_taesd_is_the_network_of_its_authors(foreign_checkpoints):
    """Run the raw weights layer by layer, by what their names and shapes say."""
    from safetensors.torch import load_file

    raw = load_file(foreign_checkpoints / "taesd" / "taesd_encoder.safetensors")
    weights = {name: tensor.float() for name, tensor in raw.items()}
    images = torch.rand(2, 3, 32, 32)
    values = images
    for place in range(15):
        if f"{place}.weight" in weights:
            stride = 2 if f"{place}.bias" not in weights else 1
            values = torch.conv2d(
                values,
                weights[f"{place}.weight"],
                weights.get(f"{place}.bias"),
                stride=stride,
                padding=1,
            )
            continue
        block = values
        for step in (0, 2, 4):
            key = f"{place}.conv.{step}"
            block = torch.conv2d(block, weights[f"{key}.weight"], weights[f"{key}.bias"], padding=1)
            block = block.relu() if step < 4 else block
        values = (block + values).relu()
    model = open_checkpoint(
        foreign_checkpoints / "taesd" / "taesd_encoder.safetensors", image_shape=(3, 32, 32)
    )
    with torch.inference_mode():
        torch.testing.assert_close(model.encode(images), values, rtol=1e-3, atol=1e-4)


def test_half_of_taesd_asks_for_the_other(foreign_checkpoints, tmp_path):
    whole = foreign_checkpoints / "taesd" / "taesd_encoder.safetensors"
    alone = tmp_path / "taesd_encoder.safetensors"
    alone.write_bytes(whole.read_bytes())
    with pytest.raises(InputError, match="holds TAESD's encoder alone"):
        open_checkpoint(alone, image_shape=(3, 64, 64))


def test_grey_images_need_a_word_for_colour(foreign_checkpoints):
    with pytest.raises(InputError, match="--grey-to-rgb"):
        open_checkpoint(
            foreign_checkpoints / "taesd" / "taesd_encoder.safetensors", image_shape=(1, 64, 64)
        )


def test_latents_of_a_vector_model_and_its_samples(foreign_checkpoints):
    images = load("mnist", "test").take(20, seed=0)
    model = _burgess(foreign_checkpoints, "betaH_mnist", images.shape)
    latents = encode(model, images, noise=(0.0, 0.2), draws=2)
    assert latents["mean"].shape == (2, 20, 10, 1, 1)
    assert latents["sampled"].shape == (2, 2, 20, 10, 1, 1)
    spread = np.exp(latents["log_variance"].values / 2)
    standard = (latents["sampled"].values - latents["mean"].values) / spread
    assert abs(standard.mean()) < 0.1
    assert standard.std() == pytest.approx(1, abs=0.1)
