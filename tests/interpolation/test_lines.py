import numpy as np
import pytest
import torch
from torch import nn

from latentgeo import InputError
from latentgeo.datasets import load
from latentgeo.interpolation import decode_lines, line_scores
from latentgeo.metrics import interpolate, line_interpolation_scores, render_lines
from latentgeo.models import ModelConfig, Preprocessing, build, wrap


class Drawing(nn.Module):
    """Draw the line whose direction the latent is: the perfect decoder, in [0, 1]."""

    def forward(self, latents):
        x, y = latents.flatten(1).double().T
        return (render_lines(torch.atan2(y, x), "smooth") + 1) / 2


class Direction(nn.Module):
    """Find the direction of a line from the centre of its ink."""

    def forward(self, images):
        rows, columns = torch.meshgrid(*2 * [torch.arange(32.0) - 15.5], indexing="ij")
        ink = images[:, 0]
        centre = torch.stack([(ink * columns).sum((1, 2)), -(ink * rows).sum((1, 2))], 1)
        return centre / centre.norm(dim=1, keepdim=True).clamp_min(1e-6)


class Spread(nn.Module):
    """Return the direction with a spread."""

    def forward(self, images):
        mean = Direction()(images)
        return mean, torch.full_like(mean, -2.0)


def pixels(decoder=None, **preprocessing):
    """Make the pixels the latent."""
    return wrap(
        nn.Identity(),
        decoder or nn.Identity(),
        image_shape=(1, 32, 32),
        preprocessing=Preprocessing(**preprocessing),
    )


def perfect():
    return wrap(Direction(), Drawing(), image_shape=(1, 32, 32))


def test_the_pairs_are_those_of_the_benchmark():
    lines = load("lines").images * 2 - 1
    found = decode_lines(pixels(), pairs=4, steps=3)
    expected = interpolate(lines[:4], lines[4:8], 3)
    np.testing.assert_allclose(found.images.numpy(), expected, atol=1e-6)
    np.testing.assert_array_equal(found.lines.indices, np.arange(8))


def test_the_scores_are_those_of_the_decoded_images():
    found = line_scores(pixels(), pairs=8, references=300)
    expected = line_interpolation_scores(decode_lines(pixels(), pairs=8).images, references=300)
    assert found.mean_distance == expected.mean_distance
    assert found.smoothness == expected.smoothness
    assert found.intervals == expected.intervals


def test_a_perfect_decoder_is_better_than_pixels():
    arguments = {"pairs": 32, "references": 1000, "style": "smooth"}
    best, worst = line_scores(perfect(), **arguments), line_scores(pixels(), **arguments)
    assert best.mean_distance < 1e-4 < 1e-3 < worst.mean_distance
    assert best.smoothness_median < 0.2 < 0.5 < worst.smoothness_median
    assert best.shortest_arc_rate == 1


def test_draws_of_the_posterior_are_interpolated_and_do_not_depend_on_batches():
    model = wrap(Spread(), Drawing(), image_shape=(1, 32, 32))
    whole, parts = (decode_lines(model, pairs=5, batch=b).latents for b in (512, 3))
    torch.testing.assert_close(whole, parts)
    mean = decode_lines(model, pairs=5, sampled=False).latents
    spread = (whole - mean)[:, [0, -1]].flatten()
    assert 0.15 < float(spread.std()) < 0.75  # exp(-2/2) is 0.37
    other = decode_lines(model, pairs=5, seed=1).latents
    assert not torch.allclose(whole, other)


def test_a_model_in_training_is_left_as_it_was():
    options = {"depth": 2, "scales": 2, "latent_channels": 2}
    config = ModelConfig(recipe="acai", backbone="acai", image_shape=(1, 32, 32), options=options)
    model = build(config).train()
    state = torch.get_rng_state()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first, second = (line_scores(model, pairs=3, steps=4, references=50) for _ in range(2))
    np.testing.assert_array_equal(first.distance, second.distance)
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


class Stretch(nn.Module):
    """A linear output that strays beyond its range."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, images):
        return self.factor * images


def test_what_lies_outside_is_clamped_and_counted():
    model = pixels(Stretch(1.5), range=(-1, 1))
    found = decode_lines(model, pairs=2, steps=2)
    lines = 2 * load("lines").images[[0, 2, 1, 3]] - 1
    assert found.clamped == int((np.abs(1.5 * lines) > 1).sum())
    assert float(found.images.abs().max()) == 1
    assert decode_lines(pixels(), pairs=2, steps=2).clamped == 0


def test_collapsed_ends_are_counted_not_dropped():
    class Same(nn.Module):
        def forward(self, latents):
            return render_lines(torch.zeros(len(latents))) / 2 + 0.5

    found = line_scores(pixels(Same()), pairs=6, references=100)
    assert found.undefined == 6
    assert np.isnan(found.smoothness)
    assert len(found.pair_smoothness) == 6


class Broken(nn.Module):
    def forward(self, latents):
        return torch.full_like(latents, torch.nan)


@pytest.mark.parametrize(
    ("model", "arguments", "said"),
    [
        (lambda: pixels(Stretch(255.0)), {}, "values from -1 to 509 where lines, coded in"),
        (lambda: pixels(Broken()), {}, "NaN or infinite values after decoding"),
        (
            lambda: wrap(nn.Identity(), None, image_shape=(1, 32, 32)),
            {},
            "no decoder, so it cannot interpolate images",
        ),
        (
            lambda: wrap(nn.Identity(), nn.Identity(), image_shape=(1, 28, 28)),
            {},
            r"takes images of shape \(1, 28, 28\)",
        ),
        (pixels, {"pairs": 257}, "pairs is 257; expected a whole number from 1 to 256"),
        (pixels, {"pairs": 0}, "pairs is 0"),
        (pixels, {"steps": 1}, "steps is 1; expected a whole number from 2"),
        (pixels, {"style": "thick"}, "style is 'thick'"),
        (pixels, {"mode": "best"}, "mode is 'best'"),
        (pixels, {"references": 1}, "references is 1"),
        (pixels, {"batch": 0}, "batch is 0"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_line(model, arguments, said):
    with pytest.raises(InputError, match=said) as error:
        line_scores(model(), **{"pairs": 2, "steps": 3, "references": 20, **arguments})
    assert "\n" not in str(error.value)
