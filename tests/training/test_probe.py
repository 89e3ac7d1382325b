"""A probe beside training: it learns, and nothing else is changed by it."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy

from latentgeo.cli import main
from latentgeo.datasets import ImageDataset
from latentgeo.errors import InputError
from latentgeo.models import ModelConfig, build, load_model
from latentgeo.objectives import UNLABELLED
from latentgeo.training import TrainConfig, load_probe, probe_accuracy
from latentgeo.training.data import load_splits
from latentgeo.training.step import Step
from latentgeo.training.validation import validate

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*has not learned"),
    pytest.mark.filterwarnings("ignore:.*ended with a diagnostic"),
    pytest.mark.filterwarnings("ignore:epoch .*"),
]

SEMI = {"variant": "semi-supervised", "labels": 6, "categories": 3, "labelled_batch": 4}
RUNS = {
    "vae": {"recipe": "vae"},
    "dropout": {"recipe": "dropout-ae", "options": {"widths": (2, 3, 4)}},
    "acai": {"recipe": "acai", "options": {"widths": (2, 3, 4), "critic_depth": 2}},
    "semi-supervised": {
        "recipe": "aae",
        "backbone": "mlp",
        "options": {"hidden": (8,), "latent_dim": 7, "discriminator": (4,), **SEMI},
    },
}


@pytest.fixture
def images(images):
    """Label the discs by where they are brightest: three classes."""
    brightest = images.images.reshape(len(images), -1).argmax(axis=1) % 8
    return replace(images, labels=brightest // 3, class_names=("a", "b", "c"))


def test_a_probe_reads_what_the_authors_read():
    torch.manual_seed(0)
    images = torch.rand(3, 1, 8, 8)
    sizes = {"depth": 2, "scales": 1, "latent_channels": 2}
    for recipe, options in (("cae", {}), ("vae", {"head": "dense"}), ("vq-vae", {"codes": 2})):
        config = ModelConfig(
            recipe=recipe, backbone="acai", image_shape=(1, 8, 8), options=sizes | options
        )
        model = build(config).eval()
        seen = []
        net = model.decoder.expand if recipe == "vq-vae" else model.encoder
        net.register_forward_hook(lambda *given, seen=seen: seen.append(given[-1]))
        posterior = model.posterior(images)
        model.decode(posterior.mean)
        expected = posterior.mean if recipe == "cae" else seen[0]
        torch.testing.assert_close(model.probed(posterior), expected, rtol=1e-5, atol=1e-7)


def rows(folder):
    with (folder / "metrics.csv").open() as stream:
        return list(csv.DictReader(stream))


def state(folder):
    return torch.load(folder / "state" / "last.pt", weights_only=True)


def without_probe(row):
    return {name: value for name, value in row.items() if "probe" not in name}


def assert_equal(one, other):
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            assert_equal(one[name], other[name])
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    else:
        assert one == other


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_the_autoencoder_does_not_feel_it(run, settings):
    plain = run("plain", **settings)
    probed = run("probed", probe=True, probe_rate=0.1, **settings)
    assert (probed / "model.safetensors").read_bytes() == (plain / "model.safetensors").read_bytes()
    assert [without_probe(row) for row in rows(probed)] == rows(plain)
    before, after = state(plain), state(probed)
    assert after.pop("probe")["layer"]["weight"].any()
    for part in ("model", "optimiser", "adversaries", "random"):
        assert_equal(before[part], after[part])


def test_each_epoch_says_how_it_does(run):
    folder = run(recipe="cae", epochs=20, probe=True, probe_rate=0.1)
    found = rows(folder)
    assert list(found[0])[-2:] == ["validation_probe", "validation_probe_accuracy"]
    assert float(found[0]["train_probe"]) > float(found[-1]["train_probe"])
    assert float(found[-1]["train_probe"]) < 0.8 * np.log(3)


@pytest.mark.parametrize("step", [2, 10, 14])
def test_stopped_anywhere_it_goes_on_as_if_nothing_had_happened(
    run, stop_at, monkeypatch, assert_same_run, step
):
    settings = {"recipe": "vae", "probe": True, "probe_rate": 0.01}
    unbroken = run("unbroken", **settings)
    stopped = stop_at(step)
    with pytest.raises(stopped):
        run("stopped", **settings)
    monkeypatch.undo()
    resumed = run("stopped", resume=True, **settings)
    assert_same_run(resumed, unbroken)
    probes = [(folder / "probe.safetensors").read_bytes() for folder in (resumed, unbroken)]
    assert probes[0] == probes[1]


def test_terms_are_not_shown_what_is_hidden_from_them(run, images, monkeypatch):
    seen, descend = [], Step.descend

    def spy(self, batches):
        seen.extend((batch.labels, batch.probe_labels) for batch in batches)
        return descend(self, batches)

    monkeypatch.setattr(Step, "descend", spy)
    run(probe=True, epochs=1, **RUNS["semi-supervised"])
    labels, probe_labels = (torch.cat(given) for given in zip(*seen, strict=True))
    assert (labels != UNLABELLED).sum() == 6
    assert (probe_labels != UNLABELLED).all()
    assert len(probe_labels) == 54


def test_accuracy_of_other_images_is_that_of_the_layer_on_the_saved_model(run, images):
    folder = run(recipe="vae", epochs=5, probe=True, probe_rate=0.05)
    layer = load_probe(folder)
    model = load_model(folder)
    with torch.no_grad():
        latents = model.encode(images.batch(np.arange(60)))
        found = (latents.flatten(1) @ layer.weight.T + layer.bias).argmax(dim=1).numpy()
    accuracy = probe_accuracy(folder, images)
    assert accuracy.mean == pytest.approx(np.mean(found == images.labels))
    assert accuracy.low < accuracy.mean < accuracy.high


def test_the_probe_that_is_kept_is_that_of_the_epoch_that_is_kept(run, images, monkeypatch):
    losses = iter([3.0, 1.0, 2.0])
    monkeypatch.setattr(
        "latentgeo.training.loop.validate", lambda run: {**validate(run), "loss": next(losses)}
    )
    folder = run(recipe="cae", probe=True, probe_rate=0.05)
    held_out = load_splits(images, TrainConfig(recipe="cae", data="blobs")).validation
    with torch.no_grad():
        latents = load_model(folder).encode(held_out.batch(np.arange(6)))
        logits = load_probe(folder)(latents.flatten(1))
        loss = cross_entropy(logits, torch.from_numpy(held_out.labels.copy()))
    assert loss.item() == pytest.approx(float(rows(folder)[1]["validation_probe"]), rel=1e-5)


def test_runs_from_before_there_were_probes_can_be_resumed(run, stop_at, monkeypatch):
    stopped = stop_at(10)
    with pytest.raises(stopped):
        run(recipe="cae")
    monkeypatch.undo()
    path = run.folder / "run" / "run.json"
    text = path.read_text()
    old = text.replace('    "probe": false,\n', "").replace('    "probe_rate": 0.0001,\n', "")
    assert len(old.splitlines()) == len(text.splitlines()) - 2
    path.write_text(old)
    with pytest.raises(InputError, match="probe is False there and True here"):
        run(recipe="cae", probe=True, resume=True)
    assert len(rows(run(recipe="cae", resume=True))) == 3


def test_the_command_trains_one(tmp_path):
    out = tmp_path / "run"
    given = ["train", "cae", "--data", "digits", "--out", str(out), "--option", "widths=[2,3,4]"]
    given += ["--epochs", "1", "--train-samples", "64", "--probe", "--probe-rate", "0.02", "-q"]
    with pytest.raises(SystemExit, match="0"):
        main(given)
    assert json.loads((out / "run.json").read_text())["config"]["probe_rate"] == 0.02
    assert 0 <= probe_accuracy(out, "digits").mean <= 1


class TestRefused:
    def refused(self, message, call, *given, **settings):
        with pytest.raises(InputError) as caught:
            call(*given, **settings)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("data", ["lines", "unlabelled"])
    def test_images_without_labels(self, run, images, data):
        given = "lines" if data == "lines" else replace(images, labels=None)
        self.refused("have no labels, which a probe learns from", run, data=given, probe=True)
        assert not (run.folder / "run").exists()

    def test_a_step_size_that_is_none(self, run):
        self.refused("setting probe_rate is 0.0", run, probe=True, probe_rate=0.0)

    def test_a_run_without_one(self, run, images):
        folder = run(epochs=1)
        self.refused("has no probe.safetensors; train one with --probe", load_probe, folder)

    def test_a_broken_one(self, run, images):
        folder = run(epochs=1, probe=True)
        (folder / "probe.safetensors").write_bytes(b"broken")
        self.refused("holds no probe (SafetensorError)", probe_accuracy, folder, images)
        save_file({"weight": torch.zeros(3)}, folder / "probe.safetensors")
        self.refused("holds no probe (ValueError)", probe_accuracy, folder, images)

    def test_one_of_another_model(self, run, images):
        folder = run(epochs=1, probe=True)
        weights = load_file(folder / "probe.safetensors")
        save_file({**weights, "weight": torch.zeros(3, 5)}, folder / "probe.safetensors")
        self.refused("reads 5 numbers, its model gives it", probe_accuracy, folder, images)

    def test_measuring_on_images_without_labels(self, run, images):
        folder = run(epochs=1, probe=True)
        bare = ImageDataset.from_array(images.images, name="bare")
        self.refused("data 'bare' have no labels", probe_accuracy, folder, bare)
