"""Folders that older states wrote are read, resumed and drawn; see `make_old_folders`."""

import csv
import importlib.util
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

import latentgeo
from latentgeo.checkpoints import info, open_checkpoint
from latentgeo.latents import read_latents
from latentgeo.models import load_model
from latentgeo.pipeline import redraw
from latentgeo.training import train

HERE = Path(__file__).parent
ARCHIVES = sorted(path.name for path in HERE.glob("*.tar.xz"))
OLDEST = "0.1.0-5d88fa6.tar.xz"
TROUBLED = "0.1.0-709518a.tar.xz"
"""Of a state that called diagnostics "trouble", and annotated no variables."""


@pytest.fixture(scope="module")
def maker():
    """Return the module that made the folders."""
    path = HERE / "make_old_folders.py"
    spec = importlib.util.spec_from_file_location("make_old_folders", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def unpacked(archive, folder):
    with tarfile.open(HERE / archive) as packed:
        packed.extractall(folder, filter="data")
    return folder


@pytest.fixture(params=ARCHIVES)
def old(tmp_path, request):
    """Return a folder with what one state wrote."""
    return unpacked(request.param, tmp_path)


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def read_rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_every_milestone_is_kept():
    assert {OLDEST, TROUBLED} < set(ARCHIVES)


def test_they_are_as_they_were_then(tmp_path):
    old = unpacked(TROUBLED, tmp_path)
    assert "trouble" in read_json(old / "run" / "provenance.json")
    state = torch.load(old / "run" / "state" / "last.pt", weights_only=True)
    assert "trouble_epochs" in state["progress"]
    everything = read_json(old / "analysis" / "analysis.zarr" / "zarr.json")
    assert "readouts" not in json.dumps(everything)


def test_the_model_is_loaded(old, maker):
    model = load_model(old / "run")
    assert model.latent_shape == (3, 1, 1)
    images = torch.tensor(maker.make_images(4).images).float() / 255
    assert model.decode(model.encode(images)).shape == (4, 1, 8, 8)
    opened = open_checkpoint(old / "run")
    assert opened.weights_sha256() == read_json(old / "run" / "provenance.json")["weights_sha256"]
    assert opened.provenance["diagnostics"] == []
    assert "trouble" not in json.dumps(info(old / "run"))


@pytest.mark.filterwarnings("ignore:.*has not learned")
def test_the_run_goes_on(old, maker):
    before = read_rows(old / "run" / "metrics.csv")
    folder = train(data=maker.make_images(), out=old / "run", resume=True, **maker.SETTINGS)
    rows = read_rows(folder / "metrics.csv")
    # Some were interrupted within the second epoch, which is then trained again.
    for row, former in zip(rows, before, strict=False):
        assert {name: float(row[name]) for name in former} == pytest.approx(
            {name: float(value) for name, value in former.items()}, rel=1e-5
        )
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    losses = [float(row["validation_loss"]) for row in rows]
    assert losses == sorted(losses, reverse=True)
    facts = read_json(folder / "provenance.json")
    assert facts["finished"]
    assert facts["diagnostics"] == []
    assert "trouble" not in facts


def test_the_analysis_is_read(old):
    found = latentgeo.read(old / "analysis")
    summary = read_json(old / "analysis" / "summary.json")["models"]["vae"]
    assert list(found) == ["vae"]
    dimension = found["vae"].hilbert_dimension(noise=0.3, share=0.95)
    assert dimension.low <= dimension.value <= dimension.high
    assert found["vae"].psnr().value == pytest.approx(summary["psnr_db"]["0"]["mean"], abs=0.01)
    frame = found.to_dataframe()
    assert {"psnr", "hilbert_dimension", "kl_total"} <= set(frame["measure"])
    decoder = frame.query("measure == 'decoder_condition'")
    np.testing.assert_array_equal(decoder["noise"], [0.0, 0.3])


def test_latents_are_read(old):
    latents = read_latents(old / "latents")
    assert latents["mean"].shape[:2] == (2, 12)
    assert latents["mean"].size == 2 * 12 * 3
    np.testing.assert_array_equal(latents["noise"], [0.0, 0.3])
    assert np.isfinite(latents["mean"]).all()


def test_the_analysis_is_drawn_again(tmp_path):
    old = unpacked(OLDEST, tmp_path)
    redraw(old / "analysis")
    report = (old / "analysis" / "report.html").read_text(encoding="utf-8")
    assert "vae" in report
    figures = {path.stem for path in (old / "analysis" / "figures").glob("*.svg")}
    assert {"noise_curves", "units", "reconstructions", "decoder_metric"} <= figures
