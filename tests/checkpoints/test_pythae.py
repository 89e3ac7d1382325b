"""Run folders of pythae; those that need pythae itself run where it is installed."""

import json
import pickle

import pytest
import torch

from latentgeo.checkpoints import open_checkpoint
from latentgeo.errors import InputError

SHAPE = (1, 8, 8)


class _Spy:
    """An object that leaves a trace when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.fixture
def run(tmp_path):
    config = {"name": "VAEConfig", "input_dim": SHAPE, "latent_dim": 3}
    (tmp_path / "model_config.json").write_text(json.dumps(config), encoding="utf-8")
    torch.save({"model_state_dict": {}}, tmp_path / "model.pt")
    return tmp_path


def test_nets_in_pickles_are_never_opened(run):
    config = json.loads((run / "model_config.json").read_text(encoding="utf-8"))
    config["uses_default_encoder"] = False
    (run / "model_config.json").write_text(json.dumps(config), encoding="utf-8")
    (run / "encoder.pkl").write_bytes(pickle.dumps(_Spy(run / "ran")))
    with pytest.raises(InputError, match=r"kept in encoder.pkl, which is never opened .* --model"):
        open_checkpoint(run)
    assert not (run / "ran").exists()


@pytest.mark.parametrize(("text", "message"), [("{", "not valid JSON"), ("{}", "names no model")])
def test_a_broken_configuration(run, text, message):
    (run / "model_config.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        open_checkpoint(run)


def test_without_pythae_the_way_out_is_named(run, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pythae", None)
    with pytest.raises(InputError, match=r"pip install 'latentgeo\[pythae\]'"):
        open_checkpoint(run)


@pytest.mark.pythae
@pytest.mark.parametrize(("name", "stochastic"), [("VAE", True), ("AE", False), ("BetaVAE", True)])
def test_a_run_gives_what_pythae_gives(name, stochastic, tmp_path):
    from pythae import models

    torch.manual_seed(0)
    theirs = getattr(models, name)(getattr(models, f"{name}Config")(input_dim=SHAPE, latent_dim=3))
    theirs.save(str(tmp_path))
    model = open_checkpoint(tmp_path)
    assert model.config.image_shape == SHAPE
    assert model.stochastic is stochastic
    images = torch.rand(4, *SHAPE)
    with torch.inference_mode():
        encoded = theirs.eval().encoder(images)
        torch.testing.assert_close(model.encode(images)[..., 0, 0], encoded.embedding)
        if stochastic:
            spread = model.posterior(images).log_variance[..., 0, 0]
            torch.testing.assert_close(spread, encoded.log_covariance)
        decoded = theirs.decoder(encoded.embedding).reconstruction
        torch.testing.assert_close(model.decode(model.encode(images)), decoded.clamp(0, 1))


@pytest.mark.pythae
def test_a_configuration_that_pythae_does_not_know(run):
    pytest.importorskip("pythae")
    config = {"name": "NoSuchConfig", "input_dim": SHAPE}
    (run / "model_config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(InputError, match="names 'NoSuchConfig', no model of pythae"):
        open_checkpoint(run)
