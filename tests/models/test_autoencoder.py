import pytest
import torch
from torch import nn

from latentgeo.errors import InputError
from latentgeo.models import Autoencoder, Deterministic, ModelConfig, choose_device


@pytest.mark.parametrize("shape", [(2, 1, 8, 9), (2, 3, 8, 8), (1, 8, 8)])
def test_images_of_another_shape_are_refused(make_tiny, shape):
    with pytest.raises(InputError, match=r"images have shape .* takes \(batch, 1, 8, 8\)"):
        make_tiny().encode(torch.rand(shape))


def test_latents_of_another_shape_are_refused(make_tiny):
    with pytest.raises(InputError, match=r"latents have shape .* takes \(batch, 16, 2, 2\)"):
        make_tiny().decode(torch.rand(2, 16, 3, 2))


def test_whole_numbers_are_refused(make_tiny):
    with pytest.raises(InputError, match=r"dtype torch.uint8, expected floating point"):
        make_tiny().encode(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))


def test_training_decodes_a_sample_and_evaluation_the_mean(make_tiny):
    model, images = make_tiny("vae"), torch.rand(4, 1, 8, 8)
    assert not torch.equal(model(images).latent, model(images).posterior.mean)
    model.eval()
    assert torch.equal(model(images).latent, model(images).posterior.mean)


def test_output_follows_the_likelihood(make_tiny):
    latents = torch.rand(4, 16, 2, 2)
    bernoulli, gaussian = make_tiny(), make_tiny(likelihood="gaussian")
    logits = bernoulli.decode_logits(latents)
    torch.testing.assert_close(bernoulli.decode(latents), torch.sigmoid(logits))
    output = gaussian.decode_logits(latents)
    torch.testing.assert_close(gaussian.decode(latents), output.clamp(0, 1))


def test_any_three_modules_compose():
    config = ModelConfig(recipe="cae", image_shape=(1, 4, 4))
    model = Autoencoder(
        nn.PixelUnshuffle(2),
        Deterministic(4, 4, "linear"),
        nn.PixelShuffle(2),
        config=config,
        latent_shape=(4, 2, 2),
        to_image=nn.Identity(),
    )
    images = torch.rand(3, 1, 4, 4)
    assert torch.equal(model.decode(model.encode(images)), images)


def test_hash_tells_weights_apart(make_tiny):
    model = make_tiny()
    before = model.weights_sha256()
    assert model.to(memory_format=torch.channels_last).weights_sha256() == before
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] += 1e-6
    assert model.weights_sha256() != before


def test_device_auto_is_one_that_works():
    torch.zeros(1, device=choose_device("auto"))
    assert choose_device("cpu").type == "cpu"


def test_unknown_device_is_refused():
    with pytest.raises(InputError, match=r"device 'cdua' is unknown; did you mean 'cuda'"):
        choose_device("cdua")


def test_missing_gpu_is_said_plainly(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="device 'cuda' is not available"):
        choose_device("cuda")


def test_layout_changes_how_fast_a_model_is_and_not_what_it_says(make_tiny):
    model, images = make_tiny().eval(), torch.rand(4, 1, 8, 8)
    before = model.encode(images)
    after = model.on(torch.device("cpu")).encode(images)
    assert not after.is_contiguous()
    torch.testing.assert_close(after, before)
