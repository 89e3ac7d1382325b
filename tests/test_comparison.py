"""Saved analyses join into one, to the same numbers, or are refused by naming what differs."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

from latentgeo import InputError
from latentgeo.cli import main
from latentgeo.comparison import compare
from latentgeo.datasets import ImageDataset, load
from latentgeo.figures import catalogue
from latentgeo.measures import AnalysisSettings, read
from latentgeo.models import ModelConfig, build
from latentgeo.pipeline import analyze, redraw
from latentgeo.results import write_numbers

SETTINGS = AnalysisSettings(tsne_seeds=(0,), pullback_images=2)
SHAPE = (1, 28, 28)
FEW = ("noise_curves", "rank_histograms", "units")
_EMPTY = json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}})


@pytest.fixture(scope="module")
def models():
    """Return a model whose latents are tensors and one with vectors, both untrained."""
    torch.manual_seed(0)
    tensor = ModelConfig(recipe="cae", image_shape=SHAPE, options={"widths": (2, 3, 4)})
    vector = ModelConfig(
        recipe="vae", backbone="mlp", image_shape=SHAPE, options={"hidden": (8,), "latent_dim": 5}
    )
    return {name: build(config).eval() for name, config in (("cae", tensor), ("vae", vector))}


@pytest.fixture(scope="module")
def save(models, tmp_path_factory):
    """Analyse some of the models into a folder that has all but the pictures."""

    def run(*names, **changes):
        folder = tmp_path_factory.mktemp("saved") / "-".join(names)
        chosen = {name: models[name] for name in names}
        arguments = {"data": "digits", "noise": [0, 0.1], "samples": 10, "settings": SETTINGS}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("latentgeo.report.folder.draw_results", lambda found, folder: None)
            analyze(chosen, out=folder, **(arguments | changes))
        return folder

    return run


@pytest.fixture(scope="module")
def cae(save):
    return save("cae")


@pytest.fixture(scope="module")
def vae(save):
    return save("vae")


@pytest.fixture(scope="module")
def both(save):
    return save("cae", "vae")


@pytest.fixture
def no_pictures(monkeypatch):
    monkeypatch.setattr("latentgeo.report.folder.draw_results", lambda found, folder: None)


def test_joined_results_equal_those_of_one_analysis_number_by_number(cae, vae, both):
    joined, whole = compare([cae, vae]), read(both)
    assert joined.summary["models"] == whole.summary["models"]
    assert list(joined.tree.children) == ["cae", "vae"] == list(joined.summary["models"])
    for label in ("cae", "vae"):
        here, there = joined.tree[label].to_dataset(), whole.tree[label].to_dataset()
        xr.testing.assert_equal(here, there)
        assert set(here.variables) == set(there.variables)
    for name in ("schema_version", "data", "samples", "seed", "perturbation", "noise"):
        assert joined.summary[name] == whole.summary[name]


def test_models_of_several_analyses_are_compared_as_those_of_one(save):
    parts = [save(name, samples=40) for name in ("cae", "vae")]
    joined, whole = compare(parts), read(save("cae", "vae", samples=40))
    assert joined.summary["models"] == whole.summary["models"]
    assert joined["cae"].similarity(other_model="vae") == whole["vae"].similarity(other_model="cae")
    for label in ("cae", "vae"):
        xr.testing.assert_equal(joined.tree[label].to_dataset(), whole.tree[label].to_dataset())


def test_several_models_of_one_analysis_see_the_same_images_and_noise(both):
    tree = read(both).tree
    np.testing.assert_array_equal(tree["cae"]["sample"], tree["vae"]["sample"])
    np.testing.assert_array_equal(tree["cae"]["example_input"], tree["vae"]["example_input"])
    np.testing.assert_array_equal(
        tree["cae"]["psnr_baseline_mean"], tree["vae"]["psnr_baseline_mean"]
    )


def test_the_provenance_says_what_was_joined(cae, vae):
    joined = compare([cae, vae])
    recorded = joined.summary["provenance"]
    assert recorded == json.loads(joined.tree.attrs["provenance"])
    assert [one["folder"] for one in recorded["joined"]] == ["cae", "vae"]
    assert [one["models"] for one in recorded["joined"]] == [{"cae": "cae"}, {"vae": "vae"}]
    for folder, one in zip((cae, vae), recorded["joined"], strict=True):
        text = (folder / "summary.json").read_bytes()
        assert one["summary_sha256"] == hashlib.sha256(text).hexdigest()
        assert one["provenance"] == json.loads(text)["provenance"]
    assert str(cae.parent) not in json.dumps(recorded)


def test_the_joined_folder_is_joined_again(cae, vae, tmp_path, no_pictures):
    out = tmp_path / "joined"
    compare([cae, vae], out=out)
    saved = read(out)
    assert saved.summary == json.loads((out / "summary.json").read_text())
    with pytest.warns(UserWarning, match="'cae'"):
        again = compare([out, cae])
    assert list(again.summary["models"]) == ["joined-cae", "vae", "cae-cae"]


def test_report_and_figures_hold_tensors_beside_vectors(cae, vae, tmp_path, monkeypatch):
    out = tmp_path / "joined"
    with monkeypatch.context() as patch:
        patch.setattr("latentgeo.report.folder.draw_results", lambda found, folder: None)
        compare([cae, vae], out=out)
    assert not (out / "report.html").exists()
    rows = catalogue.figure_rows()
    monkeypatch.setattr(catalogue, "figure_rows", lambda kind: {name: rows[name] for name in FEW})
    redraw(out)
    page = (out / "report.html").read_text()
    assert "Latent spaces of cae and vae" in page
    drawn = {path.stem for path in (out / "figures").glob("*.svg")}
    # All images of the one model with ranks have the same: a line of text says so.
    assert drawn == set(FEW) - {"rank_histograms"}


def test_models_of_one_name_are_called_after_their_folders(cae, save):
    other = save("cae", samples=10)
    renamed = other.with_name("later")
    other.rename(renamed)
    with pytest.warns(UserWarning, match="2 analyses have a model named 'cae'.*'later-cae'"):
        joined = compare([cae, renamed])
    assert list(joined.tree.children) == ["cae-cae", "later-cae"]
    assert joined.summary["provenance"]["joined"][1]["models"] == {"cae": "later-cae"}


def test_names_that_folders_cannot_part_are_refused(cae, tmp_path):
    twin = tmp_path / cae.name
    shutil.copytree(cae, twin)
    with pytest.raises(InputError, match="two models would both be named 'cae-cae'; rename"):
        compare([cae, twin])


def others():
    digits = load("digits", "test")
    dark = ImageDataset.from_array(digits.images // 2, name="dark")
    few = SETTINGS.model_copy(update={"halves": 5})
    fewer_seeds = SETTINGS.model_copy(update={"tsne_seeds": (1,)})
    halved = replace(digits, images=digits.images // 2)
    return {
        "data": ({"data": dark}, "data is 'digits' in .* and 'dark' in"),
        "noise": ({"noise": [0, 0.2]}, r"noise is \[0.0, 0.1\] in .* and \[0.0, 0.2\] in"),
        "perturbation": (
            {"perturbation": "gaussian-clipped"},
            "perturbation is 'gaussian' in .* and 'gaussian-clipped' in",
        ),
        "samples": ({"samples": 12}, "number of images is 10 in .* and 12 in"),
        "seed": ({"seed": 1}, "seed is 0 in .* and 1 in"),
        "settings": ({"settings": few}, "setting halves is 20 in .* and 5 in"),
        "maps": ({"settings": fewer_seeds}, r"seeds of the t-SNE maps is \[0\] in .* and \[1\] in"),
        "images": (
            {"data": digits.take(20, seed=5)},
            r"image 1 of the chosen ones is \d+ in .* and \d+ in",
        ),
        "pixels": (
            {"data": halved},
            "SHA-256 of the images .* is '.*' in .* and",
        ),
    }


@pytest.mark.parametrize("what", others())
def test_what_differs_is_named(what, cae, save, tmp_path):
    changes, message = others()[what]
    other = save("cae" if what == "maps" else "vae", **changes)
    with pytest.raises(InputError, match=message) as refused:
        compare([cae, other], out=tmp_path / "out")
    line = str(refused.value)
    assert str(cae) in line
    assert str(other) in line
    assert "\n" not in line
    assert not (tmp_path / "out").exists()


def _doctored(folder, to, change):
    shutil.copytree(folder, to)
    path = to / "summary.json"
    summary = json.loads(path.read_text())
    change(summary)
    path.write_text(json.dumps(summary))
    return to


def test_another_rank_rule_is_refused_and_that_of_vectors_is_no_other(cae, vae, tmp_path):
    other = tmp_path / "other"
    found = read(cae)
    found.tree["cae"].attrs["rank_rule"] = "float32-covariance"
    other.mkdir()
    write_numbers(found, other)
    with pytest.raises(
        InputError, match=r"rank rule of tensors is 'spectrum' in .* and 'float32-covariance' in"
    ):
        compare([cae, other])
    with pytest.raises(InputError, match=r"rank rule of tensors is 'spectrum' in .*cae"):
        compare([vae, cae, other])
    compare([cae, vae])


def test_another_schema_is_refused(cae, vae, tmp_path):
    newer = _doctored(vae, tmp_path / "newer", lambda summary: summary.update(schema_version=99))
    with pytest.raises(InputError, match=r"schema version is 1 in .* and 99 in"):
        compare([cae, newer])
    with pytest.raises(InputError, match="has schema version 99, this latentgeo reads 1"):
        compare([newer, cae])


def test_maps_may_be_missing_from_some(cae, save):
    without = save("vae", settings=SETTINGS.model_copy(update={"tsne_seeds": ()}))
    joined = compare([cae, without])
    assert "tsne" in joined.tree["cae"]
    assert "tsne" not in joined.tree["vae"]


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ([], "0 analysis cannot be compared; give at least two"),
        (["cae"], "1 analysis cannot be compared; give at least two"),
        (["cae", "cae"], "was given twice"),
        (["cae", "nowhere"], "nowhere' holds no analysis.zarr"),
    ],
)
def test_folders_that_cannot_be_joined(folders, message, cae):
    with pytest.raises(InputError, match=message):
        compare([cae if name == "cae" else cae.parent / name for name in folders])


def _attributes(folder, **more):
    path = folder / "analysis.zarr" / "zarr.json"
    values = json.loads(path.read_text())
    values["attributes"] |= more
    path.write_text(json.dumps(values))


def _first_chunk(folder):
    chunks = (folder / "analysis.zarr" / "vae" / "psnr" / "c").rglob("*")
    return next(path for path in sorted(chunks) if path.is_file())


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda f: (f / "summary.json").write_text("{"), "is not valid JSON"),
        (lambda f: (f / "summary.json").write_text("[]"), "lists no models"),
        (lambda f: shutil.rmtree(f / "analysis.zarr" / "vae"), "has no model 'vae'"),
        (lambda f: (f / "analysis.zarr" / "zarr.json").write_text("{"), "is not valid JSON"),
        (lambda f: _first_chunk(f).write_bytes(b"x"), "is not read"),
        (lambda f: _attributes(f, provenance="[]"), "are not as this latentgeo writes them"),
        (lambda f: _attributes(f, provenance="{"), "are not as this latentgeo writes them"),
        (lambda f: (f / "analysis.zarr" / "zarr.json").write_text(_EMPTY), "does not say where"),
    ],
)
def test_a_broken_folder_is_refused(break_it, message, cae, vae, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(vae, broken)
    break_it(broken)
    with pytest.raises(InputError, match=message):
        compare([cae, broken])


def test_an_input_is_never_replaced(cae, vae, tmp_path):
    with pytest.raises(InputError, match="already holds files"):
        compare([cae, vae], out=cae)
    for out in (cae, cae.parent):
        with pytest.raises(InputError, match="would replace"):
            compare([cae, vae], out=out, force=True)
    assert (cae / "summary.json").is_file()


def test_the_command(cae, vae, tmp_path, capsys, no_pictures):
    with pytest.raises(SystemExit) as left:
        main(["compare", str(cae), str(vae), "--out", str(tmp_path / "out")])
    assert left.value.code == 0
    assert "report:" in capsys.readouterr().out
    with pytest.raises(SystemExit) as left:
        main(["compare", str(cae), "--out", str(tmp_path / "other")])
    assert left.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
