"""The table of a folder of checkpoints, at its smoke scale."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from latentgeo.checkpoints import consent
from latentgeo.models import ModelConfig, build, save_model

ROOT = Path(__file__).parents[2]

_NET = """
from torch import nn

def make():
    net = nn.Module()
    net.encoder = nn.Conv2d(1, 3, 7, stride=7)
    net.decoder = nn.Sequential(nn.ConvTranspose2d(3, 1, 7, stride=7), nn.Sigmoid())
    return net
"""


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setattr(consent, "user_config_path", lambda _: tmp_path / "settings")
    monkeypatch.syspath_prepend(str(ROOT / "analyses"))
    import pretrained

    return pretrained


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "checkpoints"
    options = {"widths": [4, 4, 8]}
    save_model(
        build(ModelConfig(recipe="cae", image_shape=(1, 28, 28), options=options)), place / "ours"
    )
    (place / "theirs").mkdir()
    (tmp_path / "net.py").write_text(_NET, encoding="utf-8")
    net = nn.Module()
    net.encoder = nn.Conv2d(1, 3, 7, stride=7)
    net.decoder = nn.Sequential(nn.ConvTranspose2d(3, 1, 7, stride=7), nn.Sigmoid())
    torch.save(net.state_dict(), place / "theirs" / "model.pt")
    (place / "broken").mkdir()
    (place / "broken" / "model.safetensors").write_bytes(b"<html>")
    (tmp_path / "cards.yaml").write_text(
        "theirs/model.pt: {model: 'net.py:make', encode: encoder}\n", encoding="utf-8"
    )
    return place


def _run(study, folder, *more):
    out = folder.parent / "out"
    arguments = ["--data", "digits", "--scale", "smoke", "--out", str(out), *more]
    code = study.main([str(folder), "--cards", str(folder.parent / "cards.yaml"), *arguments])
    return code, out


def test_every_checkpoint_is_a_row_or_a_reason(study, folder):
    code, out = _run(study, folder)
    assert code == 0
    rows = {
        row["checkpoint"]: row for row in json.loads((out / "pretrained.json").read_text())["rows"]
    }
    assert rows["ours"]["latent_shape"] == [8, 7, 7]
    assert rows["theirs"]["kind"] == "module"
    assert rows["theirs"]["latent_shape"] == [3, 4, 4]
    assert set(rows["theirs"]["psnr_db"]) == {"0", "0.1"}
    assert "refused" in rows["broken/model.safetensors"]
    table = (out / "pretrained.md").read_text(encoding="utf-8")
    assert "| digits | theirs (not learned) | 3×4×4 |" in table
    assert "- broken/model.safetensors on digits: " in table
    assert str(folder) not in table
    assert (out / "digits" / "report.html").is_file()


def test_files_of_one_name_are_named_after_their_folders(study, tmp_path):
    paths = [tmp_path / "a" / "model.pt", tmp_path / "b" / "model.pt", tmp_path / "taesd.pt"]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert study.checkpoints.labels(paths) == ["a", "b", "taesd"]


def test_a_reason_is_said_once(study):
    refused = [
        {"checkpoint": "a", "data": data, "refused": "too small"} for data in ("mnist", "faces")
    ]
    assert study.checkpoints.reasons(refused) == ["- a on mnist, faces: too small"]


def test_what_is_done_is_kept(study, folder):
    _run(study, folder)
    shutil.rmtree(folder / "theirs")
    _, out = _run(study, folder)
    assert "| digits | theirs (not learned) | 3×4×4 |" in (out / "pretrained.md").read_text(
        encoding="utf-8"
    )


def test_what_goes_wrong_is_reported(study, folder, capsys):
    assert _run(study, folder.parent / "nowhere")[0] == 2
    assert _run(study, folder, "--data", "mnist@x")[0] == 2
    assert "expected pixels, as in mnist@32" in capsys.readouterr().err


def test_the_committed_cards_name_code_that_exists(study):
    entries = study.checkpoints.read_cards(ROOT / "analyses" / "pretrained.yaml")
    for entry in entries.values():
        if "model" in entry:
            assert Path(entry["model"].rpartition(":")[0]).is_file()
    assert "pretrained_nets" not in sys.modules  # reading names runs nothing
