import errno
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

import latentgeo.files
from latentgeo.errors import InputError
from latentgeo.files import sha256_of_file
from latentgeo.models import load_model, save_model


@pytest.fixture
def folder(make_tiny, tmp_path):
    save_model(make_tiny(), tmp_path / "model")
    return tmp_path / "model"


def change_weights(folder, change):
    path = folder / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path)


def refused(folder, message):
    with pytest.raises(InputError) as caught:
        load_model(folder)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_holds_two_files_and_the_hash_is_that_of_the_weights(make_tiny, tmp_path):
    model = make_tiny()
    save_model(model, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    assert sha256_of_file(tmp_path / "model.safetensors") == model.weights_sha256()


def test_no_such_folder(tmp_path):
    refused(tmp_path / "none", "is not a folder; expected a folder with model.safetensors")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_missing_file(folder, name):
    (folder / name).unlink()
    refused(folder, f"has no {name}; expected a folder")


def test_wrong_shape_names_the_tensor_and_both_shapes(folder):
    config = json.loads((folder / "config.json").read_text())
    config["options"]["widths"] = [4, 8, 12]
    (folder / "config.json").write_text(json.dumps(config))
    refused(folder, "tensor 'encoder.6.first.weight' in ")
    refused(folder, "has shape (16, 8, 3, 3), config.json asks for (12, 8, 3, 3)")


def test_missing_tensor(folder):
    change_weights(folder, lambda weights: weights.pop("decoder.0.first.bias"))
    refused(folder, "lacks 'decoder.0.first.bias', which config.json asks for")


def test_unexpected_tensors(folder):
    extra = {f"extra.{number}": torch.zeros(1) for number in range(5)}
    change_weights(folder, lambda weights: weights.update(extra))
    refused(folder, "holds 'extra.0', 'extra.1', 'extra.2' and 2 more tensors, which")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(folder, value):
    change_weights(folder, lambda weights: weights["encoder.0.first.bias"].fill_(value))
    refused(folder, "tensor 'encoder.0.first.bias' in ")
    refused(folder, "holds 4 values that are NaN or infinite")


@pytest.mark.parametrize("length", [0, 4, 100, -10])
def test_truncated_weights(folder, length):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    refused(folder, "is broken or cut short")


def test_broken_json(folder):
    (folder / "config.json").write_text("{")
    refused(folder, "is not valid JSON")


@pytest.mark.parametrize("text", ["[]", '{"_class_name": "AutoencoderKL"}'])
def test_somebody_elses_config(folder, text):
    (folder / "config.json").write_text(text)
    refused(folder, "does not describe a latentgeo model")


def test_unknown_entry_in_config(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "backbones": "sctc"}))
    refused(folder, "entry 'backbones' is unknown; did you mean 'backbone'?")


def test_a_full_disk_leaves_the_earlier_weights_whole(make_tiny, folder, monkeypatch):
    before = sha256_of_file(folder / "model.safetensors")

    def refuse(source, target):
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(latentgeo.files.os, "replace", refuse)
    with pytest.raises(OSError, match="No space left"):
        save_model(make_tiny("vae"), folder)
    assert sha256_of_file(folder / "model.safetensors") == before
    assert len(list(folder.iterdir())) == 2
    load_model(folder)


def test_a_config_of_enormous_nets_takes_no_memory(folder):
    path = folder / "config.json"
    values = json.loads(path.read_text())
    values["options"]["widths"] = [30_000, 30_000, 30_000]  # 61 GB
    path.write_text(json.dumps(values))
    refused(folder, "config.json asks for")
