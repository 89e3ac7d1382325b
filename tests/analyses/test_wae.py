"""The study of Wasserstein autoencoders at its smoke scale, and what its table claims."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from latentgeo.datasets import load
from latentgeo.features import load_features
from latentgeo.models import load_model

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*has not learned"),
    pytest.mark.filterwarnings("ignore:.*ended with a diagnostic"),
]


@pytest.fixture(scope="module")
def study():
    import wae

    return wae


@pytest.fixture(scope="module")
def tables():
    from measures import image_runs

    return image_runs


@pytest.fixture(scope="module")
def out(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wae") / "out"
    assert study.main(["--scale", "smoke", "--out", str(folder), "--workers", "1"]) == 0
    return folder


def test_all_models_are_measured_on_one_net(study, out):
    models = json.loads((out / "study" / "study.json").read_text())["models"]
    assert list(models) == list(study.SCALES["smoke"].models)
    nets = [load_model(out / "runs" / "seed-0" / name) for name in models]
    assert len({sum(w.numel() for w in net.decoder.parameters()) for net in nets}) == 1
    assert len({sum(w.numel() for w in net.encoder.parameters()) for net in nets}) == 1
    for name in ("samples", "reconstructions", "paths"):
        assert (out / "study" / f"{name}.png").stat().st_size > 5_000


def test_what_is_written_is_what_the_model_gives(study, out):
    folder = out / "runs" / "seed-0" / "wae-mmd"
    found = json.loads((folder / "quality.json").read_text())
    model, test = load_model(folder), load("digits").batch(slice(None))
    with torch.no_grad():
        made = model.decode(model.encode(test))
    squared = ((made - test) ** 2).sum(dim=(1, 2, 3)).numpy()
    assert found["squared_error"]["mean"] == pytest.approx(squared.mean(), rel=1e-4)
    features = load_features(out / "features")
    one, other = (features(images).double().numpy() for images in (made, test))
    gap = one.mean(0) - other.mean(0)
    product = np.linalg.eigvals(np.cov(one.T) @ np.cov(other.T)).real
    traces = np.trace(np.cov(one.T)) + np.trace(np.cov(other.T))
    expected = gap @ gap + traces - 2 * np.sqrt(product.clip(0)).sum()
    assert found["fd_reconstructions"] == pytest.approx(expected, rel=1e-3)


def test_the_page_names_the_features_and_the_marks(out):
    page = (out / "study" / "study.md").read_text()
    assert "digits-classifier FD, sha" in page
    assert "no Inception distance" in page
    assert "WAE-GAN 42 [Q]" in page


def test_goes_on_where_it_was(study, out):
    runs = out / "runs" / "seed-0"
    kept, lost = runs / "vae" / "quality.json", runs / "wae-gan" / "quality.json"
    before, content = kept.stat().st_mtime_ns, lost.read_text()
    lost.unlink()
    assert study.main(["--scale", "smoke", "--out", str(out), "--workers", "1"]) == 0
    assert kept.stat().st_mtime_ns == before
    assert lost.read_text() == content


def runs(errors, diagnostics=()):
    return [
        {
            "squared_error": {"mean": error, "low": error - 0.1, "high": error + 0.1},
            "fd_samples": error,
            "learned": True,
            "diagnostics": diagnostics,
        }
        for error in errors
    ]


def gathered(tables, models):
    from study import gather

    return gather(tables.MEASURES, models)


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        ((1.0, 1.1, 1.2), "lower than"),
        ((9.0, 9.1, 9.2), "higher than"),
        ((4.0, 5.0, 7.0), "not told apart from"),
        ((1.0,), "not told apart from"),
    ],
)
def test_an_order_is_claimed_only_where_a_test_over_seeds_finds_it(tables, ours, verdict):
    models = gathered(tables, {"wae-mmd": runs(ours), "vae": runs((5.0, 5.1, 5.2))})
    said = tables.orders(models, {"wae-mmd": ["vae"]})
    assert said[0].startswith(f"- wae-mmd, squared error per image: {verdict} vae (")
    assert said[1].startswith(f"- wae-mmd, FD of samples: {verdict} vae (")


def test_a_diagnostic_has_its_dagger_and_its_line(tables):
    from study.render import macro

    models = gathered(tables, {"wae-gan": runs((1.0, 2.0, 3.0), ["the codes are dead"])})
    floor = {"fd_samples": 0.5, "sharpness_test": {"mean": 0.007}}
    lines = tables.measured(models, floor).splitlines()
    # 2 ± 4.303 / √3, Student's interval of three values.
    assert lines[2].startswith("| wae-gan † | 2.00 [-0.48, 4.48] | 2.00 [-0.48, 4.48] |")
    assert lines[3] == "| real images | – | 0.50 |"
    # A single seed has the interval over its test images, where the measure has one.
    alone = tables.measured(gathered(tables, {"vae": runs((2.0,))}), floor).splitlines()
    assert alone[2] == "| vae | 2.00 [1.90, 2.10] | 2.00 |"
    said = macro("parts.md", "diagnostics", models)
    assert "- wae-gan, seed 0: the codes are dead" in said
    json.dumps(models, allow_nan=False)


def test_data_that_cannot_be_had_are_one_line(study, capsys, tmp_path, monkeypatch):
    scale = replace(study.SCALES["smoke"], data="mnits")
    monkeypatch.setitem(study.SCALES, "smoke", scale)
    assert study.main(["--scale", "smoke", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("wae: data 'mnits' is not known")
