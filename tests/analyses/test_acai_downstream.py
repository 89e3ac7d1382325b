"""The downstream study at its smoke scale, and what its tables claim."""

import json

import numpy as np
import pytest

from latentgeo.datasets import load
from latentgeo.metrics import linear_probe
from latentgeo.models import load_model
from latentgeo.training import probe_accuracy

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*has not learned"),
    pytest.mark.filterwarnings("ignore:.*ended with a diagnostic"),
]


@pytest.fixture(scope="module")
def study():
    import acai_downstream

    return acai_downstream


@pytest.fixture(scope="module")
def tables():
    from measures import downstream

    return downstream


@pytest.fixture(scope="module")
def out(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("downstream") / "out"
    assert study.main(["--scale", "smoke", "--out", str(folder), "--workers", "1"]) == 0
    return folder


def test_all_seven_are_measured_at_both_sizes(study, tables, out):
    saved = json.loads((out / "study" / "study.json").read_text())
    assert list(saved["latents"]) == ["32", "256"]
    for numbers, models in saved["latents"].items():
        assert list(models) == list(study.SEVEN)
        for name, found in models.items():
            model = load_model(out / "runs" / numbers / "seed-0" / name)
            assert np.prod(model.latent_shape) == int(numbers)
            assert all(0 <= found[measure]["mean"] <= 100 for measure in tables.MEASURES)
    assert "[U]" in (out / "study" / "study.md").read_text()
    assert (out / "study" / "downstream.png").stat().st_size > 10_000


def test_what_is_written_is_what_the_run_gives(study, out):
    folder = out / "runs" / "32" / "seed-0" / "acai"
    scores = json.loads((folder / study.SCORES).read_text())
    known, test = (load("digits", split, size=28) for split in ("train", "test"))
    known = known.take(study.SCALES["smoke"].fitted, seed=0)
    model = load_model(folder)
    fit, seen = (
        model.encode(images.batch(np.arange(len(images)))).detach().numpy()
        for images in (known, test)
    )
    frozen = linear_probe(fit, known.labels, seen, test.labels, seed=0)
    assert scores["probe_frozen"]["mean"] == pytest.approx(frozen.accuracy.mean, abs=0.01)
    assert scores["probe_beside"]["mean"] == probe_accuracy(folder, test).mean
    assert scores["clustering"]["mean"] in scores["clustering_each"]


def test_goes_on_where_it_was(study, out):
    runs = out / "runs" / "256" / "seed-0"
    kept, lost = runs / "acai" / study.SCORES, runs / "vae" / study.SCORES
    before, content = kept.stat().st_mtime_ns, lost.read_text()
    lost.unlink()
    assert study.main(["--scale", "smoke", "--out", str(out), "--workers", "1"]) == 0
    assert kept.stat().st_mtime_ns == before
    assert lost.read_text() == content


def test_the_paper_scale_sees_two_to_the_24_images(study):
    scale = study.SCALES["paper"]
    assert scale.epochs * 55_000 == pytest.approx(2**24, rel=0.001)
    assert (scale.depth, scale.restarts, scale.seeds, scale.probe_rate) == (16, 1000, 5, 1e-4)


def runs(means, diagnostics=()):
    """Make what was measured of one model, a run for each mean."""
    return [
        {
            **{
                measure: {"mean": mean, "low": mean - 0.01, "high": mean + 0.01}
                for measure in ("probe_beside", "probe_frozen", "clustering")
            },
            "clustering_each": [mean - 0.1, mean, mean - 0.2],
            "validation_psnr_db": 20.0,
            "learned": True,
            "diagnostics": list(diagnostics),
            "probe_frozen_converged": True,
            "dropped_directions": 0,
        }
        for mean in means
    ]


def gathered(study, tables, rival, acai, diagnostics=()):
    given = dict.fromkeys(study.SEVEN, runs(rival, diagnostics)) | {"acai": runs(acai)}
    return tables.gather(given)


@pytest.mark.parametrize(
    ("rival", "acai", "verdict"),
    [
        ((0.80, 0.81, 0.82), (0.95, 0.96, 0.97), "ahead of"),
        ((0.95, 0.96, 0.97), (0.80, 0.81, 0.82), "behind"),
        ((0.80, 0.84, 0.88), (0.85, 0.90, 0.95), "not told apart from"),
        ((0.80,), (0.95,), "not told apart from"),
    ],
)
def test_an_order_is_claimed_only_where_seeds_tell(study, tables, rival, acai, verdict):
    said = tables.claims({"32": gathered(study, tables, rival, acai)})
    (line,) = [line for line in said if line.startswith("- 32 numbers, clustering: ")]
    assert line.startswith(f"- 32 numbers, clustering: {verdict} ")
    assert all(f"{name} (" in line for name in study.SEVEN if name != "acai")
    assert ";" not in line.replace("; 3 seeds find", "")


def latents_table(tables, models):
    from study.render import macro

    return macro("acai_downstream_tables.md", "latents_table", models, tables.RECALLED["256"])


def test_a_table_has_the_recalled_figures_with_their_mark(study, tables):
    models = gathered(study, tables, (0.8, 0.81), (0.9, 0.91), diagnostics=["the codes are dead"])
    lines = latents_table(tables, models)
    assert lines[2].startswith("| baseline † | 20.0 | 80.50 [74.15, 86.85] | 93.94 [U] | ")
    assert lines[-1].startswith("| acai | 20.0 | 90.50 [84.15, 96.85] | 99.00 [U] | ")
    assert "| 96.17 [U] | 70.5, 80.5, 90.5 |" in lines[-1]


def test_one_seed_has_the_interval_over_its_images(study, tables):
    models = gathered(study, tables, (0.8,), (0.9,))
    assert models["acai"]["clustering"]["over_seeds_95"] is None
    assert "| 90.00 [89.00, 91.00] | 99.00 [U] |" in latents_table(tables, models)[-1]
    json.dumps(models, allow_nan=False)


def test_data_that_cannot_be_had_are_one_line(study, capsys, tmp_path, monkeypatch):
    from dataclasses import replace

    scale = replace(study.SCALES["smoke"], data="mnits")
    monkeypatch.setitem(study.SCALES, "smoke", scale)
    assert study.main(["--scale", "smoke", "--out", str(tmp_path)]) == 2
    assert "'mnits'" in capsys.readouterr().err
