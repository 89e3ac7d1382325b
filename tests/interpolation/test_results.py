"""What is written: figures, pages, sections in the report of an analysis, and the commands."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
import xarray as xr
from matplotlib.image import imread
from torch import nn

from latentgeo import InputError
from latentgeo.comparison import compare
from latentgeo.figures import (
    InterpolationGridDisplay,
    NothingToDrawError,
    PathCurvesDisplay,
    PathImages,
    catalogue,
)
from latentgeo.interpolation import interpolate_images, score_lines
from latentgeo.measures import AnalysisSettings
from latentgeo.models import ModelConfig, build, save_model, wrap
from latentgeo.pipeline import analyze, redraw

FEW = {"pairs": 5, "steps": 4}
SMALL = {"pairs": 6, "steps": 4, "references": 60}


@pytest.fixture(scope="module")
def several(images):
    """Return models of tensors and of vectors, one of which is named like markup."""
    torch.manual_seed(0)
    vector = ModelConfig(
        recipe="vae", backbone="mlp", image_shape=(1, 8, 8), options={"hidden": (8,)}
    )
    fade = wrap(nn.Identity(), nn.Identity(), image_shape=(1, 8, 8))
    return {"fade": fade, "<b>vae</b>".replace("/", "|"): build(vector).eval()}


@pytest.fixture(scope="module")
def written(several, images, tmp_path_factory):
    out = tmp_path_factory.mktemp("paths") / "out"
    found = interpolate_images(several, data=images, out=out, geodesics=1, **FEW)
    return found, out


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    """Save a small analysis without pictures."""
    config = ModelConfig(
        recipe="cae",
        backbone="acai",
        image_shape=(1, 32, 32),
        options={"depth": 2, "scales": 3, "latent_channels": 2, "likelihood": "squared-signed"},
    )
    model = build(config).eval()
    folder = tmp_path_factory.mktemp("analysis")
    settings = AnalysisSettings(tsne_seeds=(), pullback_images=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("latentgeo.report.folder.draw_results", lambda found, folder: None)
        analyze(
            {"cae": model},
            data="lines",
            noise=[0, 0.1],
            samples=10,
            settings=settings,
            out=folder / "out",
        )
    return model, folder / "out"


@pytest.fixture
def one_figure(monkeypatch):
    every = catalogue.figure_rows
    only = {"noise_curves": every()["noise_curves"]}
    monkeypatch.setattr(
        catalogue, "figure_rows", lambda kind: only if kind == "analysis" else every(kind)
    )


def test_the_folder_holds_all_and_the_summary_is_what_was_returned(written):
    found, out = written
    assert {path.name for path in out.iterdir()} == {
        "paths.zarr",
        "summary.json",
        "figures",
        "report.html",
    }
    assert json.loads((out / "summary.json").read_text()) == json.loads(json.dumps(found.summary))
    catalogue.draw_figures(found.tree, out / "figures", ["png"])
    for name in catalogue.figure_rows("interpolation"):
        pixels = imread(out / "figures" / f"{name}.png")[..., :3]
        assert pixels.std() > 0.02
        assert pixels.shape[1] <= 1080
        rim = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        assert rim.min() > 0.9, name


def test_the_numbers_come_back_from_disk(written):
    found, out = written
    redraw(out)
    from latentgeo.results.storing import read_tree

    tree = read_tree(out / "paths.zarr")
    assert list(tree.children) == list(found.tree.children)
    for label, child in found.tree.children.items():
        xr.testing.assert_equal(tree[label].to_dataset(), child.to_dataset())


def test_the_page_says_the_numbers_and_needs_no_network(written):
    found, out = written
    page = (out / "report.html").read_text()
    assert "<b>vae<" not in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    data = found.tree["fade"]
    crossing = int((data["crossings"] > 0).sum())
    assert f"{crossing} of 5 paths cross strata" in page
    assert f"{float(data['nearest_inside']):.2f} [" in page
    assert page.count('role="img"') == 2
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_a_broken_folder_is_said(tmp_path):
    (tmp_path / "paths.zarr").mkdir()
    with pytest.raises(InputError, match="interpolate again"):
        redraw(tmp_path)


def test_results_go_into_the_report_of_an_analysis(analysis, one_figure, tmp_path):
    model, out = analysis
    before = (out / "summary.json").read_bytes()
    interpolate_images({"cae": model}, data="lines", out=out, real=30, geodesics=0, **FEW)
    page = (out / "report.html").read_text()
    assert '<h2 id="interpolation">Interpolation between images</h2>' in page
    assert "Latent space of cae" in page
    assert 'id="lines"' not in page
    score_lines({"cae": model}, out=out, **SMALL)
    kept = (out / "report.html").read_text()
    (out / "lines" / "figures" / "path_curves.svg").unlink()
    redraw(out)
    assert (out / "lines" / "figures" / "path_curves.svg").is_file()
    assert 'id="figure-noise_curves"' not in kept
    page = (out / "report.html").read_text()
    assert page.index('<h2 id="interpolation">') < page.index('<h2 id="lines">')
    assert '<a href="#lines">' in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert (out / "summary.json").read_bytes() == before
    with pytest.raises(InputError, match="lines' already holds files"):
        score_lines({"cae": model}, out=out, **SMALL)
    score_lines({"cae": model}, out=out, force=True, **(SMALL | {"pairs": 4}))
    assert json.loads((out / "lines" / "summary.json").read_text())["pairs"] == 4
    # What lies within an analysis is not in the way of joining it.
    other = tmp_path / "other"
    shutil.copytree(out, other)
    with pytest.warns(UserWarning, match="named 'cae'"):
        assert len(compare([out, other]).tree.children) == 2


def test_nothing_is_left_where_it_fails(analysis, monkeypatch, tmp_path):
    model, _ = analysis
    monkeypatch.setattr(
        "latentgeo.results.storing.write_json", lambda *_: (_ for _ in ()).throw(OSError("full"))
    )
    with pytest.raises(OSError, match="full"):
        score_lines({"cae": model}, out=tmp_path / "out", **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_stochastic_models_have_a_row_for_draws_and_one_for_means():
    config = ModelConfig(
        recipe="vae", backbone="mlp", image_shape=(1, 32, 32), options={"hidden": (8,)}
    )
    found = score_lines({"vae": build(config)}, **SMALL)
    assert list(found.tree.children) == ["vae", "vae, mean"]
    draws, means = (child["line_distance"].values for child in found.tree.children.values())
    assert not np.allclose(draws, means)


def test_the_benchmarks_rows_are_the_scores_of_the_live_model(analysis):
    from latentgeo.interpolation import line_scores

    model, _ = analysis
    row = score_lines({"cae": model}, **SMALL).tree["cae"]
    for mode in ("paper", "corrected"):
        scores = line_scores(model, mode=mode, **SMALL)
        np.testing.assert_allclose(row[f"smoothness_{mode}"], scores.smoothness)
        np.testing.assert_allclose(row[f"smoothness_{mode}_ci"], scores.intervals["smoothness"])
    assert float(row["mean_distance"]) == scores.mean_distance
    assert int(row["undefined"]) == scores.undefined
    assert row["rank"].shape == (2, 6, 4, 3)


def test_grids_show_what_they_are_given_and_mark_crossings():
    images = np.linspace(0, 1, 2 * 3 * 16).reshape(2, 3, 1, 4, 4)
    crossed = np.array([[True, False], [False, False]])
    paths = PathImages(images, images[:, 0], images[:, -1], crossed)
    ax = InterpolationGridDisplay({"a $x": paths}).plot().axes_[0]
    shown = ax.images[0].get_array()[..., 0]
    np.testing.assert_allclose(shown[:4, 12:16], images[0, 0, 0])
    np.testing.assert_allclose(shown[6:10, -4:], images[1, 2, 0])
    assert len(ax.lines) == 1
    assert "real" in [tick.get_text() for tick in ax.get_xticklabels()]
    plain = PathImages(images, images[:, 0], images[:, -1])
    assert not InterpolationGridDisplay({"a": plain}).plot().axes_[0].lines


def test_curves_are_the_means_with_their_intervals(written):
    found, _ = written
    display = PathCurvesDisplay.from_paths(found.tree)
    assert [panel.label.split(" ")[0] for panel in display.panels][:3] == [
        "sharpness",
        "distance",
        "cycle",
    ]
    first = display.panels[1].curves[0]
    np.testing.assert_array_equal(first.y, found.tree["fade"]["nearest"].mean("pair"))
    assert (first.low <= first.y).all()
    assert (first.high >= first.y).all()
    assert display.left_out == ["<b>vae<|b> (not learned)"]
    assert len(display.plot().axes_) == len(display.panels) == 7


def test_a_tree_without_paths_is_refused():
    tree = xr.DataTree.from_dict({"/": xr.Dataset(), "/a": xr.Dataset()})
    for display in (InterpolationGridDisplay, PathCurvesDisplay):
        with pytest.raises(NothingToDrawError, match="interpolate again"):
            display.from_paths(tree)


def test_the_commands(run_cli, analysis, tmp_path):
    model, _ = analysis
    save_model(model, tmp_path / "run")
    out = tmp_path / "lines"
    few = ("--pairs", 4, "--steps", 4)
    code, said, _ = run_cli("lines", tmp_path / "run", "--references", 50, "--out", out, *few)
    assert code == 0
    assert "run (not learned): mean distance" in said
    assert f"report: {out / 'report.html'}" in said
    few = (*few, "--real", 20, "--geodesics", 1)
    out = tmp_path / "paths"
    code, said, _ = run_cli("interpolate", tmp_path / "run", "--data", "lines", "--out", out, *few)
    assert code == 0
    assert (out / "report.html").is_file()
    code, _, complaint = run_cli(
        "interpolate", tmp_path / "run", "--data", "lines", "--out", out, *few
    )
    assert code == 2
    assert "already holds files" in complaint
    code, _, complaint = run_cli(
        "interpolate", tmp_path / "run", "--data", "lines", "--path", "round", "--out", "x", *few
    )
    assert code == 2
    assert complaint.count("\n") == 1
    assert "path is 'round'" in complaint
