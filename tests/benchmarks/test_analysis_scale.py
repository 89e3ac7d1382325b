"""The synthetic latents of the benchmark, and the exponent that it fits."""

import numpy as np
import pytest
import torch

from latentgeo.geometry import feature_map, gram_dimension, mode_unfoldings, trace_normalised


@pytest.fixture(scope="module")
def scale(load_benchmark):
    return load_benchmark("analysis_scale")


def test_latents_do_not_depend_on_the_shard(scale):
    view = scale.synthetic(250, torch.device("cpu"))
    whole = view.read(0, slice(0, 250))
    assert whole.shape == (250, 128, 7, 7)
    parts = [view.read(0, slice(start, start + 50)) for start in range(0, 250, 50)]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=0)
    assert (whole[0] != whole[100]).any()


def test_images_are_read_in_any_order(scale):
    view = scale.synthetic(250, torch.device("cpu"))
    chosen = np.array([240, 3, 101, 7])
    torch.testing.assert_close(
        view.read(0, chosen), view.read(0, slice(0, 250))[chosen], rtol=0, atol=0
    )


def test_findings_are_those_of_the_gram_matrix(scale):
    found = scale.analyze_once(40, "cpu")
    latents = scale.synthetic(40, torch.device("cpu")).read(0, slice(0, 40))
    unit = tuple(
        trace_normalised(mode, "unfolding")[0] for mode in mode_unfoldings(latents.double())
    )
    features = feature_map(unit, form="unfolding", source_dtype="float32")
    assert found["dimension"] == int(gram_dimension(features @ features.mT, (0.95,))[0])
    assert found["ranks"] == [20]
    assert found["order"] == 40


def test_the_exponent_is_that_of_a_power(scale):
    rows = [{"size": size, "seconds": 0.5 * size**1.25} for size in (10, 1000, 10**6)]
    assert scale.exponent(rows, "seconds") == "1.25"
    assert scale.exponent(rows[:1], "seconds") == "not fitted to one size"
