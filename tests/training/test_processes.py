"""Two processes under torchrun train what one trains; a killed one leaves a run that goes on."""

import csv
import json
import shutil
import signal
from pathlib import Path

import pytest
import torch

from latentgeo.cli import main
from latentgeo.datasets import load
from latentgeo.errors import InputError
from latentgeo.models import ModelConfig, build, choose_device
from latentgeo.training import RunFolder, TrainConfig, train
from latentgeo.training.data import Splits
from latentgeo.training.run import Run
from latentgeo.training.step import Step

from .runs_of_two import KILLED_AT, RUNS, settings

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*has not learned"),
    pytest.mark.filterwarnings("ignore:.*with a diagnostic"),
]

SCRIPT = Path(__file__).with_name("runs_of_two.py")


class Stopped(Exception):
    pass


def stopped(step, out):
    """Train in this process until a step."""
    descend = Step.descend

    def until(self, batches):
        if self.run.progress.step == step:
            raise Stopped
        return descend(self, batches)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(Step, "descend", until)
        train("vae", out=out, **settings("vae"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Train everything in one process."""
    folder = tmp_path_factory.mktemp("alone")
    for recipe in RUNS:
        train(recipe, out=folder / recipe, **settings(recipe))
    return folder


@pytest.fixture(scope="module")
def together(two_processes, tmp_path_factory):
    """Train everything in two, and go on with what one has begun."""
    folder = tmp_path_factory.mktemp("together")
    stopped(KILLED_AT, folder / "taken over")
    done = two_processes(SCRIPT, folder, "train")
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


@pytest.fixture(scope="module")
def killed(two_processes, tmp_path_factory):
    """Kill the second of two processes in the midst of a run."""
    folder = tmp_path_factory.mktemp("killed")
    done = two_processes(SCRIPT, folder, "killed")
    assert done.returncode != 0
    assert f"exitcode  : -{signal.SIGKILL.value} " in done.stderr
    return folder / "killed"


def tensors_of(folder):
    """Return all weights of the last state, with those of adversaries and the probe."""
    state = torch.load(folder / "state" / "last.pt", weights_only=True)
    nets = {"model": state["model"], "random": {"cpu": state["random"]["cpu"]}}
    nets |= {name: each["adversary"] for name, each in state["adversaries"].items()}
    if "probe" in state:
        nets["probe"] = state["probe"]["layer"]
    return {(net, name): each for net, found in nets.items() for name, each in found.items()}


def rows_of(folder):
    with (folder / "metrics.csv").open() as stream:
        return [
            {name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)
        ]


def assert_close(one, other):
    expected, found = tensors_of(one), tensors_of(other)
    assert expected.keys() == found.keys()
    assert torch.equal(expected["random", "cpu"], found["random", "cpu"])
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-6, msg=str(name))
    assert len(rows_of(one)) == len(rows_of(other)) == 2
    for before, after in zip(rows_of(one), rows_of(other), strict=True):
        assert after == pytest.approx(before, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("recipe", RUNS)
def test_two_processes_come_to_the_weights_of_one(alone, together, recipe):
    assert_close(alone / recipe, together[0] / recipe)
    provenance = [
        json.loads((folder / recipe / "provenance.json").read_text())
        for folder in (alone, together[0])
    ]
    assert [each["processes"] for each in provenance] == [1, 2]


def test_each_has_computed_its_share_and_the_first_alone_has_told(together):
    folder, said = together
    reports = [json.loads((folder / f"process-{place}.json").read_text()) for place in (0, 1)]
    for report in reports:
        assert {5, 2} <= set(report["rows"])
        assert 9 not in report["rows"]
    assert reports[0]["epochs"] == [5] * 2 * len(RUNS)
    assert reports[1]["epochs"] == []
    whole = [line for line in said.splitlines() if "no speed-up" in line]
    assert [line.rpartition("speed-up: ")[2] for line in whole] == [
        "encoder (BatchNorm2d), decoder (BatchNorm2d)",
        "decoder (Codebook)",
    ]


def test_two_go_on_with_what_one_has_begun(alone, together):
    assert_close(alone / "vae", together[0] / "taken over")


def test_no_thread_of_their_group_is_left_when_processes_end(together):
    # Those that are abort some processes at their end.
    for place in range(2):
        names = json.loads((together[0] / f"threads-{place}.json").read_text())
        assert not [name for name in names if "gloo" in name]


def test_one_goes_on_with_what_two_have_begun(alone, killed, tmp_path):
    shutil.copytree(killed, tmp_path / "run")
    assert_close(alone / "vae", train("vae", out=tmp_path / "run", resume=True, **settings("vae")))


def test_a_killed_process_leaves_a_run_that_goes_on_bit_for_bit(two_processes, together, killed):
    state = torch.load(killed / "state" / "last.pt", weights_only=True)
    assert state["progress"]["step"] == KILLED_AT // 3 * 3
    done = two_processes(SCRIPT, killed.parent, "resumed")
    assert done.returncode == 0, done.stderr
    expected, found = tensors_of(together[0] / "vae"), tensors_of(killed)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    for file in ("model.safetensors", "metrics.csv"):
        assert (killed / file).read_bytes() == (together[0] / "vae" / file).read_bytes()


class TestRefused:
    @pytest.fixture
    def launched(self, monkeypatch):
        """Be one of several processes, as `torchrun` says it."""

        def launch(number):
            monkeypatch.setenv("TORCHELASTIC_RUN_ID", "test")
            for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
                monkeypatch.setenv(name, str(number))
            for name in ("RANK", "LOCAL_RANK"):
                monkeypatch.setenv(name, "0")

        return launch

    def test_more_processes_than_gpus(self, launched, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        launched(2)
        assert choose_device("auto") == torch.device("cuda")
        launched(3)
        for name in ("auto", "cuda"):
            with pytest.raises(InputError, match="started 3 processes on this machine and PyTorch"):
                choose_device(name)
        assert choose_device("cpu") == torch.device("cpu")

    def test_more_processes_than_images_in_a_batch(self, launched, monkeypatch, tmp_path):
        monkeypatch.setattr("latentgeo.processes.join", lambda: None)
        launched(10)
        with pytest.raises(InputError, match="batch_size is 9, fewer images than the 10 processes"):
            train("vae", out=tmp_path / "run", **settings("vae"))
        assert not (tmp_path / "run").exists()

    def test_too_little_memory_in_one_of_them(self, launched, tmp_path):
        config = TrainConfig(
            recipe="cae", data="digits", device="cpu", options={"widths": (2, 3, 4)}
        )
        images = load("digits", "train").take(8, seed=0)
        model = build(ModelConfig(recipe="cae", image_shape=images.shape, options=config.options))
        device = torch.device("cpu")
        run = Run(config, model, Splits(images, images), RunFolder(tmp_path), device)
        launched(2)
        with pytest.raises(InputError, match="with 8 images at once, shared by 2 processes; start"):
            Step([run])._halve(8)

    @pytest.mark.parametrize("place", [0, 1])
    def test_the_first_process_says_what_is_wrong_and_torchrun_is_told(
        self, launched, monkeypatch, tmp_path, capfd, place
    ):
        launched(2)
        monkeypatch.setenv("RANK", str(place))
        monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "error.json"))
        with pytest.raises(SystemExit) as left:
            main(["train", "cae", "--data", "digits", "--out", "x", "--epochs", "0"])
        assert left.value.code == 2
        told = json.loads((tmp_path / "error.json").read_text())["message"]
        assert "epochs is 0" in told
        output = capfd.readouterr()
        assert output.err == (f"latentgeo: {told}\n" if place == 0 else "")
        assert output.out == ""
