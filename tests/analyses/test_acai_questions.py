"""The two open questions at their smoke scale, and what their page may claim."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from latentgeo.models import ModelConfig, build

LEARNED = {"without": [True], "with": [True]}


@pytest.fixture(scope="module")
def study():
    import acai_questions

    return acai_questions


@pytest.fixture(scope="module")
def arguments(tmp_path_factory):
    out = tmp_path_factory.mktemp("questions") / "out"
    return ["--scale", "smoke", "--data", "digits", "--workers", "1", "--out", str(out)]


@pytest.fixture(scope="module")
def out(study, arguments):
    assert study.main(arguments) == 0
    return Path(arguments[-1])


def test_both_questions_are_answered_with_intervals(out):
    found = json.loads((out / "study" / "study.json").read_text())
    assert list(found["questions"]) == ["samples", "vectors"]
    for answer in found["questions"].values():
        for measure in answer["measures"].values():
            without, with_, difference = (
                np.array(measure[side]["seeds"]) for side in ("without", "with", "difference")
            )
            np.testing.assert_allclose(difference, with_ - without)
            low, high = measure["difference"]["interval_95"]
            assert low <= measure["difference"]["mean"] <= high
    assert found["provenance"]["features"]["name"].startswith("digits-classifier FD, sha ")
    page = (out / "study" / "study.md").read_text()
    assert "not Inception" in page
    for name in ("samples", "samples_examples", "vectors", "vectors_examples"):
        assert (out / "study" / f"{name}.png").stat().st_size > 5_000
        assert f"({name}.png)" in page


def test_a_pair_differs_in_the_critic_alone(out):
    for question in ("samples", "vectors"):
        configs = [
            json.loads(
                (out / "runs" / question / "seed-0" / side / "run.json").read_text(encoding="utf-8")
            )
            for side in ("without", "with")
        ]
        assert configs[0]["data"] == configs[1]["data"]
        without, with_ = (config["config"].pop("options") for config in configs)
        assert configs[0]["config"] == configs[1]["config"]
        apart = {name for name in with_ if without[name] != with_[name]}
        assert {"critic_weight"} <= apart <= {"critic_weight", "critic_depth", "critic_rate"}


def test_a_pair_has_the_same_first_weights(out):
    for question in ("samples", "vectors"):
        weights = []
        for side in ("without", "with"):
            config = out / "runs" / question / "seed-0" / side / "config.json"
            torch.manual_seed(0)
            model = build(ModelConfig.model_validate_json(config.read_text(encoding="utf-8")))
            weights.append(model.weights_sha256())
        assert weights[0] == weights[1]


def test_it_goes_on_where_it_was(study, arguments, out):
    weights = out / "runs" / "vectors" / "seed-1" / "with" / "model.safetensors"
    measures = [weights.with_name("measures.json"), out / "runs/samples/seed-0/with/measures.json"]
    before = weights.stat().st_mtime_ns, measures[1].stat().st_mtime_ns
    wanted = measures[0].read_bytes()
    measures[0].write_text(json.dumps({"weights_sha256": "of others", "measures": {}}))
    assert study.main(arguments) == 0
    assert (weights.stat().st_mtime_ns, measures[1].stat().st_mtime_ns) == before
    assert measures[0].read_bytes() == wanted


def test_unknown_data_is_one_line(study, capsys, tmp_path):
    assert study.main(["--data", "mnits", "--scale", "smoke", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def runs(without, with_):
    from measures.questions_tables import QUESTIONS

    names = QUESTIONS["vectors"].measures
    return {
        "without": [dict.fromkeys(names, value) for value in without],
        "with": [dict.fromkeys(names, value) for value in with_],
    }


@pytest.mark.parametrize(
    ("without", "with_", "lower", "higher"),
    [
        ((1.0, 1.1, 0.9), (2.0, 2.1, 1.9), "worse", "better"),
        ((2.0, 2.1, 1.9), (1.0, 1.1, 0.9), "better", "worse"),
        ((1.0, 2.0, 3.0), (1.11, 2.1, 3.09), "worse", "better"),
        ((1.0, 2.0, 3.0), (2.0, 1.0, 3.1), *["no difference seen (3 pairs find 3.3)"] * 2),
        ((1.0,), (2.0,), *["one seed, not tested"] * 2),
    ],
)
def test_a_difference_is_claimed_only_from_a_paired_test(without, with_, lower, higher):
    from measures.questions_tables import gather

    found = gather("vectors", runs(without, with_), {}, LEARNED)
    assert found["measures"]["nearest_midpoints"]["verdict"] == found["answer"] == lower
    assert found["measures"]["psnr_db"]["verdict"] == higher
    json.dumps(found, allow_nan=False)


def test_runs_that_have_not_learned_answer_nothing(out):
    from measures.questions_tables import gather

    found = gather("vectors", runs((1, 1.1), (2, 2.1)), {}, {**LEARNED, "with": [True, False]})
    assert found["answer"] == "not all runs have learned"
    smoke = json.loads((out / "study" / "study.json").read_text())["questions"]["samples"]
    assert smoke["learned"] == {"without": [False, False], "with": [False, False]}
    assert smoke["answer"] == found["answer"]


def test_the_interval_is_that_of_the_paired_t_test():
    from measures.questions_tables import gather
    from scipy.stats import ttest_rel

    without, with_ = np.random.default_rng(0).normal(size=(2, 5))
    found = gather("vectors", runs(without, with_), {}, LEARNED)["measures"]["psnr_db"][
        "difference"
    ]
    expected = ttest_rel(with_, without).confidence_interval()
    np.testing.assert_allclose(found["interval_95"], expected)


def test_vectors_are_parted_into_ends_and_those_that_are_near():
    from measures.questions import controls_of_vectors, digits_as_vectors, vectors_seen

    seen = vectors_seen()
    assert seen.test.shape == (360, 64, 1, 1)
    assert len(digits_as_vectors("train")) == 1437
    distance = torch.cdist(seen.start.flatten(1), seen.real.flatten(1))
    assert distance.min() > 0  # no end is among those that the nearest is sought among
    expected = torch.cdist(seen.test[::2].flatten(1), seen.real.flatten(1)).min(dim=1).values.mean()
    found = controls_of_vectors(seen)["real vectors"]["nearest_midpoints"]
    assert found == pytest.approx(float(expected), rel=1e-5)


def test_what_a_perfect_model_would_measure():
    """With the images as their own latents: reconstructions are exact, mid-points are means."""
    from measures.questions import controls_of_vectors, measure_vectors, vectors_seen

    class Identity:
        encode = decode = staticmethod(lambda vectors: vectors)

    seen = vectors_seen()
    found = measure_vectors(Identity(), seen)
    assert found["psnr_db"] == float("inf")
    assert found["cycle_midpoints"] == 0
    means = controls_of_vectors(seen)["means of two"]["nearest_midpoints"]
    assert found["nearest_midpoints"] == pytest.approx(means, rel=1e-5)
    assert 0.85 < found["probe"] < 1
