"""The search for the adversarial autoencoder's settings at its smoke scale."""

import json
from dataclasses import replace

import pytest
from scipy.stats import ttest_rel

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
    monkeypatch.setitem(search.SCALES, "smoke", replace(search.SCALES["smoke"], settings=TRIED))


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
    assert "Differences" not in table  # one seed
    confused = settings["no-noise-fast"]["semi-100"]["confused"]
    assert [set(seed) for seed in confused] == [{"class", "taken_for", "images", "of"}]
    assert not settings["no-noise-fast"]["clusters-16"]["confused"]

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


def test_seeds_are_compared_in_pairs(search):
    errors = {"no-noise": [10.0, 4.0, 7.0, 5.0], "start": [9.0, 3.0, 6.0, 4.1]}
    entries = {
        name: {
            "semi-100": {**search.over_seeds(seeds), "confused": []},
            "changes": search.SETTINGS[name],
        }
        for name, seeds in errors.items()
    }
    shown = search.show({"settings": entries, "provenance": {"seeds": 4}})
    ((name, difference),) = shown["differences"].items()
    assert name == "start less no-noise, 100 labels"
    test = ttest_rel(errors["start"], errors["no-noise"])
    assert difference.p_value == pytest.approx(test.pvalue)
    ends = test.confidence_interval()
    assert difference.difference[:3] == pytest.approx((-0.975, ends.low, ends.high))
    assert not search.show({"settings": entries, "provenance": {"seeds": 2}})["differences"]
