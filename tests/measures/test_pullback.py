import numpy as np
import pytest
import torch
from torch import nn

from latentgeo.measures import AnalysisSettings
from latentgeo.measures.decoder_metric import decoder_geometry
from latentgeo.results import omissions_of


class Model(nn.Module):
    """What `decoder_geometry` asks of a model."""

    def __init__(self, decode):
        super().__init__()
        self.decode = decode
        self.decodes = decode is not None


def linear(matrix, shape=(1, 4, 4)):
    """A decoder that multiplies the flattened latent."""
    weights = torch.as_tensor(matrix, dtype=torch.float32)
    return Model(lambda z: (z.flatten(1) @ weights.T).reshape(len(z), *shape))


def vectors(make_latents, size, *, samples=40, noise=(0.0, 0.1, 0.5)):
    rng = np.random.default_rng(0)
    return make_latents(rng.normal(size=(len(noise), samples, size, 1, 1)), noise=noise)


def test_a_linear_decoder_pulls_back_its_own_metric(make_latents):
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(16, 10))
    found = decoder_geometry(linear(matrix), vectors(make_latents, 10))
    values = np.linalg.svd(matrix, compute_uv=False)
    assert found["pullback_condition"].shape == (2, 16)
    np.testing.assert_array_equal(found["pullback_noise"], [0.0, 0.5])
    np.testing.assert_allclose(
        found["pullback_condition"], (values[0] / values[-1]) ** 2, rtol=1e-4
    )
    np.testing.assert_allclose(found["pullback_log_volume"], np.log(values).sum(), rtol=1e-4)
    singular = found["pullback_singular_value"]
    np.testing.assert_allclose(singular, np.broadcast_to(values, singular.shape), rtol=1e-4)
    assert found["pullback_condition"].attrs["directions"] == "all 10 directions of the latent"


def test_an_isometry_has_condition_one_and_no_volume_change(make_latents):
    matrix = np.linalg.qr(np.random.default_rng(0).normal(size=(16, 6)))[0]
    found = decoder_geometry(linear(matrix), vectors(make_latents, 6))
    np.testing.assert_allclose(found["pullback_condition_median"], 1, rtol=1e-5)
    np.testing.assert_allclose(found["pullback_log_volume_median"], 0, atol=1e-5)


def test_the_metric_is_taken_where_the_latents_are(make_latents):
    found = decoder_geometry(
        Model(lambda z: z.square().reshape(len(z), 1, 2, 3)), vectors(make_latents, 6)
    )
    chosen = vectors(make_latents, 6)["mean"].sel(
        noise=found["pullback_noise"].values, sample=found["pullback_sample"].values
    )
    expected = np.sort(np.abs(2 * chosen.values[..., 0, 0]))[..., ::-1]
    np.testing.assert_allclose(found["pullback_singular_value"], expected, rtol=1e-5)


def test_a_large_latent_is_measured_where_it_varies(make_latents):
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(108, 3)))[0]
    z = (rng.normal(size=(2, 40, 3)) @ axes.T).reshape(2, 40, 12, 3, 3)
    matrix = 5 * axes.T  # sees these three directions only, and stretches each five times
    settings = AnalysisSettings(pullback_directions=8, pullback_images=7)
    found = decoder_geometry(linear(matrix, (3, 1, 1)), make_latents(z, noise=(0.0, 0.1)), settings)
    assert found["pullback_singular_value"].shape == (2, 7, 3)
    np.testing.assert_allclose(found["pullback_singular_value"], 5, rtol=1e-4)
    said = found["pullback_condition"].attrs["directions"]
    assert said == "the 3 directions (of 108) in which clean latents vary most"


@pytest.mark.parametrize(
    ("side", "images", "directions"), [(1, 16, 10), (900, 16, 10), (12_500, 6, 10), (20_000, 6, 8)]
)
def test_a_costly_decoder_is_measured_at_fewer_places(make_latents, side, images, directions):
    heavy = torch.empty(side, side, device="meta")

    def decode(z):
        heavy @ heavy[:, :1]  # costs nothing, but counts as 2 side² operations
        return z.reshape(len(z), 1, 2, 5) * 2

    found = decoder_geometry(Model(decode), vectors(make_latents, 10))
    assert found["pullback_singular_value"].shape[1:] == (images, directions)
    np.testing.assert_allclose(found["pullback_singular_value"], 2, rtol=1e-5)


def test_a_direction_that_the_decoder_ignores_is_infinite(make_latents):
    found = decoder_geometry(
        linear(np.eye(16, 5)[:, :5] * [1, 1, 1, 1, 0]), vectors(make_latents, 5)
    )
    assert np.isinf(found["pullback_condition_median"]).all()
    assert np.isinf(found["pullback_condition_ci"]).all()
    assert (found["pullback_log_volume_median"] == -np.inf).all()


@pytest.mark.parametrize(("samples", "ends"), [(5, None), (6, (0, 5)), (16, (3, 12))])
def test_the_interval_of_a_median_is_that_of_order_statistics(make_latents, samples, ends):
    model = Model(lambda z: (z * z.abs().sum(1, keepdim=True)).reshape(len(z), 1, 1, -1))
    found = decoder_geometry(model, vectors(make_latents, 3, samples=samples))
    ordered = np.sort(found["pullback_log_volume"], axis=-1)
    assert ordered.shape[-1] == samples
    np.testing.assert_allclose(found["pullback_log_volume_median"], np.median(ordered, axis=-1))
    if ends is None:
        assert found["pullback_log_volume_ci"].isnull().all()
    else:
        np.testing.assert_array_equal(found["pullback_log_volume_ci"], ordered[:, list(ends)])


def test_the_interval_covers_the_median_as_often_as_it_says():
    from latentgeo.measures.decoder_metric import _median

    values = np.random.default_rng(0).exponential(size=(2000, 16))
    ends = _median("x", values)["x_ci"][1]
    covered = ((ends[:, 0] <= np.log(2)) & (np.log(2) <= ends[:, 1])).mean()
    assert 0.94 < covered < 0.99


def test_what_cannot_be_measured_is_said(make_latents):
    latents = vectors(make_latents, 5)
    (no_decoder,) = omissions_of(decoder_geometry(Model(None), latents))
    assert no_decoder.reason == "this model has no decoder"

    def opaque(z):
        raise RuntimeError("forward AD is not implemented for op\nand more")

    (closed,) = omissions_of(decoder_geometry(Model(opaque), latents))
    assert closed.reason == (
        "the decoder cannot be differentiated forward (forward AD is not implemented for op)"
    )
    still = make_latents(np.zeros((1, 8, 12, 3, 3)), noise=(0.0,))
    (same,) = omissions_of(decoder_geometry(linear(np.ones((16, 108))), still))
    assert "all clean latents are identical" in same.reason


def test_the_same_seed_takes_the_same_images(make_latents):
    model = linear(np.eye(16, 5))
    latents = vectors(make_latents, 5)
    first, again = (decoder_geometry(model, latents)["pullback_sample"] for _ in range(2))
    other = decoder_geometry(model, latents, AnalysisSettings(seed=1))["pullback_sample"]
    np.testing.assert_array_equal(first, again)
    assert set(other.values) != set(first.values)
