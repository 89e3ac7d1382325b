"""Models that others trained, on the command line."""

import json
from pathlib import Path

import pytest
import torch
import xarray as xr
from torch import nn

from latentgeo.checkpoints import consent

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, code=6):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 4, 7, 7), nn.ReLU(), nn.Conv2d(4, code, 1))
        self.decoder = nn.Sequential(nn.ConvTranspose2d(code // 2, 1, 7, 7))

    def forward(self, images):
        return self.decoder(self.encoder(images).chunk(2, 1)[0])
"""

LOUD = """
class Loud(nn.ReLU):
    def forward(self, features):
        print(2)
        return super().forward(features)

"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(consent, "user_config_path", lambda _: tmp_path / "settings")
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "theirs"
    place.mkdir()
    (place / "net.py").write_text(NET, encoding="utf-8")
    scope = {}
    exec(compile(NET, "net.py", "exec"), scope)
    torch.manual_seed(0)
    torch.save(scope["Net"]().state_dict(), place / "model.pt")
    return place


MODEL = ["--model", "theirs/net.py:Net", "--posterior", "halves", "--output", "logits"]
ON_DIGITS = ["--data", "digits", "--noise", "0,0.1", "--samples", "12", "-q"]


def test_a_card_and_then_the_folder_is_enough(run_cli, folder, tmp_path):
    code, said, _ = run_cli("card", "init", folder, "--image-shape", "1,28,28", *MODEL)
    assert code == 0
    assert "* encoder  6x4x4" in said
    code, said, _ = run_cli("info", folder, "--json")
    facts = json.loads(said)
    assert facts["latent_shape"] == [3, 4, 4]
    assert facts["stochastic"]
    code, _, _ = run_cli("analyze", folder, "--no-tsne", "--out", tmp_path / "out", *ON_DIGITS)
    assert code == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    model = summary["models"]["theirs"]
    assert model["latent_shape"] == [3, 4, 4]
    assert set(model["strata"]) == {"0", "0.1"}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert str(tmp_path) not in page
    assert "How third-party models were loaded" in page


def test_what_a_network_prints_is_no_part_of_the_answer(run_cli, folder):
    chatty = NET.replace("nn.ReLU()", "Loud()").replace("class Net", f"{LOUD}class Net")
    chatty = chatty.replace("super().__init__()", "super().__init__(); print(1)")
    (folder / "net.py").write_text(f"{chatty}\nprint(0)\n", encoding="utf-8")
    shape = ["--image-shape", "1,28,28"]
    code, said, beside = run_cli("info", folder, *MODEL, *shape, "--data", "digits", "--json")
    assert code == 0
    assert json.loads(said)["stochastic"]
    assert {"0", "1", "2"} <= set(beside.splitlines())


def test_weights_without_a_checkpoint_argument(run_cli, folder, tmp_path):
    weights = ["--weights", folder / "model.pt"]
    code, _, _ = run_cli("encode", *weights, *MODEL, "--out", tmp_path / "z", *ON_DIGITS)
    assert code == 0
    latents = xr.open_zarr(tmp_path / "z", consolidated=False, chunks=None)
    assert latents["log_variance"].shape == (2, 12, 3, 4, 4)
    code, said, _ = run_cli("info", *weights, *MODEL, "--image-shape", "1,28,28")
    assert code == 0
    assert "module" in said


def test_layers_are_models_of_their_own_in_the_report(run_cli, folder, tmp_path):
    layers = ["--layer", "encoder.0", "--layer", "encoder.2"]
    command = ["analyze", folder / "model.pt", "--model", "theirs/net.py:Net", *layers]
    code, _, _ = run_cli(*command, "--no-tsne", "--out", tmp_path / "out", *ON_DIGITS)
    assert code == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    shapes = {name: model["latent_shape"] for name, model in summary["models"].items()}
    assert shapes == {"theirs:encoder.0": [4, 4, 4], "theirs:encoder.2": [6, 4, 4]}
    assert summary["models"]["theirs:encoder.0"]["psnr_db"] is None
    assert summary["models"]["theirs:encoder.0"]["learned"] is None


def test_arguments_of_the_factory(run_cli, folder):
    command = ["info", folder / "model.pt", "--model", "theirs/net.py:Net"]
    code, _, error = run_cli(*command, "--argument", "code=8", "--image-shape", "1,28,28")
    assert code == 2
    assert "encoder.2" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info"], "no checkpoint was given; give a folder or a file, or --model and --weights"),
        (["info", "theirs/model.pt"], "name the code that makes it: --model"),
        (["info", "theirs/model.pt", *MODEL], "--image-shape 3,64,64"),
        (["info", "theirs/model.pt", *MODEL, "--image-shape", "28,28"], "is not C,H,W"),
        (["info", "theirs/model.pt", *MODEL, "--image-shape", "0,2,2"], "holds a number below 1"),
        (["info", "theirs", *MODEL, "--mean", "x"], "--mean 'x' is not a list of numbers"),
        (["info", "theirs", *MODEL, "--mean", "0.5"], "mean and std go together"),
        (
            ["info", "theirs", *MODEL, "--image-shape", "1,28,28", "--posterior", "thirds"],
            "posterior item 'thirds' is not there",
        ),
        (["info", "theirs", *MODEL, "--argument", "code"], "is not NAME=VALUE, as in latent_dim"),
        (["info", "theirs", "--model", "theirs/net.py:Nett"], "has no 'Nett'; it has Net"),
        (["card", "init", "theirs", "--image-shape", "1,28,28"], "name the code that makes it"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(arguments, message, run_cli, folder):
    code, _, error = run_cli(*arguments)
    lines = [line for line in error.splitlines() if not line.startswith("latentgeo: warning")]
    assert code == 2
    assert len(lines) == 1
    assert message in lines[0]


def test_a_wrong_range_is_warned_of(run_cli, tmp_path, monkeypatch, folder):
    """Weights that give back what goes in, opened as if they took [-1, 1]."""
    (folder / "same.py").write_text(
        "from torch import nn\n\nclass Same(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.scale = nn.Linear(1, 1)\n"
        "    def encode(self, x):\n        return x.clamp(0, 1)\n"
        "    def decode(self, z):\n        return z\n",
        encoding="utf-8",
    )
    torch.save({f"scale.{k}": v for k, v in nn.Linear(1, 1).state_dict().items()}, "same.pt")
    command = ["encode", "same.pt", "--model", "theirs/same.py:Same", "--range=-1,1"]
    code, _, error = run_cli(*command, "--out", tmp_path / "z", *ON_DIGITS)
    assert code == 0
    assert "the range or the normalisation of the input is probably wrong" in error
    assert "try --range 0,1" in error
    assert Path("z").is_dir()
