"""Features of a classifier: trained reproducibly, hashed, and never taken for other features."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from latentgeo import InputError
from latentgeo.cli import main
from latentgeo.datasets import load
from latentgeo.features import Classifier, load_features, train_classifier
from latentgeo.features.network import ClassifierConfig
from latentgeo.files import sha256_of_file
from latentgeo.metrics import frechet_feature_distance, nearest_real_distance


def train(out, **settings):
    return train_classifier("digits", out=out, progress=False, device="cpu", **settings)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return train(tmp_path_factory.mktemp("features") / "digits", epochs=10)


@pytest.fixture
def features(folder):
    return load_features(folder)


def test_it_learns_and_says_how_well(folder, features):
    assert features.accuracy > 0.85
    classifier = Classifier(ClassifierConfig(image_shape=(1, 28, 28), classes=10))
    classifier.load_state_dict(load_file(folder / "features.safetensors"))
    images = load("digits", "test")
    with torch.no_grad():
        named = classifier(images.batch(slice(None))).argmax(1).numpy()
    assert features.accuracy == np.mean(named == images.labels)


def test_it_says_where_it_comes_from(folder, features):
    assert features.sha256 == sha256_of_file(folder / "features.safetensors")
    assert features.name == f"digits-classifier FD, sha {features.sha256[:8]}"
    facts = features.provenance
    assert facts["data"]["train"] == {
        "samples": 1257,
        "sha256": load("digits", "train").fingerprint,
    }
    assert (facts["epochs"], facts["seed"], facts["threads"]) == (10, 0, torch.get_num_threads())


def test_the_same_seed_gives_the_same_weights(tmp_path):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    hashes = [
        load_features(train(tmp_path / name, epochs=1, seed=seed)).sha256
        for name, seed in (("one", 3), ("again", 3), ("other", 4))
    ]
    assert hashes[0] == hashes[1] != hashes[2]
    assert torch.equal(torch.get_rng_state(), before)


def test_features_are_the_last_hidden_layer(folder, features):
    images = torch.rand(3, 1, 28, 28)
    found = features(images)
    assert found.shape == (3, 64) == (3, features.num_features)
    weights = load_file(folder / "features.safetensors")
    classifier = Classifier(features.config)
    classifier.load_state_dict(weights)
    logits = found @ weights["head.weight"].T + weights["head.bias"]
    torch.testing.assert_close(logits, classifier(images).detach())
    assert not any(weight.requires_grad for weight in features.parameters())


def test_the_distance_grows_with_what_was_done_to_the_images(features):
    images = load("digits", "test").batch(slice(None))
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    found = [
        frechet_feature_distance([(images + s * noise).clamp(0, 1)], [images], features)
        for s in (0.0, 0.1, 0.2, 0.4)
    ]
    assert found[0] == pytest.approx(0, abs=1e-3)
    assert found[1:] == sorted(found[1:])
    assert found[1] > 0.1


def test_torchmetrics_takes_the_features_too(features):
    fid = pytest.importorskip("torchmetrics.image.fid", reason="needs torchmetrics")
    images = load("digits", "test").batch(slice(None))
    one, other = images[:150], images[150:]
    metric = fid.FrechetInceptionDistance(feature=features, normalize=True)
    metric.update(one, real=True)
    metric.update(other, real=False)
    found = frechet_feature_distance(one.split(40), other.split(64), features)
    assert found == pytest.approx(float(metric.compute()), rel=1e-4)


def test_a_real_image_is_its_own_nearest(features):
    images = load("digits", "test").batch(slice(0, 40))
    found = nearest_real_distance(
        torch.nn.Identity(), images.unflatten(0, (20, 2)), images, features
    )
    assert found.distance.values == pytest.approx(0, abs=1e-5)
    assert found.place.ravel().tolist() == list(range(40))


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (torch.rand(2, 3, 28, 28), r"images have shape \(2, 3, 28, 28\), .* \(batch, 1, 28, 28\)"),
        (torch.zeros(2, 1, 28, 28, dtype=torch.uint8), "dtype torch.uint8, expected floating"),
    ],
)
def test_other_images_are_refused(features, images, said):
    with pytest.raises(InputError, match=said):
        features(images)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epochs": 0}, "setting epochs is 0"),
        ({"learning_rate": float("nan")}, "setting learning_rate is nan"),
        ({"seed": -1}, "setting seed is -1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path, settings, said):
    with pytest.raises(InputError, match=said):
        train(tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_kept(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="already holds files"):
        train(tmp_path, epochs=1)
    train(tmp_path, epochs=1, force=True)
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert load_features(tmp_path).provenance["epochs"] == 1


@pytest.mark.parametrize(
    ("classes", "side", "said"),
    [((".",), 8, "have no labels"), (("a",), 8, "have no labels"), (("a", "b"), 3, "at least 4x4")],
)
def test_images_that_nothing_can_be_learned_from_are_refused(tmp_path, classes, side, said):
    for name in classes:
        (tmp_path / "images" / name).mkdir(parents=True, exist_ok=True)
        for number in range(60):
            image = Image.fromarray(np.full((side, side), number, dtype=np.uint8))
            image.save(tmp_path / "images" / name / f"{number}.png")
    with pytest.raises(InputError, match=said):
        train_classifier(tmp_path / "images", out=tmp_path / "out", epochs=1, progress=False)


def break_file(folder, name, content):
    for kept in ("features.safetensors", "features.json"):
        (folder / "broken").mkdir(exist_ok=True)
        (folder / "broken" / kept).write_bytes((folder / kept).read_bytes())
    (folder / "broken" / name).write_bytes(content)
    return folder / "broken"


def test_broken_folders_are_refused(folder, tmp_path):
    with pytest.raises(InputError, match=r"have no features\.safetensors; expected a folder"):
        load_features(tmp_path)
    description = json.loads((folder / "features.json").read_text())
    cut = break_file(folder, "features.safetensors", b"cut short")
    with pytest.raises(InputError, match=r"has the hash .*, features\.json was written for"):
        load_features(cut)
    with pytest.raises(InputError, match="does not describe a classifier"):
        load_features(break_file(folder, "features.json", b'{"network": 3}'))
    description["network"]["features"] = 32
    other = break_file(folder, "features.json", json.dumps(description).encode())
    with pytest.raises(InputError, match="does not hold the weights"):
        load_features(other)
    description["network"]["features"] = 0
    other = break_file(folder, "features.json", json.dumps(description).encode())
    with pytest.raises(InputError, match=r"cannot be used: entry features is 0"):
        load_features(other)


def test_the_command_says_what_the_distance_is_called(tmp_path, capsys):
    arguments = ["features", "--data", "digits", "--out", str(tmp_path / "out"), "--epochs", "1"]
    with pytest.raises(SystemExit) as left:
        main([*arguments, "--quiet", "--device", "cpu"])
    assert left.value.code == 0
    name = load_features(tmp_path / "out").name
    assert f"features: {tmp_path / 'out'} ({name}; " in capsys.readouterr().out
