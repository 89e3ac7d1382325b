"""Two processes under torchrun encode and analyse as one does, and agree on what went wrong."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

import latentgeo.latents.sweep
from latentgeo import analyze, encode, train
from latentgeo.cli import main

pytestmark = pytest.mark.filterwarnings("ignore:.*has not learned")

SCRIPT = Path(__file__).with_name("work_of_two.py")
NOISE = (0.0, 0.1, 0.3)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(
        "vae",
        data="digits",
        out=tmp_path_factory.mktemp("run") / "vae",
        options={"widths": (4, 4, 6)},
        train_samples=32,
        epochs=1,
        progress=False,
    )


@pytest.fixture(scope="module")
def together(run, two_processes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("together")
    done = two_processes(SCRIPT, run, folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def variables_of(folder, group):
    with xr.open_dataset(folder, group=group, engine="zarr", consolidated=False) as opened:
        return opened.load()


def test_an_analysis_is_that_of_one_process_to_the_last_digit(run, together):
    alone = analyze(run, data="digits", noise=NOISE, samples=16)
    expected = alone.tree["vae"].to_dataset()
    folder = together[0] / "analysis"
    found = variables_of(folder / "analysis.zarr", "vae")
    assert set(expected.data_vars) == set(found.data_vars) > {"rank", "tsne", "principal_angle"}
    for name in expected.data_vars:
        xr.testing.assert_equal(found[name], expected[name])
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["models"] == json.loads(json.dumps(alone.summary["models"]))
    files = {"analysis.zarr", "figures", "report.html", "summary.json"}
    assert {path.name for path in folder.iterdir()} == files


def test_latents_are_those_of_one_process(run, together):
    alone = encode(run, "digits", samples=10, batch_size=3, noise=(0, 0.2))
    found = variables_of(together[0] / "latents", None)
    for name in ("mean", "psnr", "sampled", "label"):
        np.testing.assert_array_equal(found[name], alone[name])


def test_only_the_first_process_speaks(together):
    folder, output = together
    assert output == f"report: {folder / 'analysis' / 'report.html'}\n"


def test_processes_agree(together):
    reports = [json.loads((together[0] / f"process-{place}.json").read_text()) for place in (0, 1)]
    assert [report.pop("rank") for report in reports] == [0, 1]
    assert reports[0] == reports[1]
    report = reports[0]
    assert report["order"] == [0, 1, 2, 3, 4]
    assert report["once"] == "refused in process 0"
    assert report["do_all"] == report["do_own"] == "refused in process 1"
    assert report["check_same"] == (
        "process 1 of 2 has data 1, the first one 0; give all machines the same"
    )
    assert report["check_seen"] == (
        "process 1 of 2 does not see the folder 'here' of the first one; share one"
    )
    assert report["seen"] == ["0", "1"]
    assert not Path(report["folder"]).exists()


def test_an_encoding_goes_on_with_what_is_missing_in_its_midst(run, tmp_path, monkeypatch):
    out, starts = tmp_path / "latents", []
    settings = {"samples": 10, "batch_size": 3, "out": out}
    expected = encode(run, "digits", **settings).load()
    group = zarr.open_group(str(out), mode="r+")
    group["mean"][:, 3:6] = np.nan
    group["written"][4] = np.nan
    encode_batch = latentgeo.latents.sweep._encode_batch

    def noted(model, images, chosen, *rest):
        starts.append(int(chosen[0]))
        return encode_batch(model, images, chosen, *rest)

    monkeypatch.setattr(latentgeo.latents.sweep, "_encode_batch", noted)
    xr.testing.assert_identical(encode(run, "digits", **settings).load(), expected)
    assert starts == [3]


def test_work_of_one_process_is_not_done_by_several(monkeypatch, capsys):
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "TORCHELASTIC_RUN_ID": "test"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as left:
        main(["models"])
    assert left.value.code == 2
    assert capsys.readouterr().err == (
        "latentgeo: `latentgeo models` is the work of one process, and torchrun started 2; only "
        "train, encode, analyze can share theirs\n"
    )
