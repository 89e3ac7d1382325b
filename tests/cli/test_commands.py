"""The command line as a user meets it: results on disk, and one line for what cannot be used."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from PIL import Image
from safetensors.torch import load_file, save_file

from latentgeo import __version__
from latentgeo.cli import main

TINY = [
    "--option",
    "widths=[4,4,6]",
    "--epochs",
    "1",
    "--train-samples",
    "64",
    "--batch-size",
    "32",
]


@pytest.fixture
def refused(run_cli):
    """Run a command that must fail with exit code 2 and one line without a traceback."""

    def run(*arguments):
        code, _, error = run_cli(*arguments)
        lines = [line for line in error.splitlines() if not line.startswith("latentgeo: warning")]
        assert code == 2
        assert len(lines) == 1
        assert lines[0].startswith("latentgeo: ")
        assert "Traceback" not in error
        return lines[0]

    return run


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for recipe in ("cae", "vae"):
        with pytest.raises(SystemExit) as left:
            main(["train", recipe, "--data", "digits", "--out", str(folder / recipe), *TINY, "-q"])
        assert left.value.code == 0
    return folder


@pytest.fixture(scope="module")
def analysed(trained, tmp_path_factory):
    out = tmp_path_factory.mktemp("analysis") / "out"
    command = ["analyze", str(trained / "cae"), str(trained / "vae"), "--data", "digits"]
    command += ["--noise", "0,0.1", "--samples", "16", "--out", str(out), "--quiet"]
    with pytest.raises(SystemExit) as left:
        main(command)
    assert left.value.code == 0
    return out


def test_help_names_every_command(run_cli):
    code, out, _ = run_cli("--help")
    assert code == 0
    commands = ("train", "encode", "analyze", "figures", "models", "datasets", "info")
    for command in (*commands, "card", "compare", "export", "push", "pull"):
        assert command in out


def test_help_does_not_load_the_libraries():
    heavy = ("torch", "numpy", "xarray", "matplotlib", "sklearn", "geomstats")
    program = (
        "import sys\nfrom latentgeo.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"


def test_module_and_version():
    done = subprocess.run(
        [sys.executable, "-m", "latentgeo", "--version"], capture_output=True, text=True
    )
    assert done.stdout.strip() == f"latentgeo {__version__}"


def test_models_and_datasets_are_listed(run_cli):
    code, out, _ = run_cli("models")
    assert code == 0
    assert all(name in out for name in ("cae", "dae", "vae", "sctc", "mlp"))
    code, out, _ = run_cli("datasets")
    assert code == 0
    for name in ("digits", "mnist", "fashion-mnist", "cifar10", "svhn", "celeba", "occlusion"):
        assert name in out


def test_train_leaves_a_run_folder_and_info_describes_it(run_cli, tmp_path):
    run = tmp_path / "cae"
    code, out, error = run_cli("train", "cae", "--data", "digits", "--out", run, *TINY, "--quiet")
    assert code == 0
    assert f"run: {run}" in out
    assert "warning: the cae" in error  # one epoch on 64 images teaches nothing, and it says so
    assert "UserWarning" not in error
    code, out, _ = run_cli("info", run, "--json")
    facts = json.loads(out)
    assert facts["recipe"] == "cae"
    assert facts["latent_shape"] == [6, 7, 7]
    assert facts["learned"] is False
    code, out, _ = run_cli("info", run)
    assert "recipe" in out


def test_encode_does_not_replace_the_run_that_it_reads(refused, trained):
    run = trained / "vae"
    line = refused("encode", run, "--data", "digits", "--out", run, "--force")
    assert "which is an input; choose another output folder" in line
    assert (run / "model.safetensors").is_file()


def test_encode_writes_zarr(run_cli, trained, tmp_path):
    out = tmp_path / "latents"
    arguments = (
        "encode",
        trained / "vae",
        "--data",
        "digits",
        "--noise",
        "0,0.1",
        "--samples",
        "5",
    )
    code, text, _ = run_cli(*arguments, "--out", out, "--quiet")
    assert code == 0
    assert str(out) in text
    latents = xr.open_zarr(out, consolidated=False, chunks=None)
    assert dict(latents["mean"].sizes)["sample"] == 5
    assert not np.isnan(latents["sampled"]).any()


def test_analyze_writes_all_that_it_promises(analysed):
    for name in ("analysis.zarr", "summary.json", "figures", "report.html"):
        assert (analysed / name).exists()
    drawn = {path.stem for path in (analysed / "figures").glob("*.svg")}
    assert {"spectra", "noise_curves", "principal_angles", "tsne"} <= drawn
    summary = json.loads((analysed / "summary.json").read_text())
    assert list(summary["models"]) == ["cae", "vae"]
    assert sum(summary["models"]["cae"]["strata"]["0.1"].values()) == 16
    assert "sampled" in summary["models"]["vae"]


def test_figures_are_redrawn_the_same_from_saved_numbers(analysed, run_cli):
    before = {path.name: path.read_bytes() for path in (analysed / "figures").glob("*.svg")}
    for path in (analysed / "figures").iterdir():
        path.unlink()
    code, out, _ = run_cli("figures", analysed, "--format", "pdf")
    assert code == 0
    assert "report.html" in out
    after = {path.name: path.read_bytes() for path in (analysed / "figures").glob("*.svg")}
    assert after == before
    assert {path.stem for path in (analysed / "figures").glob("*.pdf")} == {
        name.removesuffix(".svg") for name in before
    }


def test_results_are_not_overwritten_unless_forced(analysed, trained, refused, run_cli):
    before = (analysed / "summary.json").read_text()
    arguments = ("analyze", trained / "cae", "--data", "digits", "--samples", "8", "--no-tsne")
    arguments += ("--noise", "0,0.1", "--quiet", "--out", analysed)
    assert "already holds files" in refused(*arguments)
    assert (analysed / "summary.json").read_text() == before


def test_vectors_are_analysed_as_vectors(run_cli, tmp_path):
    run, out = tmp_path / "mlp", tmp_path / "out"
    code, _, _ = run_cli(
        *("train", "vae", "--data", "digits", "--backbone", "mlp", "--out", run, "--epochs", "1"),
        *(
            "--train-samples",
            "64",
            "--option",
            "hidden=[16]",
            "--option",
            "latent_dim=5",
            "--quiet",
        ),
    )
    assert code == 0
    code, _, _ = run_cli(
        *("analyze", run, "--data", "digits", "--noise", "0,0.1", "--samples", "12", "--quiet"),
        *("--out", out),
    )
    assert code == 0
    model = json.loads((out / "summary.json").read_text())["models"]["mlp"]
    assert model["latent_kind"] == "vector"
    assert "ranks" not in model
    assert "no rows and columns to unfold" in model["omitted"][0]["reason"]
    assert "no rows and columns to unfold" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "vea", "--data", "digits", "--out", "X"), "recipe 'vea' is unknown"),
        (("train", "cae", "--data", "mnits", "--out", "X"), "'mnits'"),
        (("train", "cae", "--data", "digits", "--out", "X", "--backbone", "resnet"), "'resnet'"),
        (("train", "cae", "--data", "digits", "--out", "X", "--epochs", "0"), "epochs is 0"),
        (("train", "cae", "--data", "digits", "--out", "X", "--device", "tpu"), "'tpu'"),
        (("train", "cae", "--data", "digits", "--out", "X", "--option", "wdiths=[1]"), "'wdiths'"),
        (("train", "cae", "--data", "digits", "--out", "X", "--option", "widths"), "NAME=VALUE"),
        (("train", "cae", "--data", "digits", "--out", "X", "--train-samples", "0"), "is 0"),
        (("train", "cae", "--data", "digits", "--out", "X", "--train-samples", "9999"), "1257"),
        (("train", "cae", "--data", "digits", "--out", "X", "--resume"), "no run to resume"),
        (("train", "cae", "--data", "digits", "--out", "X", "--epoch", "3"), "--epoch"),
        (("train", "cae", "--data", "digits"), "--out"),
        (("trian", "cae"), "trian"),
        (("info", "nowhere"), "'nowhere' does not exist"),
        (("figures", "nowhere"), "analysis.zarr"),
    ],
)
def test_bad_input_is_one_line(arguments, message, refused, tmp_path):
    line = refused(*(tmp_path / "x" if word == "X" else word for word in arguments))
    assert message in line
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--samples", "0"), "0 samples"),
        (("--samples", "-3"), "-3 samples"),
        (("--samples", "most"), "samples 'most' cannot be used"),
        (("--noise", "0.1,0.2"), "do not begin with 0"),
        (("--noise", "0,-0.1"), "level -0.1"),
        (("--noise", "0,nan"), "level nan"),
        (("--noise", "0;0.1"), "noise '0;0.1' is not a list of numbers"),
        (("--perturbation", "rain"), "perturbation 'rain'"),
        (("--size", "32"), "1, 32, 32"),
        (("--seed", "-1"), "-1"),
    ],
)
def test_analyze_refuses_what_it_cannot_use(arguments, message, refused, trained, tmp_path):
    line = refused(
        "analyze",
        trained / "cae",
        "--data",
        "digits",
        "--out",
        tmp_path / "x",
        "--quiet",
        *arguments,
    )
    assert message in line
    assert not (tmp_path / "x").exists()


def _copy(run: Path, target: Path) -> Path:
    target.mkdir()
    for name in ("config.json", "model.safetensors"):
        (target / name).write_bytes((run / name).read_bytes())
    return target


def test_a_checkpoint_without_weights(trained, refused, tmp_path):
    broken = _copy(trained / "cae", tmp_path / "cae")
    (broken / "model.safetensors").unlink()
    assert "no model.safetensors" in refused("info", broken)


def test_a_checkpoint_with_a_wrong_shape(trained, refused, tmp_path):
    broken = _copy(trained / "cae", tmp_path / "cae")
    weights = load_file(broken / "model.safetensors")
    name = next(iter(weights))
    save_file({**weights, name: torch.zeros(2, 2)}, broken / "model.safetensors")
    line = refused("info", broken)
    assert repr(name) in line
    assert "(2, 2)" in line


def test_a_checkpoint_with_nan(trained, refused, tmp_path):
    broken = _copy(trained / "cae", tmp_path / "cae")
    weights = load_file(broken / "model.safetensors")
    name = next(iter(weights))
    weights[name].fill_(float("nan"))
    save_file(weights, broken / "model.safetensors")
    assert "NaN" in refused("analyze", broken, "--data", "digits", "--out", tmp_path / "x")


def test_images_of_the_wrong_size(trained, refused, tmp_path):
    for split in ("train", "validation", "test"):
        (tmp_path / "images" / split).mkdir(parents=True)
        for number in range(5):
            pixels = np.full((20, 20), number * 10, dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / split / f"{number}.png")
    line = refused(
        *("analyze", trained / "cae", "--data", tmp_path / "images", "--samples", "5"),
        *("--out", tmp_path / "x"),
    )
    assert "1, 20, 20" in line
    assert "1, 28, 28" in line


def test_a_broken_image(trained, refused, tmp_path):
    for split in ("train", "validation", "test"):
        (tmp_path / "images" / split).mkdir(parents=True)
        (tmp_path / "images" / split / "a.png").write_bytes(b"not an image")
    line = refused(
        "analyze", trained / "cae", "--data", tmp_path / "images", "--out", tmp_path / "x"
    )
    assert "a.png" in line


def test_a_full_disk(trained, refused, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "summary.json"))

    monkeypatch.setattr("latentgeo.results.storing.write_json", full)
    line = refused(
        *("analyze", trained / "cae", "--data", "digits", "--samples", "8", "--noise", "0,0.1"),
        *("--no-tsne", "--quiet", "--out", tmp_path / "x"),
    )
    assert "the disk is full" in line
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_not_finite(refused, tmp_path):
    run = tmp_path / "cae"
    line = refused(
        *("train", "cae", "--data", "digits", "--out", run, *TINY, "--learning-rate", "1e30"),
        "--quiet",
    )
    assert "reconstruction" in line
    assert "step" in line
