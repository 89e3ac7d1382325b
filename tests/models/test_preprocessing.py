import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from latentgeo.errors import InputError
from latentgeo.models import Preprocessing
from latentgeo.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD

GREY = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
COLOUR = torch.rand(3, 3, 12, 10, generator=torch.Generator().manual_seed(1))


def test_by_default_nothing_happens():
    plain = Preprocessing()
    assert plain.shape((1, 28, 28)) == (1, 28, 28)
    torch.testing.assert_close(plain.normalise(plain.see(GREY)), GREY)
    torch.testing.assert_close(plain.to_image(GREY), GREY)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [32, 13, (20, 40)])
def test_resizing_is_pillows(size, interpolation):
    resized = Preprocessing(size=size, interpolation=interpolation).see(GREY)
    rows, columns = (size, size) if isinstance(size, int) else size
    for image, found in zip(GREY, resized, strict=True):
        expected = Image.fromarray(image[0].numpy()).resize(
            (columns, rows), getattr(Image.Resampling, interpolation.upper())
        )
        np.testing.assert_allclose(found[0], np.asarray(expected), atol=2e-5)


def test_grey_becomes_rgb_and_rgb_stays():
    coloured = Preprocessing(grey_to_rgb=True)
    assert coloured.shape((1, 28, 28)) == (3, 28, 28)
    seen = coloured.see(GREY)
    assert seen.shape == (3, 3, 28, 28)
    assert torch.equal(seen[:, 0], GREY[:, 0])
    assert torch.equal(seen[:, 2], GREY[:, 0])
    assert torch.equal(coloured.see(COLOUR), COLOUR)
    with pytest.raises(InputError, match="1 channel, the data has 4"):
        coloured.shape((4, 8, 8))


def test_a_range_and_back():
    symmetric = Preprocessing(range=(-1, 1))
    torch.testing.assert_close(symmetric.normalise(GREY), 2 * GREY - 1)
    torch.testing.assert_close(symmetric.to_image(2 * GREY - 1), GREY)
    assert symmetric.to_image(torch.full((1, 1, 1, 1), 3.0)).item() == 1


def test_mean_and_standard_deviation_and_back():
    imagenet = Preprocessing(mean=IMAGENET_MEAN, std=IMAGENET_STD)
    seen = imagenet.normalise(COLOUR)
    torch.testing.assert_close(seen[:, 1], (COLOUR[:, 1] - 0.456) / 0.224)
    torch.testing.assert_close(imagenet.to_image(seen), COLOUR)


def test_output_may_be_coded_otherwise_than_the_input():
    assert torch.equal(Preprocessing(range=(-1, 1), output="unit").to_image(GREY), GREY)
    logits = Preprocessing(range=(-1, 1), output="logits")
    torch.testing.assert_close(logits.to_image(torch.logit(GREY)), GREY)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"range": (1, -1)}, "range is 1 to -1, expected the lower end first"),
        ({"mean": (0.5,)}, "mean and std go together"),
        ({"mean": (0.5,), "std": (0.5,), "range": (-1, 1)}, "exclude each other"),
        ({"mean": (0.5,), "std": (0.0,)}, "std holds 0, expected positive"),
        ({"size": 0}, "greater than or equal to 1"),
        ({"colour": True}, "colour"),
    ],
)
def test_what_cannot_be(values, message):
    with pytest.raises(ValidationError, match=message):
        Preprocessing(**values)


def test_numbers_per_channel_must_fit():
    with pytest.raises(InputError, match="mean holds 3 numbers for images of 1 channels"):
        Preprocessing(mean=IMAGENET_MEAN, std=IMAGENET_STD).shape((1, 8, 8))
