"""Users add their own: a measure as CONTRIBUTING.md says, and rows of every other table."""

import json
import re
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

import latentgeo
from latentgeo import registry
from latentgeo.datasets import PERTURBATIONS
from latentgeo.errors import InputError
from latentgeo.measures import MEASURES, AnalysisSettings
from latentgeo.models import BACKBONES, RECIPES, ModelConfig, build
from latentgeo.registry import Registry

GUIDE = Path(__file__).parents[2] / "CONTRIBUTING.md"


@pytest.fixture
def guided():
    """Run the code of the guide as it stands there."""
    section = GUIDE.read_text(encoding="utf-8").split("## Add a measure")[1].split("\n## ")[0]
    (code,) = re.findall(r"(?s)```python\n(.*?)```", section)
    exec(compile(code, str(GUIDE), "exec"), {})
    yield
    MEASURES.unregister("latent_norm")


def test_the_guide_leads_to_a_measure(guided, tmp_path):
    config = ModelConfig(
        recipe="cae", backbone="mlp", image_shape=(1, 28, 28), options={"hidden": (8,)}
    )
    settings = AnalysisSettings(tsne_seeds=(), halves=4, pullback_images=2)
    found = latentgeo.analyze(
        {"it": build(config).eval()},
        data="digits",
        settings=settings,
        noise=[0, 0.1],
        samples=12,
        out=tmp_path / "out",
    )
    one = found["it"].latent_norm(noise=0.1)
    assert one.low < one.value < one.high
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["models"]["it"]["latent_norm"]["0.1"]["value"] == one.value
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Latent norm" in page
    assert one.text(2) in page
    rows = found.to_dataframe().query("measure == 'latent_norm' and noise == 0.1")
    assert rows["value"].tolist() == [one.value]
    again = latentgeo.read(tmp_path / "out")
    assert again["it"].latent_norm(noise=0.1) == one


def test_a_name_is_given_once(guided):
    with pytest.raises(InputError, match="already; choose another name"):
        latentgeo.register_measure(MEASURES["latent_norm"])
    latentgeo.register_measure(MEASURES["latent_norm"], replace=True)


@pytest.mark.parametrize("name", ["", "a b", "a/b", None])
def test_names_are_words(name):
    with pytest.raises(InputError, match="expected a word"):
        Registry("recipes", "recipe", {}).register(name, object())


def test_recipes_backbones_and_perturbations_are_registered(request):
    latentgeo.register_recipe("mine", RECIPES["cae"])
    request.addfinalizer(lambda: RECIPES.unregister("mine"))
    latentgeo.register_backbone("my-nets", BACKBONES["mlp"])
    request.addfinalizer(lambda: BACKBONES.unregister("my-nets"))
    latentgeo.register_perturbation(replace(PERTURBATIONS["blur"], name="fog"))
    request.addfinalizer(lambda: PERTURBATIONS.unregister("fog"))
    config = ModelConfig(
        recipe="mine", backbone="my-nets", image_shape=(1, 28, 28), options={"hidden": (8,)}
    )
    latents = latentgeo.encode(
        build(config).eval(), data="digits", noise=[0, 2], perturbation="fog", samples=4
    )
    assert np.isfinite(latents["mean"].values).all()


def _points(monkeypatch, **found):
    points = [EntryPoint(name, value, "latentgeo.recipes") for name, value in found.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)


def test_entry_points_are_loaded_when_the_table_is_read(monkeypatch):
    _points(monkeypatch, theirs="math:pi")
    table = Registry("recipes", "recipe", {"ours": 1})
    assert dict(table) == {"ours": 1, "theirs": np.pi}


def test_a_broken_package_is_told_and_the_others_work(monkeypatch):
    _points(monkeypatch, broken="no_such_package:row")
    table = Registry("recipes", "recipe", {"ours": 1})
    with pytest.warns(UserWarning, match="'broken' of another package .* cannot be loaded"):
        assert list(table) == ["ours"]
