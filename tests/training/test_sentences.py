"""Sentences go through the same training, encoding and analysis as images."""

import json

import numpy as np
import pytest

from latentgeo import InputError, analyze, encode
from latentgeo.cli import main
from latentgeo.datasets import SentenceDataset
from latentgeo.measures import AnalysisSettings
from latentgeo.models import load_model, sample_sentences
from latentgeo.training import train

pytestmark = pytest.mark.filterwarnings("ignore:.*has not learned", "ignore:.*diagnostic")

LINES = [
    f"{article} {subject} {verb} ."
    for article in ("a", "the", "one")
    for subject in ("dog", "cat", "man", "girl", "horse")
    for verb in ("runs", "sits", "jumps", "sleeps")
]
TINY = {"width": 16, "heads": 2, "place_width": 4, "latent_dim": 8}
STAGE = {"stage_dim": 4, "stage_hidden": (16,)}


@pytest.fixture(scope="module")
def data():
    return SentenceDataset.from_sentences(LINES, length=6, name="lines")


@pytest.fixture
def run_text(tmp_path, data):
    def run(name="run", recipe="swae", **settings):
        given = {
            "data": data,
            "out": tmp_path / name,
            "backbone": "text",
            "options": {**TINY, **(STAGE if recipe == "swae" else {})},
            "epochs": 2,
            "batch_size": 16,
            "device": "cpu",
            "checkpoint_steps": 2,
            "progress": False,
        }
        return train(recipe, **{**given, **settings})

    return run


@pytest.mark.parametrize("recipe", ["swae", "wae-gan"])
def test_stopped_and_resumed_is_bit_for_bit_the_unbroken_run(
    run_text, stop_at, monkeypatch, assert_same_run, recipe
):
    with monkeypatch.context():
        stopped = stop_at(5)
        with pytest.raises(stopped):
            run_text("stopped", recipe)
    monkeypatch.undo()
    assert_same_run(run_text("stopped", recipe, resume=True), run_text("unbroken", recipe))


def test_a_run_learns_and_keeps_its_words(run_text, data):
    folder = run_text(epochs=25, learning_rate=1e-2)
    facts = json.loads((folder / "provenance.json").read_text())
    assert facts["learned"]
    assert "vocabulary" not in facts  # it is in config.json
    model = load_model(folder)
    assert model.config.vocabulary == data.vocabulary
    assert len(sample_sentences(model, 3)) == 3


def test_latents_of_sentences_are_analysed_under_noise_on_words(run_text, data, tmp_path):
    folder = run_text("vae", "vae", options=TINY)
    latents = encode(folder, data, noise=[0, 0.5, 1], perturbation="words-replaced", samples=20)
    mean = latents["mean"].values[..., 0, 0]
    moved = np.linalg.norm(mean - mean[0], axis=-1).mean(axis=-1)
    assert moved[0] == 0 < moved[1] < moved[2]
    found = analyze(
        folder,
        data=data,
        noise=[0, 0.5],
        perturbation="words-unknown",
        samples=20,
        settings=AnalysisSettings(
            halves=2, tsne_seeds=(), pullback_images=6, pullback_directions=2
        ),
        out=tmp_path / "analysis",
    )
    own = found.tree["vae"]
    assert "psnr_mean" in own
    assert "pullback_condition_median" in own
    assert "example_reconstruction" not in own
    assert (tmp_path / "analysis" / "report.html").stat().st_size > 10_000


def test_other_words_and_other_places_are_refused(run_text, data):
    folder = run_text("cae", "cae", options=TINY, epochs=1)
    renamed = [line.replace("dog", "cow") for line in LINES]
    other = SentenceDataset.from_sentences(renamed, length=6, name="cows")
    with pytest.raises(InputError, match="'cows' do not have the vocabulary of the model"):
        encode(folder, other)
    known = SentenceDataset.from_sentences(renamed, vocabulary=data.vocabulary, length=6)
    assert encode(folder, known).sizes["sample"] == len(LINES)
    longer = SentenceDataset.from_sentences(LINES, length=7)
    with pytest.raises(InputError, match=r"shape \(15, 7, 1\)"):
        encode(folder, longer)


def test_on_the_command_line(tmp_path, capsys):
    text = tmp_path / "lines.txt"
    text.write_text("\n".join(LINES))
    options = [f"--option={name}={value}" for name, value in TINY.items()]
    options += ["--option=stage_dim=4", "--option=stage_hidden=[16]", "--epochs=1", "--size=6"]
    out = str(tmp_path / "run")

    def call(*arguments):
        with pytest.raises(SystemExit) as left:
            main([*arguments])
        return left.value.code, capsys.readouterr()

    train_it = ["train", "swae", "--backbone", "text", "--data", str(text), "--out", out]
    assert call(*train_it, *options, "--quiet", "--device=cpu")[0] == 0
    ways = ["--interpolate", LINES[0], LINES[1], "--steps=3", "--code=code"]
    code, said = call("sentences", out, "--samples=2", "--reconstruct", LINES[0], *ways)
    assert code == 0
    assert len(said.out.splitlines()) == 2 + 1 + 3
    code, said = call("sentences", out)
    assert code == 2
    assert said.err.startswith("latentgeo: there is nothing to do; give --samples")
    code, said = call("train", "cae", "--backbone=text", "--data=digits", f"--out={out}-2")
    assert code == 2
    assert "backbone 'text' takes sentences" in said.err
