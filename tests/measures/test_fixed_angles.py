"""Angles at fixed dimension, their matched null, and what subspaces hold."""

import numpy as np
import pytest

from latentgeo.geometry import angles_by_dimension, effective_rank, held_out_variance, stable_rank
from latentgeo.measures import MEASURES, AnalysisSettings, Encoding
from latentgeo.measures.fixed_angles import compute
from latentgeo.measures.ranks import compute as compute_ranks

SETTINGS = AnalysisSettings(halves=6, tsne_seeds=())


@pytest.fixture(scope="module")
def encoding(make_latents, tensor_latents):
    rng = np.random.default_rng(1)
    sampled = tensor_latents + 0.3 * rng.normal(size=(2, 1, *tensor_latents.shape[1:]))
    spread = np.full_like(tensor_latents, np.log(0.09))
    latents = make_latents(tensor_latents, sampled=sampled, log_variance=spread)
    return Encoding(latents, np.full(40, 12.0), SETTINGS)


@pytest.fixture(scope="module")
def found(encoding):
    return compute(encoding).assign_coords(view=list(encoding.readers))


def test_angles_are_those_of_the_kernels_subspaces(found, encoding):
    grams = encoding.embeddings[0].grams
    expected = angles_by_dimension(grams.within[0], grams.cross[1], grams.within[2])
    one = found["fixed_angle"].sel(view="mean").isel(noise=2)
    np.testing.assert_allclose(one, np.rad2deg(expected))
    assert (found["fixed_angle"].isel(noise=0) == 0).sum() == 8  # halves have 19 dimensions
    held = held_out_variance(grams.within[0], share=0.95, splits=6)
    np.testing.assert_allclose(found["held_out_variance"].sel(view="mean"), held)


def test_the_null_is_the_clean_level(make_latents):
    # Two directions that all images share, so that halves of them hold nearly the same.
    rng = np.random.default_rng(0)
    shared = np.linalg.qr(rng.normal(size=(20, 2)))[0] * [6.0, 3.0]
    clean = rng.normal(size=(40, 2)) @ shared.T + 0.3 * rng.normal(size=(40, 20))
    levels = [clean + level * rng.normal(size=clean.shape) for level in (0.0, 0.1, 3.0)]
    encoding = Encoding(
        make_latents(np.stack(levels)[..., None, None]), np.full(40, 12.0), SETTINGS
    )
    found = compute(encoding).assign_coords(view=["mean"])
    apart = found["fixed_angle_apart"].sel(view="mean", subspace_dimension=2)
    clean, little, much = apart.mean("split").values
    assert clean == pytest.approx(little, abs=3)
    assert much > clean
    same = found["fixed_angle"].sel(view="mean", subspace_dimension=2)
    assert same.isel(noise=1) < same.isel(noise=2)
    assert same.isel(noise=1) < little


def test_independent_draws_turn_more_than_draws_that_share_their_noise(found):
    # Both draws keep their noise from level to level, as the posterior's samples do.
    shared = found["fixed_angle"].sel(view="sample").isel(noise=1)
    clean, noisy = found["fixed_angle_redrawn"].values
    assert found["second_draw_noise"].values.tolist() == [0, 0.1]
    assert (noisy[:4] > shared[:4]).all()
    assert clean[3] == pytest.approx(noisy[3], abs=10)


def test_a_deterministic_model_has_no_other_draw(make_latents, tensor_latents):
    latents = make_latents(tensor_latents)
    assert "fixed_angle_redrawn" not in compute(Encoding(latents, np.zeros(40), SETTINGS))


def test_ranks_without_a_tolerance_are_those_of_the_spectra(encoding):
    ranks = compute_ranks(encoding)
    values = ranks["singular_value"].sel(view="mean", mode="S3").isel(noise=1).values
    for name, rank in (("effective_rank", effective_rank), ("stable_rank", stable_rank)):
        one = ranks[name].sel(view="mean", mode="S3").isel(noise=1)
        assert one == pytest.approx(rank(np.nan_to_num(values)).mean())
        low, high = ranks[f"{name}_ci"].sel(view="mean", mode="S3").isel(noise=1).values
        assert low < one < high
    flat = encoding.held["mean"].values[1].reshape(40, -1).astype(float)
    expected = effective_rank(np.linalg.svd(flat, compute_uv=False))
    assert ranks["rank_me"].sel(view="mean").isel(noise=1) == pytest.approx(expected)
    assert "effective_rank" in {one.name for one in MEASURES["ranks"].readouts}
