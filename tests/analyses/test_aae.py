"""The study of adversarial autoencoders at its smoke scale, and what its tables say."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from latentgeo.datasets import load
from latentgeo.models import load_model, sample

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*has not learned"),
    pytest.mark.filterwarnings("ignore:.*ended with a diagnostic"),
]


@pytest.fixture(scope="module")
def study():
    import aae

    return aae


@pytest.fixture(scope="module")
def tables():
    from measures import aae_tables

    return aae_tables


@pytest.fixture(scope="module")
def out(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("aae") / "out"
    assert study.main(["--scale", "smoke", "--out", str(folder), "--workers", "1"]) == 0
    return folder


def test_every_variant_is_measured_and_drawn(study, out):
    variants = json.loads((out / "study" / "study.json").read_text())["variants"]
    assert list(variants) == list(study.SCALES["smoke"].models)
    for name, found in variants.items():
        options = study.VARIANTS[name].options
        labelled = "labels" in options and options["variant"] != "label-regularised"
        assert ("classification_error" in found) == labelled
        assert ("clustering_error" in found) == (name in {"clusters-16", "clusters-30", *TWENTY})
        assert ("nats" in found) == name.endswith("-8")
        assert 0 < found["p_values"][0] <= 1
        assert list((out / "study").glob(f"{name}-*.png"))
    for name in ("mixture-codes", "supervised-styles", "clusters-30-heads", "errors"):
        assert (out / "study" / f"{name}.png").stat().st_size > 5_000


TWENTY = ("plane-20", "ten-20")


def of(out, study, name):
    folder = out / "runs" / "seed-0" / name
    return load_model(folder), json.loads((folder / study.MEASURES).read_text())


def category(model, images):
    pixels = images.batch(np.arange(len(images)))
    return model.posterior(pixels).codes["category"].detach().numpy()


def test_the_error_is_that_of_the_category(study, out):
    model, found = of(out, study, "semi-1000")
    test = load("digits")
    wrong = category(model, test).argmax(1) != test.labels
    assert found["classification"]["error"]["mean"] == pytest.approx(wrong.mean(), abs=1e-9)


def test_clusters_have_their_names_from_validation_images(study, out):
    model, found = of(out, study, "clusters-16")
    validation, test = load("digits", "validation"), load("digits")
    surely = category(model, validation)
    names = [int(validation.labels[np.argmax(surely[:, head])]) for head in range(16)]
    assert found["clustering"]["names"] == names
    wrong = np.array(names)[category(model, test).argmax(1)] != test.labels
    assert found["clustering"]["error"]["mean"] == pytest.approx(wrong.mean(), abs=1e-9)


def test_the_likelihood_is_that_of_a_mixture_around_samples(study, out):
    model, found = of(out, study, "normal-8")
    drawn = sample(model, 100, seed=0).flatten(1).numpy().astype(float)
    points = load("digits").batch(np.arange(5)).flatten(1).numpy().astype(float)
    width = found["likelihood"]["bandwidth"]
    each = [
        logsumexp(norm.logpdf(point, drawn, width).sum(axis=1)) - np.log(100) for point in points
    ]
    from measures import aae as aae_measures

    test = load("digits").take(5)
    again = aae_measures.parzen(sample(model, 100, seed=0), load("digits", "validation"), test)
    assert again["bandwidth"] == width
    assert again["nats"]["mean"] == pytest.approx(np.mean(each), rel=1e-6)


def test_goes_on_where_it_was(study, out):
    runs = out / "runs" / "seed-0"
    kept, lost = (runs / name / study.MEASURES for name in ("normal-2", "clusters-16"))
    before, content = kept.stat().st_mtime_ns, lost.read_text()
    lost.unlink()
    assert study.main(["--scale", "smoke", "--out", str(out), "--workers", "1"]) == 0
    assert kept.stat().st_mtime_ns == before
    assert lost.read_text() == content


def test_validation_errors_are_those_of_the_categories(study, out):
    validation = load("digits", "validation")
    model, found = of(out, study, "semi-1000")
    wrong = category(model, validation).argmax(1) != validation.labels
    assert found["validation_error"] == pytest.approx(wrong.mean(), abs=1e-9)
    model, found = of(out, study, "clusters-16")
    names = np.array(found["clustering"]["names"])
    wrong = names[category(model, validation).argmax(1)] != validation.labels
    assert found["validation_error"] == pytest.approx(wrong.mean(), abs=1e-9)


def runs(errors, diagnostics=()):
    """Make what was measured of one variant, a run for each error."""
    return [
        {
            "prior": {"code": "style", "mmd_squared": 0.001, "p_value": 0.5},
            "classification": {"error": {"mean": error, "low": error - 0.01, "high": error + 0.02}},
            # The order of validation images' errors is another than that of test images'.
            "validation_error": abs(error - 0.03),
            "validation_psnr_db": 20.0,
            "learned": True,
            "diagnostics": list(diagnostics),
        }
        for error in errors
    ]


def test_reported_figures_have_their_marks(study, tables):
    from study.render import macro

    found = tables.gather_variants(
        {"semi-100": runs((0.02, 0.03, 0.04)), "ten-1000": runs((0.05,), ["x"])}
    )
    beside = {"after 50 epochs": tables.AFTER_50_EPOCHS}
    known = study.VARIANTS, tables.LABELS, ["classification_error"], beside
    lines = macro("aae_tables.md", "errors", found, *known)
    # 3 ± 4.303 / √3, Student's interval of three values.
    assert (
        lines[2]
        == "| semi-100 | 100 labels | 3.00 [0.52, 5.48] | 3.00 | 1.90 ± .10 [Q] | 3.40 [Q] |"
    )
    # A single seed has the interval over its test images.
    assert lines[3] == "| ten-1000 † | 10-D, 1000 labels | 5.00 [4.00, 7.00] | 5.00 | – | – |"
    marked = [variant.reported for variant in study.VARIANTS.values() if variant.reported]
    assert len(marked) == 12
    assert {reported.mark for reported in marked} == {"[Q]", "[U]"}
    json.dumps(found, allow_nan=False)


def test_errors_in_the_course_of_training_are_those_of_the_metrics(study, out):
    found = json.loads((out / "study" / "study.json").read_text())
    labelled = {
        name for name, entry in found["variants"].items() if "classification_error" in entry
    }
    assert set(found["courses"]) >= labelled
    metrics = (out / "runs" / "seed-0" / "semi-100" / "metrics.csv").read_text().splitlines()
    rows = dict(zip(*(line.split(",") for line in metrics), strict=True))
    expected = 100 * float(rows["validation_classification_error"])
    assert found["courses"]["semi-100"] == {"1": pytest.approx(expected)}
    assert f"| semi-100 | {expected:.2f} |" in (out / "study" / "study.md").read_text()


def test_most_frequent_confusion_is_found(study):
    from measures.aae import most_confused

    classes = np.repeat([0, 1, 2], 5)
    found = np.array([0, 0, 0, 2, 2, 1, 1, 0, 0, 0, 2, 2, 2, 2, 2])
    expected = {"class": 1, "taken_for": 0, "images": 3, "of": 5}
    assert most_confused(found, classes) == expected


def test_a_scale_may_have_a_few_variants_alone(study, tmp_path, monkeypatch):
    scale = replace(study.SCALES["smoke"], models=("semi-100",))
    monkeypatch.setitem(study.SCALES, "smoke", scale)
    assert study.main(["--scale", "smoke", "--out", str(tmp_path / "few"), "--workers", "1"]) == 0
    page = (tmp_path / "few" / "study" / "study.md").read_text()
    assert "## With labels" in page
    assert "interval over test images" in page
    assert "What is most often taken for what" in page
    assert "## Without labels" not in page
    assert "## Likelihood" not in page


def test_a_variant_may_have_the_paper_s_noise(study, tmp_path):
    from study import Run

    scale = study.SCALES["overnight"]
    given = {
        name: study.settings(
            Run(name, 0, scale, tmp_path, "cpu", scale.data, study.VARIANTS[name])
        )["options"]["input_noise"]
        for name in scale.models
    }
    assert given == {name: 0.3 if name in study.WITH_NOISE else 0.0 for name in scale.models}


def test_scales_are_in_order(study):
    paper, laptop = study.SCALES["paper"], study.SCALES["laptop"]
    assert paper.hidden == (1000, 1000)
    assert (laptop.seeds, paper.seeds, paper.samples) == (3, 5, 10_000)


def test_data_that_cannot_be_had_are_one_line(study, capsys, tmp_path, monkeypatch):
    scale = replace(study.SCALES["smoke"], data="mnits")
    monkeypatch.setitem(study.SCALES, "smoke", scale)
    assert study.main(["--scale", "smoke", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("aae: data 'mnits' is not known")
