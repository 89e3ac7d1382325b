import json

import numpy as np
import pytest
import torch

from latentgeo.measures import AnalysisSettings
from latentgeo.measures.intrinsic_dimension import intrinsic_variables
from latentgeo.results import omissions_of

SETTINGS = AnalysisSettings()


def on_a_plane(dimension, samples=400, shape=(4, 3, 3), seed=0):
    """Points spread evenly over a plane of some dimension, as latents: (n, C, H, W)."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(int(np.prod(shape)), dimension)))[0]
    return torch.from_numpy(rng.uniform(size=(samples, dimension)) @ axes.T).reshape(-1, *shape)


def measure(*levels, views=("mean",)):
    latents = torch.stack(levels)
    rng = np.random.default_rng(0)
    halves = torch.from_numpy(rng.permutation(latents.shape[1])[None, : latents.shape[1] // 2])
    return intrinsic_variables(dict.fromkeys(views, latents), halves, SETTINGS, "float64")


def test_points_of_a_plane_have_its_dimension():
    found = measure(on_a_plane(1), on_a_plane(2), on_a_plane(3)).isel(view=0)
    two_nn = found["intrinsic_dimension"].sel(estimator="two-nn")
    ends = found["intrinsic_dimension_ci"].sel(estimator="two-nn")
    local = found["intrinsic_dimension"].sel(estimator="local-pca")
    for level, dimension in enumerate((1, 2, 3)):
        assert two_nn[level] == pytest.approx(dimension, rel=0.15)
        assert ends[level, 0] < two_nn[level] < ends[level, 1]
        assert local[level] == pytest.approx(dimension, abs=0.3)
    np.testing.assert_allclose(found["intrinsic_dimension_half"], (1, 2, 3), rtol=0.25)
    np.testing.assert_array_equal(found["intrinsic_points"], 400)


def test_noise_raises_the_dimension():
    clean = on_a_plane(2)
    noise = torch.from_numpy(np.random.default_rng(1).normal(size=clean.shape))
    found = measure(clean, clean + 0.5 * noise)["intrinsic_dimension"].isel(view=0)
    assert (found.diff("noise") > 3).all()


def test_latents_that_are_all_the_same_are_told_in_words():
    still = torch.zeros(30, 4, 3, 3)
    found = measure(still, still)
    assert found["intrinsic_dimension"].sel(estimator="two-nn").isnull().all()
    assert (found["intrinsic_dimension"].sel(estimator="local-pca") == 0).all()
    assert (found["intrinsic_points"] == 0).all()
    (omission,) = omissions_of(found)
    assert omission.analysis == "TwoNN dimension of the latents"
    assert "duplicates carry no dimension" in omission.reason


def test_a_single_level_without_an_estimate_is_named():
    found = measure(on_a_plane(2, 30), torch.zeros(30, 4, 3, 3), views=("mean", "sample"))
    said = [omission.analysis for omission in omissions_of(found)]
    assert said == [
        "TwoNN dimension of the latents at 1 of 2 noise levels",
        "TwoNN dimension of the sampled latents at 1 of 2 noise levels",
    ]
    assert json.loads(found.attrs["omitted"])[0].keys() == {"analysis", "reason"}


def test_some_duplicates_are_left_aside():
    clean = on_a_plane(2, 100)
    clean[50:60] = clean[:10]
    found = measure(clean).isel(view=0, noise=0)
    assert found["intrinsic_points"] == 90  # of each pair of copies, one
    assert found["intrinsic_dimension"].sel(estimator="two-nn") == pytest.approx(2, rel=0.3)


def test_four_images_are_enough_to_say_something():
    found = measure(on_a_plane(2, 4))
    assert found["intrinsic_dimension"].sel(estimator="local-pca").notnull().all()
    assert found["intrinsic_dimension"].sel(estimator="two-nn").isnull().all()


def test_copies_are_counted_and_set_aside():
    plane = on_a_plane(2, 100).float()
    again = torch.cat([plane, plane[:30] * (1 + 1e-7)])
    found, alone = _of_float32(again), _of_float32(plane)
    assert (found["intrinsic_copies"], found["intrinsic_points"]) == (30, 100)
    assert alone["intrinsic_copies"] == 0
    for name in ("intrinsic_dimension", "intrinsic_dimension_ci"):
        np.testing.assert_allclose(found[name], alone[name], rtol=1e-4)


def _of_float32(points):
    halves = torch.arange(len(points) // 2)[None]
    found = intrinsic_variables({"mean": [points]}, halves, SETTINGS, "float32")
    return found.isel(view=0, noise=0)


def test_an_interval_that_need_not_cover_is_flagged():
    found = measure(on_a_plane(1), on_a_plane(12)).isel(view=0)
    assert found["intrinsic_is_local"].values.tolist() == [True, False]
