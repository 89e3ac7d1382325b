from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.distributions import Independent, Normal

from latentgeo.errors import InputError
from latentgeo.models import PosteriorLayout
from latentgeo.models.layouts import as_given, as_tensor, read_image

MEAN = torch.arange(6.0).reshape(2, 3)
SPREAD = torch.arange(6.0).reshape(2, 3) / 10 + 0.1


def _same(found, mean, log_variance):
    torch.testing.assert_close(found.mean.flatten(1), mean.flatten(1))
    if log_variance is None:
        assert found.log_variance is None
    else:
        torch.testing.assert_close(found.log_variance.flatten(1), log_variance.flatten(1))


def test_a_tensor_is_a_point_and_two_are_a_pair():
    _same(PosteriorLayout().read(MEAN), MEAN, None)
    _same(PosteriorLayout().read((MEAN, SPREAD)), MEAN, SPREAD)
    _same(PosteriorLayout(layout="pair").read([MEAN, SPREAD]), MEAN, SPREAD)


def test_halves_and_interleaved():
    halves = torch.cat([MEAN, SPREAD], dim=1)
    _same(PosteriorLayout(layout="halves").read(halves), MEAN, SPREAD)
    turns = torch.stack([MEAN, SPREAD], dim=2).flatten(1)
    _same(PosteriorLayout(layout="interleaved").read(turns), MEAN, SPREAD)
    with pytest.raises(InputError, match="no two equal halves"):
        PosteriorLayout(layout="halves").read(MEAN)


@pytest.mark.parametrize("layout", ["halves", "interleaved"])
def test_layouts_of_tensors_split_the_channels(layout):
    mean, spread = torch.rand(2, 2, 3, 4, 4).unbind(0)
    joined = (
        torch.cat([mean, spread], dim=1)
        if layout == "halves"
        else torch.stack([mean, spread], dim=2).flatten(1, 2)
    )
    _same(PosteriorLayout(layout=layout).read(joined), mean, spread)


@pytest.mark.parametrize(
    ("spread", "given"),
    [
        ("log-variance", lambda v: v),
        ("variance", torch.exp),
        ("log-std", lambda v: v / 2),
        ("std", lambda v: torch.exp(v / 2)),
    ],
)
def test_spreads(spread, given):
    _same(PosteriorLayout(spread=spread).read((MEAN, given(SPREAD))), MEAN, SPREAD)


def test_items_pick_from_several():
    output = ("loss", MEAN, SPREAD)
    _same(PosteriorLayout(items=(1, 2)).read(output), MEAN, SPREAD)
    _same(PosteriorLayout(items=(1,)).read(output), MEAN, None)
    with pytest.raises(InputError, match="item 5 is not there, the encoder gives 3 values"):
        PosteriorLayout(items=(1, 5)).read(output)
    with pytest.raises(ValidationError, match="holds 3 places"):
        PosteriorLayout(items=(0, 1, 2))


def test_named_outputs_of_libraries():
    distribution = SimpleNamespace(mean=MEAN, logvar=SPREAD)
    _same(PosteriorLayout().read(SimpleNamespace(latent_dist=distribution)), MEAN, SPREAD)
    _same(PosteriorLayout().read(SimpleNamespace(latents=MEAN)), MEAN, None)
    _same(PosteriorLayout().read({"embedding": MEAN, "log_covariance": SPREAD}), MEAN, SPREAD)


def _gaussian(mean, log_variance):
    return Normal(mean, (log_variance / 2).exp())


@pytest.mark.parametrize(
    "output",
    [
        {"mu": MEAN, "logvar": SPREAD, "z": MEAN + 1},
        SimpleNamespace(mean=MEAN, log_var=SPREAD),
        _gaussian(MEAN, SPREAD),
        (MEAN + 1, Independent(_gaussian(MEAN, SPREAD), MEAN.ndim - 1)),
    ],
)
def test_a_posterior_is_known_by_its_type_or_its_names(output):
    _same(PosteriorLayout().read(output), MEAN, SPREAD)


@pytest.mark.parametrize(
    "output",
    [
        {"last_hidden_state": MEAN, "hidden_states": [MEAN, MEAN]},
        {"features": MEAN, "loss": torch.zeros(())},
        (MEAN, [MEAN, SPREAD]),  # with the skips of a U-Net
        (MEAN, torch.zeros(()), (None, None)),  # and with losses
    ],
)
def test_the_only_latent_among_other_things_is_taken(output):
    _same(PosteriorLayout().read(output), MEAN, None)


@pytest.mark.parametrize(
    ("output", "items"),
    [
        ({"a": SPREAD, "b": MEAN}, ("b",)),
        ({"out": (SPREAD, {"codes": MEAN})}, ("out.1.codes",)),
        ((SPREAD, SimpleNamespace(codes=MEAN)), ("1.codes",)),
        ({"a": 1, "b": MEAN}, (1,)),
    ],
)
def test_members_are_named_by_key_or_place_however_deep(output, items):
    _same(PosteriorLayout(items=items).read(output), MEAN, None)
    wrong = PosteriorLayout(items=("nowhere",))
    with pytest.raises(InputError, match=r"expected one of .*, or a layout \(auto, point"):
        wrong.read(output)


def test_what_is_ambiguous_lists_the_names_to_choose_from():
    with pytest.raises(InputError, match=r"by place or name: a, b\.0, b\.1, c"):
        PosteriorLayout().read({"a": MEAN, "b": (MEAN, SPREAD), "c": MEAN})
    _same(PosteriorLayout(items=("b.0", "b.1")).read({"b": (MEAN, SPREAD)}), MEAN, SPREAD)


@pytest.mark.parametrize(
    "output", ["text", (MEAN, SPREAD[:, :2]), (MEAN, MEAN, MEAN), {}, torch.zeros(2)]
)
def test_what_is_no_latent_is_described(output):
    with pytest.raises(InputError, match=r"the encoder gives .* which is no latent"):
        PosteriorLayout().read(output)


@pytest.mark.parametrize("output", ["text", None, {}, {"loss": 1.0}])
def test_where_there_is_no_tensor_another_member_is_asked_for(output):
    with pytest.raises(InputError, match=r"nor holds a tensor; name what gives the latents"):
        PosteriorLayout().read(output)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize(
    "shape", [(2, 5), (2, 7, 5), (2, 5, 3, 4), (2, 5, 3, 4, 6), (2, 5, 1, 4, 6)]
)
def test_latents_come_back_in_their_form(shape, first):
    latent = torch.rand(shape)
    tensor = as_tensor(latent, channels_first=first)
    assert tensor.shape[1] == (7 if len(shape) == 3 and first else 5)
    back = as_given(tensor, shape[1:], channels_first=first)
    np.testing.assert_array_equal(back, latent)


@pytest.mark.parametrize(
    "output", [MEAN, (MEAN, "loss"), SimpleNamespace(sample=MEAN), {"reconstruction": MEAN}]
)
def test_images_are_found(output):
    assert read_image(output) is MEAN
