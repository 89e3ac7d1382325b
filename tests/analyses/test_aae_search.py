"""The search for the adversarial autoencoder's settings at its smoke scale."""

import json

import pytest

from latentgeo.datasets import load
from latentgeo.models import load_model

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*has not learned"),
    pytest.mark.filterwarnings("ignore:.*ended with a diagnostic"),
]
TRIED = ("start", "no-noise", "no-noise-fast")


@pytest.fixture(scope="module")
def search():
    import aae_search

    return aae_search


@pytest.fixture
def few(search, monkeypatch):
    monkeypatch.setattr(search, "SETTINGS", {name: search.SETTINGS[name] for name in TRIED})


def test_every_setting_is_tried_and_judged_by_validation_images(search, few, tmp_path):
    command = ["--scale", "smoke", "--workers", "1", "--out", str(tmp_path)]
    assert search.main(command) == 0
    settings = json.loads((tmp_path / "study" / "study.json").read_text())["settings"]
    assert list(settings) == list(TRIED)

    folder = tmp_path / "no-noise-fast" / "runs" / "seed-0" / "semi-100"
    model, validation = load_model(folder), load("digits", "validation")
    assert model.config.recipe_options.input_noise == 0.0
    posterior = model.eval().posterior(validation.batch(slice(None)))
    given = posterior.codes["category"].argmax(dim=1).numpy()
    error = 100 * (given != validation.labels).mean()
    assert settings["no-noise-fast"]["semi-100"]["seeds"] == [pytest.approx(error)]

    table = (tmp_path / "study" / "study.md").read_text()
    assert f"| no-noise-fast | input_noise 0.0, learning_rate 0.002 | {error:.1f} (" in table

    kept = folder / search.FOUND
    before = kept.stat().st_mtime_ns
    assert search.main(command) == 0
    assert kept.stat().st_mtime_ns == before


def test_settings_name_what_the_study_knows(search):
    for changes in search.SETTINGS.values():
        assert set(changes) <= set(search._START)
        assert all(search._START[name] != value for name, value in changes.items())


def test_seeds_are_said_beside_their_mean(search):
    assert search.format_seeds({"mean": 3.0, "seeds": [2.0, 4.0]}) == "3.0 (2.0, 4.0)"
