"""The lines study at its smoke scale, and what its tables claim."""

import json
import math

import numpy as np
import pytest

PAIRS = 200


@pytest.fixture(scope="module")
def study():
    import acai_lines

    return acai_lines


@pytest.fixture(scope="module")
def tables():
    from measures import lines

    return lines


@pytest.fixture(scope="module")
def out(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lines") / "out"
    assert study.main(["--scale", "smoke", "--out", str(folder), "--workers", "1"]) == 0
    return folder


def test_all_seven_are_scored_after_each_epoch_at_each_seed(study, out):
    saved = json.loads((out / "study" / "study.json").read_text())
    assert list(saved["models"]) == list(study.SEVEN)
    scale = study.SCALES["smoke"]
    for found in saved["models"].values():
        courses = found["mean_distance"]["course"]
        assert [len(course) for course in courses] == [scale.epochs] * scale.seeds
        assert courses[0] != courses[1]
    assert (out / "study" / "lines.png").stat().st_size > 10_000


def test_goes_on_where_it_was(study, tables, out):
    scores = out / "runs" / "seed-1" / "acai" / tables.SCORES
    before = scores.stat().st_mtime_ns
    (out / "study" / "study.md").unlink()
    assert study.main(["--scale", "smoke", "--out", str(out), "--workers", "1"]) == 0
    assert scores.stat().st_mtime_ns == before
    assert (out / "study" / "study.md").exists()


def test_an_epoch_that_is_repeated_is_scored_once(study, tables, out):
    run = study.Run("acai", 0, study.SCALES["smoke"], out, "cpu", "lines")
    before = tables.read_scores(run.folder)
    from latentgeo.models import load_model

    study.score_epoch(run, load_model(run.folder), 2)
    after = tables.read_scores(run.folder)
    assert after.distance.shape == before.distance.shape
    np.testing.assert_array_equal(after.distance[0], before.distance[0])


def evaluations(tables, smoothness, distance=0.01, undefined=0, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(smoothness, 0.01, PAIRS)
    values[:undefined] = math.nan
    shortest = np.where(np.isnan(values), math.nan, 1.0)
    return tables.Evaluations.of(rng.normal(distance, 1e-4, PAIRS), values, shortest)


def gathered(tables, runs, last=1, learned=True):
    fact = {"learned": learned, "diagnostics": [], "validation_psnr_db": 20.0, "seconds": 1.0}
    return tables.gather(runs, {name: [fact] * len(found) for name, found in runs.items()}, last)


def test_undefined_pairs_are_counted_and_flatter_the_papers_mode_alone(tables):
    found = evaluations(tables, 0.4, undefined=50).figures()
    assert found["undefined"] == 50
    assert found["smoothness_corrected"][0] == pytest.approx(0.4, abs=0.01)
    assert found["smoothness"][0] == pytest.approx(0.3, abs=0.01)
    assert found["shortest_arc_rate"] == 1


def test_a_run_without_any_defined_pair_has_no_smoothness(tables):
    from study.gather import without_nan

    found = evaluations(tables, 0.4, undefined=PAIRS).figures()
    assert np.isnan([found[name][0] for name in ("smoothness", "smoothness_median")]).all()
    models = gathered(tables, {"acai": [evaluations(tables, 0.4, undefined=PAIRS)] * 2})
    assert json.dumps(without_nan(models), allow_nan=False)


def test_a_runs_figure_is_the_median_of_its_last_evaluations(tables):
    run = evaluations(tables, 0.9)
    for value in (0.5, 0.1, 0.3):
        run = run.and_then(evaluations(tables, value))
    found = gathered(tables, {"acai": [run, run]}, 3)["acai"]["smoothness_corrected"]
    assert found["mean"] == pytest.approx(0.3, abs=0.01)
    assert found["deviation"] == 0


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [(0.1, 0.5, "ahead"), (0.5, 0.1, "behind"), (0.3, 0.3, "not told apart")],
)
def test_an_order_is_claimed_only_where_a_test_over_seeds_finds_it(tables, ours, theirs, verdict):
    runs = {
        name: [evaluations(tables, value, distance=value, seed=seed) for seed in range(3)]
        for name, value in (("acai", ours), ("baseline", theirs))
    }
    claims = tables.claims(gathered(tables, runs))
    assert len(claims) == 2
    assert all(verdict in claim for claim in claims)


def test_one_seed_claims_nothing(tables):
    runs = {name: [evaluations(tables, v)] for name, v in (("acai", 0.1), ("baseline", 0.9))}
    models = gathered(tables, runs)
    assert all("not told apart (not tested)" in claim for claim in tables.claims(models))


def test_a_rival_that_has_not_learned_is_called_so(tables):
    runs = {name: [evaluations(tables, 0.3)] for name in ("acai", "baseline")}
    from study.render import macro

    models = gathered(tables, runs, learned=False)
    claims = tables.claims(models)
    assert all("1 of its 1 runs have not learned" in claim for claim in claims)
    assert "0 of 1" in "".join(macro("acai_lines_tables.md", "learned", models))
