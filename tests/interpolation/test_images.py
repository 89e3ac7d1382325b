import json

import numpy as np
import pytest
import torch
import xarray as xr
from sklearn.neighbors import NearestNeighbors
from torch import nn

from latentgeo import InputError
from latentgeo.datasets import ImageDataset, SentenceDataset, load
from latentgeo.features import load_features, train_classifier
from latentgeo.interpolation import interpolate_images
from latentgeo.interpolation.images import choose_pairs
from latentgeo.metrics import interpolate, sharpness
from latentgeo.models import ModelConfig, build, wrap

SHAPE = (1, 8, 8)
FEW = {"pairs": 6, "steps": 5, "geodesics": 2}


@pytest.fixture(scope="module")
def fade(images):
    """Measure paths of a model whose latents are the pixels."""
    model = wrap(nn.Identity(), nn.Identity(), image_shape=SHAPE)
    return interpolate_images({"fade": model}, data=images, **FEW)


@pytest.fixture(scope="module")
def faded(images):
    """Fade between the same images, by hand."""
    ends, _ = choose_pairs(images, 6, seed=0)
    return interpolate(ends.images[:6], ends.images[6:], 5)


def test_no_image_is_in_two_pairs_and_the_seed_decides(images):
    ends, others = choose_pairs(images, 20, seed=0)
    assert len(set(ends.indices)) == 40
    assert set(ends.indices).isdisjoint(others.indices)
    np.testing.assert_array_equal(ends.images, images.images[ends.indices])
    np.testing.assert_array_equal(choose_pairs(images, 20, seed=0)[0].indices, ends.indices)
    assert not np.array_equal(choose_pairs(images, 20, seed=1)[0].indices, ends.indices)
    assert choose_pairs(images, 30, seed=0)[1] is None


def test_realism_is_that_of_the_faded_images(fade, faded, images):
    data = fade.tree["fade"]
    ends, others = choose_pairs(images, 6, seed=0)
    np.testing.assert_allclose(data["sharpness"], sharpness(faded), rtol=1e-5)
    np.testing.assert_allclose(data["cycle"], 0, atol=1e-6)
    known = NearestNeighbors(n_neighbors=1).fit(others.images.reshape(len(others), -1))
    distance, place = known.kneighbors(faded.reshape(30, -1))
    np.testing.assert_allclose(data["nearest"].values.ravel(), distance[:, 0], rtol=1e-5)
    found = others.take(len(others), seed=0).indices[data["nearest_place"].values.ravel()]
    np.testing.assert_array_equal(found, others.indices[place[:, 0]])
    assert float(data["real_sharpness"]) == pytest.approx(sharpness(ends.images).mean(), rel=1e-5)


def test_real_images_are_compared_in_the_features_that_are_given(tmp_path):
    images = load("digits", "test").take(40, seed=0)
    train_classifier("digits", out=tmp_path / "eye", epochs=1, progress=False)
    eye = load_features(tmp_path / "eye")
    found = interpolate_images(
        {"fade": wrap(nn.Identity(), nn.Identity(), image_shape=images.shape)},
        data=images,
        pairs=4,
        steps=3,
        geodesics=0,
        features=tmp_path / "eye",
    )
    ends, others = choose_pairs(images, 4, seed=0)
    starts, stops = ends.batch(slice(4)), ends.batch(slice(4, 8))
    between = interpolate(starts, stops, 3)
    known = NearestNeighbors(n_neighbors=1).fit(eye(others.batch(slice(None))))
    distance, _ = known.kneighbors(eye(between.flatten(0, 1)))
    values = found.tree["fade"]["nearest"].values.ravel()
    np.testing.assert_allclose(values, distance[:, 0], rtol=1e-4)
    assert found.tree.attrs["space"] == eye.space
    assert json.loads(found.tree.attrs["provenance"])["features_sha256"] == eye.sha256


def test_the_middle_of_two_noises_is_less_sharp_than_they_are(fade):
    data = fade.tree["fade"]
    ends, middle = (float(data["sharpness_mean"][at]) for at in (0, 2))
    assert middle == pytest.approx(ends / 2, rel=0.25)
    assert float(data["sharpness_ci"].sel(bound="high")[2]) < ends


def test_an_identity_bends_nothing(fade, faded):
    data = fade.tree["fade"]
    apart = np.linalg.norm((faded[:, -1] - faded[:, 0]).reshape(6, -1), axis=1)
    np.testing.assert_allclose(data["length"], apart, rtol=1e-5)
    np.testing.assert_allclose(data["ends_apart"], apart, rtol=1e-5)
    np.testing.assert_allclose(data["geodesic_excess"], 0, atol=1e-5)
    np.testing.assert_allclose(data["condition"], 1, rtol=1e-4)
    np.testing.assert_allclose(data["image_step"], apart[:, None] / 4 * np.ones(4), rtol=1e-4)


def test_ranks_are_those_of_the_centred_unfoldings(fade, faded):
    data = fade.tree["fade"]
    rows = faded[:, :, 0].astype(np.float64)
    centred = rows - rows.mean(axis=-1, keepdims=True)
    ranks = np.linalg.matrix_rank(centred, tol=1e-5)
    np.testing.assert_array_equal(data["rank"].sel(rule="spectrum", mode="S1"), ranks)
    np.testing.assert_array_equal(data["rank_s1_mean"], ranks.mean(axis=0))


def test_a_path_that_crosses_is_seen_and_marked(tmp_path):
    # Between two images of rank 1 lie images of rank 2: every path crosses twice, at its ends.
    rng = np.random.default_rng(0)
    factors = rng.uniform(0.1, 1, (40, 8, 1)) * rng.uniform(0.1, 1, (40, 1, 8))
    data = ImageDataset.from_array(factors[:, None].astype(np.float32), name="rank one")
    model = wrap(nn.Identity(), nn.Identity(), image_shape=SHAPE)
    found = interpolate_images({"fade": model}, data=data, **(FEW | {"geodesics": 0})).tree["fade"]
    crossed = found["crossed"].values
    np.testing.assert_array_equal(crossed, np.tile([True, False, False, True], (6, 1)))
    np.testing.assert_array_equal(found["crossings"], 2)
    # All pairs cross alike: nothing can go together with that.
    assert np.isnan(found["association"].sel(cause="crossings, rule spectrum")).all()
    # A fade moves evenly, so no further at the crossings than elsewhere.
    np.testing.assert_allclose(found["step_at_crossings"], 0, atol=1e-3)
    assert "geodesic_excess" not in found


def test_classes_and_what_was_compared_with_are_stated(fade, images):
    root = fade.tree.to_dataset()
    differ = root["start_label"].values != root["end_label"].values
    assert float(root["classes_differ_mean"]) == differ.mean()
    np.testing.assert_array_equal(images.labels[root["start_index"]], root["start_label"])
    assert fade.tree["fade"].attrs["real_images"] == 48
    assert root.attrs["space"] == "pixels"


def test_the_summary_is_json_with_every_interval(fade):
    text = json.dumps(fade.summary, allow_nan=False)
    measures = json.loads(text)["models"]["fade"]["measures"]
    for name in ("sharpness", "nearest", "cycle", "length", "crossings", "geodesic_excess"):
        assert "value" in measures[name]
        assert "interval" in measures[name]
    first = fade.summary["models"]["fade"]["associations"][0]
    assert set(first) == {"cause", "effect", "spearman", "interval", "pairs"}


def test_vectors_have_no_ranks_and_say_so(images):
    config = ModelConfig(
        recipe="vae", backbone="mlp", image_shape=SHAPE, options={"hidden": (8,), "latent_dim": 3}
    )
    found = interpolate_images(
        {"vae": build(config)}, data=images, path="spherical", **(FEW | {"geodesics": 1})
    )
    assert "crossings" not in found.tree["vae"]
    assert "a vector has no modes" in found.summary["models"]["vae"]["omitted"][0]["reason"]
    assert list(found.tree["vae"]["cause"].values) == ["distance between endpoints"]


def test_a_model_that_resizes_is_followed(images):
    from latentgeo.models import Preprocessing

    model = wrap(
        nn.Identity(),
        nn.Identity(),
        image_shape=SHAPE,
        preprocessing=Preprocessing(size=12, grey_to_rgb=True, range=(-1, 1)),
    )
    found = interpolate_images({"large": model}, data=images, **(FEW | {"geodesics": 0}))
    assert found.tree["large"]["example_path"].shape == (4, 5, 3, 12, 12)
    np.testing.assert_allclose(found.tree["large"]["cycle"], 0, atol=1e-5)


def test_the_same_seed_gives_the_same_numbers(fade, images, pixels):
    again = interpolate_images({"fade": pixels}, data=images, **FEW)
    xr.testing.assert_identical(again.tree["fade"].to_dataset(), fade.tree["fade"].to_dataset())


class Opposite(nn.Module):
    """Point one way or the other."""

    def forward(self, images):
        bright = images.flatten(1).mean(1, keepdim=True) > 0.5
        return torch.where(bright, 1.0, -1.0) * torch.ones(1, 3)


class Broken(nn.Module):
    def forward(self, images):
        return torch.full_like(images, torch.inf)


def _model(encoder=None, decoder=None):
    encoder, decoder = encoder or nn.Identity(), decoder or nn.Identity()
    return wrap(encoder, decoder, image_shape=SHAPE)


class Bytes(nn.Module):
    def forward(self, latents):
        return 255 * latents


class Grey(nn.Module):
    def forward(self, latents):
        return latents.mean(1)[:, None, None, None] * torch.ones(1, *SHAPE)


@pytest.mark.parametrize(
    ("model", "arguments", "said"),
    [
        (_model, {"pairs": 31}, "31 pairs need 62 images, noise .test. has 60; give at most"),
        (_model, {"pairs": 0}, "pairs is 0; expected a whole number from 1"),
        (_model, {"steps": 2}, "steps is 2; expected a whole number from 3"),
        (_model, {"path": "curved"}, "path is 'curved': input should be 'linear' or 'spherical'"),
        (_model, {"geodesics": -1}, "geodesics is -1"),
        (_model, {"real": 0}, "real is 0"),
        (_model, {"pairs": 30}, "all 60 images of 'noise' are in pairs"),
        (
            lambda: wrap(nn.Identity(), None, image_shape=SHAPE),
            {},
            "model 'one' has no decoder, so there is nothing to decode on the paths",
        ),
        (lambda: _model(Opposite(), Grey()), {"path": "spherical"}, "model 'one': .* opposite"),
        (lambda: _model(decoder=Broken()), {}, "model 'one': 30 of 30 .* after decoding"),
        (
            lambda: _model(decoder=Bytes()),
            {},
            "model 'one': decoder gives values from .* to .* where interpolants",
        ),
        (lambda: _model(encoder=Broken()), {}, "model 'one': start holds NaN or infinite"),
        (lambda: "nowhere", {}, "'nowhere' does not exist"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_line(model, arguments, said, images):
    with pytest.raises(InputError, match=said) as error:
        interpolate_images({"one": model()}, data=images, **(FEW | arguments))
    assert "\n" not in str(error.value)


def test_sentences_and_images_of_another_shape_are_refused(images, pixels):
    sentences = SentenceDataset.from_sentences(4 * ["a dog runs", "two men sit"], length=4)
    with pytest.raises(InputError, match="are sentences"):
        interpolate_images({"one": pixels}, data=sentences, **FEW)
    with pytest.raises(InputError, match=r"real images .* have shape \(1, 28, 28\)"):
        interpolate_images({"one": pixels}, data=images, real_images=load("digits"), **FEW)


def test_one_image_is_no_pair(images, pixels):
    with pytest.raises(InputError, match="has one image; a path needs two"):
        interpolate_images({"one": pixels}, data=images.take(1))


def test_a_folder_that_holds_something_is_refused_before_anything_is_done(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "there.txt").write_text("mine")
    (tmp_path / "no run").mkdir()
    with pytest.raises(InputError, match="already holds files"):
        interpolate_images(tmp_path / "no run", data="digits", out=tmp_path / "out")


def test_named_data_are_compared_with_their_training_images():
    config = ModelConfig(recipe="cae", image_shape=(1, 28, 28), options={"widths": (2, 3, 4)})
    found = interpolate_images(
        {"cae": build(config).eval()}, data="digits", pairs=3, steps=3, geodesics=0, real=50
    )
    assert found.tree.attrs["real_data"] == "digits (train)"
    known = load("digits", "train").take(50, seed=0)
    recorded = json.loads(found.tree.attrs["provenance"])
    assert recorded["real_sha256"] == known.fingerprint
