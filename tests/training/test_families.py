"""AAE, WAE and SWAE in the loop: they do what they claim, and say so when they do not."""

import csv
import json
import warnings

import numpy as np
import pytest
import torch

from latentgeo.datasets import ImageDataset, load
from latentgeo.errors import InputError
from latentgeo.metrics.mmd import mmd_squared
from latentgeo.models import load_model
from latentgeo.training import train

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*has not learned"),
    pytest.mark.filterwarnings("ignore:.*with a diagnostic"),
    pytest.mark.filterwarnings("ignore:epoch"),
]

MLP = {"hidden": (64,), "latent_dim": 8}
D = {"discriminator": (32, 32)}


def rows_of(folder):
    with (folder / "metrics.csv").open() as stream:
        return [
            {name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)
        ]


@pytest.fixture
def fit(tmp_path):
    def run(recipe, options, *, name="run", epochs=3, data="digits", backbone="mlp", **settings):
        return train(
            recipe,
            data=data,
            out=tmp_path / name,
            backbone=backbone,
            options={**(MLP if backbone == "mlp" else {}), **options},
            epochs=epochs,
            batch_size=64,
            progress=False,
            **settings,
        )

    return run


def distance_to_prior(folder, code=None):
    model = load_model(folder)
    images = load("digits", "validation").batch(slice(None))
    with torch.no_grad():
        posterior = model.posterior(images)
    codes = posterior.mean.flatten(1) if code is None else posterior.codes[code]
    draws = torch.randn(len(codes), codes.shape[1], generator=torch.Generator().manual_seed(0))
    return float(mmd_squared(codes, draws, scale=2.0 * codes.shape[1]))


@pytest.mark.parametrize(
    ("recipe", "options", "code"),
    [
        ("wae-mmd", {"pretrain_steps": 0}, None),
        ("wae-gan", {"pretrain_steps": 0, **D}, None),
        ("aae", D, None),
        ("swae", {"stage_hidden": (32,), "stage_dim": 4}, "code"),
    ],
)
def test_codes_approach_the_prior_and_images_come_back(fit, recipe, options, code):
    folder = fit(recipe, options, epochs=25)
    rows = rows_of(folder)
    assert rows[-1]["validation_psnr"] > rows[0]["validation_psnr"] + 2
    start = fit(recipe, options, name="start", epochs=1, learning_rate=1e-9)
    assert distance_to_prior(folder, code) < 0.4 * distance_to_prior(start, code)


def test_pretraining_matches_the_moments_before_the_first_epoch(fit):
    codes = {}
    for steps in (0, 120):
        options = {"pretrain_steps": steps, "prior_weight": 0.0}
        folder = fit("wae-mmd", options, name=str(steps), epochs=1, train_samples=64)
        codes[steps] = rows_of(folder)[0]["validation_mmd_latent_code_variance"]
    assert codes[0] < 0.3
    assert 0.5 < codes[120] < 1.5


def test_few_labels_beat_chance(fit):
    options = {"variant": "semi-supervised", "labels": 50, "latent_dim": 16, **D}
    error = rows_of(fit("aae", options, epochs=8))[-1]["validation_classification_error"]
    assert error < 0.35


def test_a_supervised_decoder_draws_the_class_that_it_is_told(fit):
    folder = fit("aae", {"variant": "supervised", "latent_dim": 14, **D}, epochs=20)
    model = load_model(folder)
    data = load("digits", "validation")
    images, labels = data.batch(slice(None)), torch.tensor(data.labels)
    means = torch.stack([images[labels == k].mean(dim=0) for k in range(10)]).flatten(1)
    latent = model.encode(images[:40])
    right = 0
    for label in range(10):
        told = model.bottleneck.condition(latent, torch.full((40,), label))
        with torch.no_grad():
            drawn = model.decode(told).flatten(1)
        right += int((torch.cdist(drawn, means).argmin(dim=1) == label).sum())
    assert right > 100  # of 400; guessing gives 40


@pytest.mark.parametrize(
    ("recipe", "options"),
    [
        ("aae", {"variant": "semi-supervised", "labels": 20, "latent_dim": 14, **D}),
        ("wae-mmd", {"pretrain_steps": 5}),
        ("swae", {"stage_hidden": (16,), "prior_term": "gan", **D}),
    ],
)
def test_resumed_is_bit_for_bit_the_unbroken_run(
    fit, stop_at, monkeypatch, assert_same_run, recipe, options
):
    few = load("digits", "train").take(200, seed=0)
    settings = {"data": few, "epochs": 2, "checkpoint_steps": 2}
    unbroken = fit(recipe, options, name="unbroken", **settings)
    for step in (0, 3):
        stopped = stop_at(step)
        with pytest.raises(stopped):
            fit(recipe, options, name=str(step), **settings)
        monkeypatch.undo()
        resumed = fit(recipe, options, name=str(step), resume=True, **settings)
        assert_same_run(resumed, unbroken, tensors=10)


@pytest.mark.parametrize("backbone", ["sctc", "wae"])
@pytest.mark.parametrize("recipe", ["aae", "wae-mmd", "wae-gan", "swae"])
def test_every_family_trains_on_every_backbone(fit, recipe, backbone):
    options = {"sctc": {"widths": (2, 3, 4)}, "wae": {"channels": (4, 8)}}[backbone]
    options = {**options, "doublings": 1} if backbone == "wae" else options
    known = {
        "aae": D,
        "wae-mmd": {"pretrain_steps": 2},
        "wae-gan": {**D, "pretrain_steps": 2},
        "swae": {"stage_hidden": (16,)},
    }[recipe]
    few = load("digits", "train").take(130, seed=0)
    folder = fit(recipe, {**options, **known}, backbone=backbone, data=few, epochs=2)
    rows = rows_of(folder)
    assert rows[1]["train_reconstruction"] < rows[0]["train_reconstruction"]
    images = few.batch(slice(0, 4))
    assert load_model(folder).encode(images).shape[0] == 4


def test_a_collapse_is_in_the_summary_and_said(fit):
    options = {"pretrain_steps": 0, "prior_deviation": 10.0}
    with pytest.warns(UserWarning, match="ended with a diagnostic: the codes .* have collapsed"):
        folder = fit("wae-mmd", options, epochs=1, learning_rate=1e-9, train_samples=64)
    facts = json.loads((folder / "provenance.json").read_text())
    assert facts["finished"] is True
    assert "have collapsed" in facts["diagnostics"][0]


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (None, {"variant": "semi-supervised"}, "data 'marked' have no labels"),
        (3, {"variant": "semi-supervised", "labels": 2, "categories": 3}, "labels is 2, fewer"),
        (12, {"variant": "supervised"}, "labels up to 11, but the number of categories is 10"),
    ],
)
def test_labels_that_cannot_be_used_are_refused_before_anything_is_written(
    fit, tmp_path, labels, options, message
):
    marks = None if labels is None else np.arange(48) % labels
    data = ImageDataset.from_array(np.zeros((48, 8, 8), np.uint8), marks, name="marked")
    with pytest.raises(InputError, match=message):
        fit("aae", {"latent_dim": 16, **D, **options}, data=data)
    assert not (tmp_path / "run").exists()


def test_patience_is_refused_with_an_adversary(fit):
    with pytest.raises(InputError, match="patience is 3, but an adversary's loss cannot be comp"):
        fit("aae", D, patience=3)


def test_healthy_runs_say_nothing(fit):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*diagnostic")
        folder = fit("wae-mmd", {}, epochs=6)
    assert json.loads((folder / "provenance.json").read_text())["diagnostics"] == []
