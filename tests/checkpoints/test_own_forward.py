"""Layouts of posteriors, judged by the network's own forward pass."""

import json
import warnings

import pytest
import torch
from torch import nn

from latentgeo.checkpoints import check_round_trip, open_checkpoint
from latentgeo.datasets import ImageDataset

SHAPE = (1, 8, 8)
PIXELS = torch.rand(16, *SHAPE, generator=torch.Generator().manual_seed(4))
IMAGES = ImageDataset.from_array(PIXELS.numpy(), name="x")


class Vae(nn.Module):
    """A variational autoencoder that gives its posterior in one of the ways that people do."""

    def __init__(self, way, *, samples=False, logits=False):
        super().__init__()
        torch.manual_seed(0)
        self.way, self.samples, self.logits = way, samples, logits
        self.both = nn.Conv2d(1, 8, 3, 2, 1)
        self.up = nn.ConvTranspose2d(4, 1, 4, 2, 1)

    def _posterior(self, images):
        return (4 * self.both(images)).chunk(2, 1)

    def _draw(self, mean, spread):
        return mean + 0.3 * torch.exp(spread / 2) * torch.randn_like(mean) * self.samples

    def encode(self, images):
        mean, spread = self._posterior(images)
        drawn = self._draw(mean, spread)
        return {
            "pair": (mean, spread),
            "halves": torch.cat([mean, spread], 1),
            "interleaved": torch.stack([mean, spread], 2).flatten(1, 2),
            "spread first": (spread, mean),
            "drawn first": (drawn, mean),
            "drawn last": (mean, spread, drawn),
            "drawn, mean, spread": (drawn, mean, spread),
        }[self.way]

    def decode(self, latents):
        made = self.up(latents)
        return made if self.logits else made.sigmoid()

    def forward(self, images):
        mean, spread = self._posterior(images)
        made = self.decode(self._draw(mean, spread))
        return made.sigmoid() if self.logits else made, mean, spread


def trip_of(net, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an encoder that draws is seen elsewhere
        model = open_checkpoint(None, model=net, image_shape=SHAPE, **options)
    return check_round_trip(model, IMAGES)


RIGHT = {
    "pair": {},
    "halves": {"layout": "halves"},
    "interleaved": {"layout": "interleaved"},
    "spread first": {"items": (1, 0)},
    "drawn last": {"items": (0, 1)},
    "drawn, mean, spread": {"items": (1, 2)},
}


@pytest.mark.parametrize("samples", [False, True], ids=["mean", "samples"])
@pytest.mark.parametrize("way", RIGHT)
def test_the_right_layout_is_not_suspected(way, samples):
    trip = trip_of(Vae(way, samples=samples), posterior=RIGHT[way])
    assert trip.own_forward["better"] is None
    assert "layout" not in (trip.suspicion or "")
    json.dumps(trip._asdict(), allow_nan=False)
    if not samples:
        assert trip.own_forward["distance"] < 1e-5


@pytest.mark.parametrize(
    ("way", "wrong", "options", "samples"),
    [
        ("halves", {"layout": "interleaved"}, {"--posterior halves"}, False),
        ("halves", {"layout": "interleaved"}, {"--posterior halves"}, True),
        ("interleaved", {"layout": "halves"}, {"--posterior interleaved"}, False),
        ("interleaved", {"layout": "halves"}, {"--posterior interleaved"}, True),
        ("spread first", {}, {"--posterior 1", "--posterior 1,0"}, False),
        ("spread first", {}, {"--posterior 1", "--posterior 1,0"}, True),
        ("drawn first", {}, {"--posterior 1", "--posterior 1,0"}, True),
        ("drawn, mean, spread", {"items": (2, 1)}, {"--posterior 0", "--posterior 1"}, False),
    ],
)
def test_a_wrong_layout_is_seen_and_the_right_one_is_named(way, wrong, options, samples):
    trip = trip_of(Vae(way, samples=samples), posterior=wrong)
    better = trip.own_forward["better"]
    assert any(better.startswith(option) for option in options)
    assert f"with {better}; try that" in trip.suspicion
    assert "the layout of the posterior or the output of the decoder" in trip.suspicion
    assert "\n" not in trip.suspicion


class Spread(Vae):
    """Gives a mean and one of four spreads, and draws in training alone, as most code does."""

    def __init__(self, spread, way="pair"):
        super().__init__(way)
        self.spread = spread

    def encode(self, images):
        mean, log_variance = self._posterior(images)
        log_variance = log_variance - 3  # as of a latent that says something
        given = {
            "log-variance": log_variance,
            "variance": log_variance.exp(),
            "log-std": log_variance / 2,
            "std": (log_variance / 2).exp(),
        }[self.spread]
        return mean, given, (log_variance / 2).exp()

    def forward(self, images):
        mean, _, deviation = self.encode(images)
        if self.training:
            mean = mean + deviation * torch.randn_like(mean)
        return self.decode(mean)


KINDS = ["log-variance", "variance", "log-std", "std"]


@pytest.mark.parametrize("told", KINDS)
@pytest.mark.parametrize("given", KINDS)
def test_a_wrong_spread_is_seen_and_the_right_one_is_named(given, told):
    net = Spread(given)
    trip = trip_of(net, posterior={"items": (0, 1), "spread": told})
    assert not net.training
    if "log" in told and "log" not in given:  # else a logarithm of what is below 0
        assert trip.own_spread["better"] == f"--spread {given}"
        assert f"with --spread {given}; try that" in trip.suspicion
    if given == told:
        assert trip.own_spread["distance"] == pytest.approx(1, abs=0.1)
        assert trip.own_spread["better"] is None
    json.dumps(trip._asdict(), allow_nan=False)


class Silent(Spread):
    """Has no forward pass to compare with."""

    forward = nn.Module.forward


def test_a_log_variance_above_0_everywhere_is_suspected():
    wrong = trip_of(Silent("std"), posterior={"items": (0, 1)})
    assert wrong.own_spread is None
    assert "probably not a log-variance" in wrong.suspicion
    right = trip_of(Silent("std"), posterior={"items": (0, 1), "spread": "std"})
    assert "log-variance" not in (right.suspicion or "")


def test_logits_as_pixels_are_seen():
    trip = trip_of(Vae("pair", logits=True))
    assert trip.own_forward["better"] == "--output logits"
    right = trip_of(Vae("pair", logits=True), preprocessing={"output": "logits"})
    assert right.own_forward["better"] is None


class Other(Vae):
    def forward(self, images):
        return self.both(images).mean()


class Fails(Vae):
    def forward(self, images, labels):
        return images


class OfAMapping(Vae):
    def forward(self, inputs):
        return super().forward(inputs["data"])  # of a tensor torch warns before it fails


@pytest.mark.parametrize("make", [Other, Fails, OfAMapping])
def test_a_forward_that_makes_no_images_says_nothing(make, recwarn):
    trip = trip_of(make("pair"))
    assert trip is not None
    assert trip.own_forward is None
    assert not recwarn.list
