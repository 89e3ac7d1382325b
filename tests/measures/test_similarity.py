"""Similarity between models: what is kept of each, and what is measured of all together."""

import numpy as np
import pytest
import xarray as xr

from latentgeo.measures import (
    MEASURES,
    AnalysisSettings,
    analyze_latents,
    measure_together,
    summarize,
)
from latentgeo.metrics import SIMILARITIES, similarity
from latentgeo.results import Analysis, models_of

SETTINGS = AnalysisSettings(halves=4, tsne_seeds=(), seed=3)


@pytest.fixture(scope="module")
def latents(tensor_latents):
    rng = np.random.default_rng(5)
    flat = tensor_latents.reshape(*tensor_latents.shape[:2], -1)
    rotation = np.linalg.qr(rng.normal(size=(300, 300)))[0]
    return {
        "one": tensor_latents,
        "turned": (3 * flat @ rotation).reshape(tensor_latents.shape) + 1,
        "other": rng.normal(size=(3, 40, 6, 1, 1)),
    }


@pytest.fixture(scope="module")
def alone(latents, make_latents):
    baseline = np.full(40, 12.0)
    return {
        name: analyze_latents(make_latents(values), baseline, SETTINGS)
        for name, values in latents.items()
    }


def tree_of(models):
    attrs = {"data": "made up", "samples": 40, "seed": 3, "perturbation": "gaussian"}
    root = xr.Dataset(attrs={**attrs, "models": list(models), "provenance": "{}"})
    together = measure_together(models)
    return xr.DataTree.from_dict({"/": root, **{f"/{name}": one for name, one in together.items()}})


@pytest.fixture(scope="module")
def found(alone):
    tree = tree_of(alone)
    return Analysis(tree, summarize(tree))


def test_each_pair_is_compared_on_the_same_images(found, latents):
    for name in SIMILARITIES:
        one = found["one"].similarity(noise=0.1, similarity_measure=name, other_model="other")
        expected = similarity(latents["one"][1], latents["other"][1], name, permutations=99, seed=3)
        assert one.value == pytest.approx(expected.value, abs=1e-4)
        assert one.low == pytest.approx(expected.low, abs=1e-3)
        assert one == found["other"].similarity(
            noise=0.1, similarity_measure=name, other_model="one"
        )


def test_rotated_and_scaled_latents_are_the_same(found):
    for name in SIMILARITIES:
        one = found["one"].similarity(similarity_measure=name, other_model="turned")
        assert one.value == pytest.approx(1, abs=1e-5)
        assert one.high <= 1


def test_summary_frame_and_words_have_it(found):
    entry = found.summary["models"]["one"]["similarity"]["0"]["rsa"]
    assert list(entry) == ["turned", "other"]
    assert entry["turned"]["p_value"] == pytest.approx(0.01)
    assert set(entry["other"]) == {"value", "ci95", "p_value", "by_chance"}
    rows = found.to_dataframe().query("model == 'other' and measure == 'similarity'")
    assert len(rows) == 2 * len(SIMILARITIES) * 2
    measure = MEASURES["similarity"]
    assert measure.terminal(found["one"]).startswith("one: most similar to turned on clean images")
    table, definitions = measure.tables_of(found.models, "noisy")
    assert len(table.rows) == 3 * 2
    assert len(definitions.rows) == len(SIMILARITIES)
    assert "n.s." in str([row for row in table.rows if "other" in row[0]])


def test_one_model_alone_has_none(alone):
    one = {"one": alone["one"]}
    assert measure_together(one)["one"].equals(alone["one"])
    (model,) = models_of(tree_of(one))
    assert not MEASURES["similarity"].tables_of([model], "noisy")
    assert not MEASURES["similarity"].terminal(model)


def test_what_was_joined_before_is_measured_anew(alone):
    two = measure_together({name: alone[name] for name in ("one", "turned")})
    three = measure_together(two | {"other": alone["other"]})
    assert three["one"]["other_model"].values.tolist() == ["turned", "other"]
    assert three["one"].equals(measure_together(alone)["one"])


def test_too_few_images_are_said(make_latents, tensor_latents):
    few = analyze_latents(make_latents(tensor_latents[:, :30]), np.full(30, 12.0), SETTINGS)
    assert "similarity_points" not in few
    assert "it needs 40 images, there are 30" in few.attrs["omitted"]
