"""What a newcomer meets: help, suggestions, details, closing lines, progress."""

import importlib.util
import io
import json
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentgeo.cli import running
from latentgeo.cli.closing import close
from latentgeo.cli.suggestions import nearest
from latentgeo.datasets import load
from latentgeo.errors import InputError
from latentgeo.files import check_free
from latentgeo.measures import summarize
from latentgeo.progress import Plan
from latentgeo.results import Analysis


@pytest.fixture(scope="module")
def found():
    """Return a synthetic analysis of three models, one of which has not learned."""
    path = Path(__file__).parents[1] / "figures" / "make_tree.py"
    spec = importlib.util.spec_from_file_location("synthetic_analysis", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    only = ["CAE", "VAE", "CAE seed 1"]
    tree = module.make_tree(samples=24, noise=(0.0, 0.1), shape=(8, 4, 4), only=only)
    return Analysis(tree, summarize(tree))


def test_the_bare_command_prints_help(run_cli):
    code, output, _ = run_cli()
    assert code == 0
    assert "analyze" in output
    assert "demo" in output


TIMES = "\N{MULTIPLICATION SIGN}"
KNOWN = ["--learning-rate", "--epochs", "--samples", "--data", "--out", "--batch-size", "--noise"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("--lr", "--learning-rate"),
        ("--bs", "--batch-size"),
        ("--batch", "--batch-size"),
        ("--epoch", "--epochs"),
        ("--sample", "--samples"),
        ("--output", "--out"),
        ("--dataset", "--data"),
        ("--nosie", "--noise"),
        ("--rate", "--learning-rate"),
        ("--zebra", ""),
    ],
)
def test_suggestions_suggest(written, meant):
    assert nearest(written, KNOWN) == meant


def test_an_unknown_option_is_answered_with_the_one_that_was_meant(run_cli):
    code, _, error = run_cli("train", "cae", "--lr", "0.1")
    assert code == 2
    assert "Did you mean --learning-rate?" in error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("models", "vae"),
            ("kl_weight", "default 1.0", "parameters", f"128{TIMES}7{TIMES}7"),
        ),
        (("models", "mlp"), ("latent", "parameters")),
        (
            ("datasets", "mnist"),
            (f"1{TIMES}28", "55,000 images", "11.6 MB", "CC BY-SA"),
        ),
    ],
)
def test_details_of_one(run_cli, arguments, words):
    code, output, _ = run_cli(*arguments)
    assert code == 0
    assert all(word in output for word in words)
    assert json.loads(run_cli(*arguments, "--json")[1])["summary"]


@pytest.mark.parametrize("command", ["models", "datasets"])
def test_details_of_what_there_is_not(run_cli, command):
    code, _, error = run_cli(command, "zebra")
    assert code == 2
    assert "'zebra'" in error
    assert "expected one of" in error


def test_a_report_is_opened(run_cli, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    (tmp_path / "report.html").write_text("<p>", encoding="utf-8")
    code, output, _ = run_cli("open", str(tmp_path))
    assert code == 0
    assert opened == [(tmp_path / "report.html").as_uri()] == [output.strip()]
    code, _, error = run_cli("open", str(tmp_path / "none"))
    assert code == 2
    assert "holds no report" in error


def test_five_lines_close_a_command(found, capsys):
    close(found, Path("out dir"), as_json=False, quiet=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        *("models", "found", "numbers", "report", "next")
    ]
    assert "CAE learned: " in lines[0]
    assert "CAE seed 1 not learned: " in lines[0]
    assert "The models differ in" in lines[1]
    assert lines[4] == "next: latentgeo open 'out dir'"


def test_closing_as_json_and_quietly(found, capsys):
    close(found, Path("out"), as_json=True, quiet=False)
    assert json.loads(capsys.readouterr().out)["models"]["CAE seed 1"]["learned"] is False
    close(found, Path("out"), as_json=False, quiet=True)
    assert capsys.readouterr().out == f"report: {Path('out') / 'report.html'}\n"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no folder here refuses everybody")
@pytest.mark.parametrize("folder", ["/proc/results", "/proc/none/results"])
def test_a_folder_that_cannot_be_written_is_refused_at_once(folder):
    with pytest.raises(InputError, match="cannot be written: '/proc' says"):
        check_free(Path(folder), holds="an analysis")


def test_what_is_left_is_told_from_the_models_before():
    now = [0.0]
    plan = Plan(["encode", "measure", "encode", "measure", "draw"], clock=lambda: now[0])
    plan.begin("encode")
    assert plan.seconds_left is None
    now[0] = 2.0
    plan.begin("measure")
    assert plan.done == 1
    assert plan.seconds_left == pytest.approx(4 * 2.0)
    now[0] = 12.0
    plan.begin("encode")
    assert plan.seconds_left == pytest.approx(2.0 + 10.0 + 6.0)
    now[0] = 13.0
    assert plan.seconds_left == pytest.approx(1.0 + 10.0 + 6.0)
    plan.end()
    assert plan.done == 3


def test_stages_that_are_passed_over_are_done():
    plan = Plan(["encode", "measure", "draw"], clock=lambda: 0.0)
    plan.begin("draw")
    assert plan.done == 2


def test_pillow_says_nothing_of_odd_tags(tmp_path, capsys):
    good = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(good, "TIFF")
    odd = bytearray(good.getvalue())
    (start,) = struct.unpack_from("<I", odd, 4)
    (count,) = struct.unpack_from("<H", odd, start)
    for place in range(start + 2, start + 2 + 12 * count, 12):
        if struct.unpack_from("<H", odd, place) == (259,):  # compression, of which there is one
            struct.pack_into("<I", odd, place + 4, 2)
    folder = tmp_path / "images"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.tif").write_bytes(odd)
    with pytest.warns(UserWarning, match="too many entries"):
        load(folder, split="all").batch(slice(None))
    with warnings.catch_warnings():
        with pytest.raises(SystemExit):
            running.main(["models"])
        load(folder, split="all").batch(slice(None))
    assert capsys.readouterr().err == ""
