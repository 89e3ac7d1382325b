import json
import shutil

import pytest
import torch

import latentgeo
from latentgeo.checkpoints import info
from latentgeo.checkpoints import open_checkpoint as load
from latentgeo.errors import InputError
from latentgeo.files import sha256_of_file
from latentgeo.models import save_model
from latentgeo.training import train
from latentgeo.training.step import Step


def test_what_went_wrong_is_read_from_runs_that_called_it_trouble(run, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(run, old)
    path = old / "provenance.json"
    facts = json.loads(path.read_text())
    assert facts.pop("diagnostics") == []
    path.write_text(json.dumps({**facts, "trouble": ["the codes have collapsed"]}))
    assert info(old)["diagnostics"] == ["the codes have collapsed"]
    assert "trouble" not in load(old).provenance


def refused(path, message):
    for function in (load, info):
        with pytest.raises(InputError) as caught:
            function(path)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_loads_a_model_ready_to_be_analysed(run):
    model = load(str(run))
    assert not model.training
    assert model.latent_shape == (4, 2, 2)
    assert torch.isfinite(model.encode(torch.rand(2, 1, 8, 8))).all()
    assert latentgeo.load(run).weights_sha256() == model.weights_sha256()


def test_provenance_comes_with_the_model(run):
    model = load(run)
    digest = sha256_of_file(run / "model.safetensors")
    assert model.provenance["weights_sha256"] == model.weights_sha256() == digest
    assert model.provenance["data"]["name"] == "noise"
    assert model.provenance["versions"]["torch"]


def test_provenance_of_other_weights_is_not_believed(run):
    model = load(run)
    with torch.no_grad():
        next(model.parameters()).zero_()
    save_model(model, run)
    assert load(run).provenance == {"weights_sha256": model.weights_sha256()}


def test_info_is_json_and_says_what_it_is(run):
    facts = json.loads(json.dumps(info(run), allow_nan=False))
    assert facts["recipe"] == "vae"
    assert facts["backbone"] == "sctc"
    assert facts["image_shape"] == [1, 8, 8]
    assert facts["latent_shape"] == [4, 2, 2]
    assert facts["stochastic"] is True
    assert facts["parameters"] == sum(weights.numel() for weights in load(run).parameters())
    assert facts["epochs"] == facts["best_epoch"] == 1
    assert facts["learned"] is False
    assert facts["finished"] is True
    assert facts["data"]["train"]["samples"] == 18
    assert facts["weights_sha256"] == load(run).weights_sha256()


def test_a_bare_model_folder_will_do(run, tmp_path):
    model = load(run)
    save_model(model, tmp_path / "bare")
    facts = info(tmp_path / "bare")
    assert facts["weights_sha256"] == model.weights_sha256()
    assert "epochs" not in facts


def test_nothing_there(tmp_path):
    refused(tmp_path / "none", "does not exist; give a run folder that `latentgeo train` made")


def test_a_file(run):
    refused(run / "model.safetensors", "is a file of a latentgeo run; give its folder")


def test_an_empty_folder(tmp_path):
    refused(tmp_path, "holds no weights; expected a run folder that `latentgeo train` made")


def test_without_weights(run):
    (run / "model.safetensors").unlink()
    refused(run, "has no weights (model.safetensors)")


def test_somebody_elses_folder(tmp_path):
    (tmp_path / "config.json").write_text('{"_class_name": "AutoencoderKL"}')
    refused(tmp_path, "holds no weights; expected diffusion_pytorch_model.safetensors")


@pytest.mark.parametrize(("text", "message"), [("{", "not valid JSON"), ("[]", "no JSON object")])
def test_broken_provenance(run, text, message):
    (run / "provenance.json").write_text(text)
    refused(run, message)


def test_a_run_that_stopped_before_its_first_epoch(tmp_path, images, monkeypatch):
    def stop(self, batch):
        raise KeyboardInterrupt

    monkeypatch.setattr(Step, "descend", stop)
    with pytest.raises(KeyboardInterrupt):
        train("cae", data=images, out=tmp_path / "run", device="cpu", progress=False)
    refused(tmp_path / "run", "continue it with --resume")
