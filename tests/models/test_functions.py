"""Encoders and decoders that are functions of any framework."""

import ml_dtypes
import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

import latentgeo
from latentgeo import InputError, encode, wrap
from latentgeo.datasets import ImageDataset

SHAPE = (1, 4, 6)
PIXELS = np.random.default_rng(0).random((9, *SHAPE), dtype=np.float32)
IMAGES = ImageDataset.from_array(PIXELS)


def last(images):
    """Return two channels, as frameworks have them that put channels last."""
    assert images.shape[1:] == (4, 6, 1)
    return np.concatenate([images, -images], axis=3)


def test_arrays_go_in_and_come_out():
    pca = PCA(3).fit(PIXELS.reshape(9, -1))
    net = wrap(
        lambda images: pca.transform(images.reshape(len(images), -1)),
        lambda latents: pca.inverse_transform(latents).reshape(-1, *SHAPE),
        image_shape=SHAPE,
        name="pca",
    )
    latents = encode(net, IMAGES)
    expected = pca.transform(PIXELS.reshape(9, -1))
    np.testing.assert_allclose(latents["mean"].values[0, :, :, 0, 0], expected, atol=1e-5)
    assert latents["psnr"].values.min() > 5
    assert latentgeo.wrap is wrap


def test_a_method_that_wants_vectors_gets_them():
    pca = PCA(3).fit(PIXELS.reshape(9, -1))
    net = wrap(pca.transform, pca.inverse_transform, image_shape=SHAPE)
    assert (net.latent_shape, net.identity["input_form"]) == ((3, 1, 1), "vectors")
    assert net.decode(net.encode(torch.from_numpy(PIXELS))).shape == (9, *SHAPE)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16], ids=["float16", "bfloat16"])
def test_half_precision_is_recorded_as_what_it_is(dtype):
    net = wrap(lambda x: x.astype(dtype), lambda z: z.astype(dtype), image_shape=SHAPE)
    expected = PIXELS.astype(dtype).astype(np.float32)
    found = encode(net, IMAGES)
    assert found.attrs["source_dtype"] == net.identity["dtype"] == np.dtype(dtype).name
    np.testing.assert_array_equal(found["mean"].values[0], expected)
    np.testing.assert_array_equal(net.decode(net.encode(torch.from_numpy(PIXELS))), expected)


def test_channels_last_are_put_first():
    net = wrap(last, lambda z: z[..., :1], image_shape=SHAPE, channels_last=True)
    images = torch.from_numpy(PIXELS)
    assert net.latent_shape == (2, 4, 6)
    np.testing.assert_array_equal(net.encode(images)[:, 1], -PIXELS[:, 0])
    np.testing.assert_array_equal(net.decode(net.encode(images)), PIXELS)


def test_mean_and_spread_come_as_several_or_by_name():
    for function in (lambda x: (x, -x), lambda x: {"mean": x, "logvar": -x}):
        net = wrap(function, None, image_shape=SHAPE)
        assert net.stochastic
        np.testing.assert_array_equal(net.encode(torch.from_numpy(PIXELS)), PIXELS)


def test_methods_of_modules_keep_tensors_weights_and_derivatives():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(24, 3)

        def code(self, images):
            return self.inner(images.flatten(1))

    net = Net()
    model = wrap(net.code, None, image_shape=SHAPE)
    assert sum(one.numel() for one in model.parameters()) == 75
    assert "behaviour_sha256" not in model.identity


def test_an_encoding_of_another_function_is_another(tmp_path):
    out = tmp_path / "encoded"
    for _ in range(2):
        encode(wrap(lambda x: 2 * x, None, image_shape=SHAPE), IMAGES, out=out)
    with pytest.raises(InputError, match="another encoding: behaviour_sha256"):
        encode(wrap(lambda x: 3 * x, None, image_shape=SHAPE), IMAGES, out=out)


def test_derivatives_are_refused_not_zero():
    net = wrap(lambda x: 2 * x, lambda z: z / 2, image_shape=SHAPE)
    latents = torch.rand(1, *SHAPE, requires_grad=True)
    with pytest.raises(RuntimeError, match="no derivatives"):
        net.decode(latents)
    with pytest.raises(RuntimeError, match="no derivatives"):
        torch.func.jvp(net.decode, (latents.detach(),), (torch.ones(1, *SHAPE),))


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (3, "an encoder or decoder is a int"),
        (lambda x: ["text"] * len(x), "gives <U4 numbers"),
        (lambda x: 1 / 0, "encoder .*lambda.* does not take .*division by zero"),
        (lambda x: x[:1], "for two images; expected one latent of real numbers for each"),
    ],
)
def test_what_is_no_encoder_is_one_line(encoder, message):
    with pytest.raises(InputError, match=message) as error:
        wrap(encoder, None, image_shape=SHAPE)
    assert "\n" not in str(error.value)
