"""The study of adversarial priors on latent tensors: its runs, and what its classifier tells."""

import json

import numpy as np
import pytest

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*has not learned"),
    pytest.mark.filterwarnings("ignore:.*ended with a diagnostic"),
]


@pytest.fixture(scope="module")
def study():
    import adversarial_latents

    return adversarial_latents


def test_codes_are_measured_beside_the_prior_where_there_is_one(study, tmp_path):
    chosen = ["sctc-none", "sctc-aae-gaussian", "acai-aae"]
    given = ["--scale", "smoke", "--workers", "1", "--out", str(tmp_path)]
    assert study.main([*given, "--only", *chosen]) == 0
    found = {
        name: json.loads((tmp_path / "runs" / "seed-0" / name / "quality.json").read_text())
        for name in chosen
    }
    assert "told_at_positions" not in found["sctc-none"]
    for name in chosen[1:]:
        assert 0 <= found[name]["told_as_a_whole"] <= 1
        assert found[name]["fd_samples"] > 0
    assert set(study.MODELS) >= set(chosen)
    backbones = {
        json.loads((tmp_path / "runs" / "seed-0" / name / "provenance.json").read_text())[
            "backbone"
        ]
        for name in chosen
    }
    assert backbones == {"sctc", "acai"}


@pytest.mark.parametrize(("shift", "least", "most"), [(0.0, 0.44, 0.56), (2.0, 0.8, 1.0)])
def test_a_classifier_tells_what_differs_and_nothing_else(shift, least, most):
    from measures.codes import told_apart

    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, 2000, 4)).astype(np.float32)
    assert least <= told_apart(one, other + np.float32(shift), seed=0) <= most
