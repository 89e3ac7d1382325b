"""The loop with a term that has an adversary."""

import json
import math
import warnings

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from latentgeo.errors import TrainingDivergedError
from latentgeo.models import RECIPES
from latentgeo.models.recipes import CAEOptions, Recipe
from latentgeo.objectives import AdversarialTerm

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*has not learned"),
    pytest.mark.filterwarnings("ignore:.*codes are"),
]


class Guess(AdversarialTerm):
    """The adversary tells codes from noise; the encoder fools it."""

    def __init__(self, size):
        net = nn.Sequential(nn.Flatten(), nn.Linear(size, 1))
        super().__init__(net, name="guess", learning_rate=0.01)

    def __call__(self, pass_, batch):
        return self.adversary(pass_.latent).square().mean()

    def adversary_loss(self, pass_, batch):
        noise = torch.randn_like(pass_.latent)
        return (self.adversary(noise) - self.adversary(pass_.latent) - 1).square().mean()

    def diagnostics(self, pass_, batch):
        return {"size": pass_.latent.square().mean()}

    def diagnose(self, signs):
        return f"codes are {'large' if signs['size'] > 0 else 'gone'}, try smaller ones"


@pytest.fixture(autouse=True)
def with_guess(monkeypatch):
    """Register a recipe with an adversary."""
    plain = RECIPES["cae"]

    def terms(options, shapes):
        return (*plain.terms(options, shapes), Guess(math.prod(shapes.latent)))

    recipe = Recipe("a guess", CAEOptions, plain.bottleneck, terms)

    def put():
        monkeypatch.setattr(RECIPES, "_rows", dict(RECIPES) | {"guess": recipe})

    put()
    return put


def state(folder):
    return torch.load(folder / "state" / "last.pt", weights_only=True)


def test_adversary_is_in_the_state_and_not_in_the_model(run):
    folder = run(recipe="guess")
    adversary = state(folder)["adversaries"]["guess"]
    assert set(adversary) == {"adversary", "optimiser"}
    assert adversary["optimiser"]["state"][0]["step"] == 21
    names = load_file(folder / "model.safetensors")
    assert set(names) == set(state(folder)["model"])
    header = (folder / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {
        "train_guess",
        "train_guess_adversary",
        "validation_guess",
        "validation_guess_size",
    } <= {*header}


@pytest.mark.parametrize("step", [0, 8, 13])
def test_resumed_is_bit_for_bit_the_unbroken_run(
    run, stop_at, monkeypatch, with_guess, assert_same_run, step
):
    unbroken = run("unbroken", recipe="guess", schedule="cosine")
    stopped = stop_at(step)
    with pytest.raises(stopped):
        run("stopped", recipe="guess", schedule="cosine")
    monkeypatch.undo()
    with_guess()
    assert_same_run(run("stopped", recipe="guess", schedule="cosine", resume=True), unbroken)


def test_the_last_epoch_is_kept_for_an_adversary_moves(run, monkeypatch):
    losses = iter([1.0, 2.0, 3.0])
    monkeypatch.setattr(
        "latentgeo.training.loop.validate",
        lambda run: {"loss": next(losses), "guess_size": 1.0, "psnr": 1.0},
    )
    folder = run(recipe="guess")
    best, last = load_file(folder / "model.safetensors"), state(folder)["model"]
    assert all(torch.equal(best[name], last[name]) for name in best)


def test_an_adversary_that_diverges_stops_the_run(run, monkeypatch):
    loss = Guess.adversary_loss
    calls = []

    def spoilt(self, pass_, batch):
        calls.append(1)
        return loss(self, pass_, batch) * (math.nan if len(calls) == 5 else 1)

    monkeypatch.setattr(Guess, "adversary_loss", spoilt)
    with pytest.raises(TrainingDivergedError, match=r"'guess_adversary' is nan at step 5 "):
        run(recipe="guess")
    weights = state(run.folder / "run")["adversaries"]["guess"]["adversary"]
    assert all(weight.isfinite().all() for weight in weights.values())


def test_weights_of_an_adversary_that_are_not_finite_are_never_saved(run, monkeypatch):
    descend = Guess.descend

    def spoilt(self, *given, **settings):
        loss = descend(self, *given, **settings)
        if self.optimiser.state_dict()["state"][0]["step"] == 6:
            self.adversary[1].bias.fill_(math.inf)
        return loss

    monkeypatch.setattr(Guess, "descend", spoilt)
    with pytest.raises(TrainingDivergedError, match=r"a weight is not finite .*of step 3, is kept"):
        run(recipe="guess")
    weights = state(run.folder / "run")["adversaries"]["guess"]["adversary"]
    assert all(weight.isfinite().all() for weight in weights.values())


def test_a_diagnostic_is_warned_of_and_kept(run):
    with pytest.warns(UserWarning, match="codes are large, try smaller ones") as said:
        folder = run(recipe="guess")
    lines = [str(warning.message) for warning in said if "codes" in str(warning.message)]
    assert len(lines) == 2
    assert lines[0].startswith("epoch 3 of the guess in ")
    assert "ended with a diagnostic: codes are large" in lines[1]
    facts = json.loads((folder / "provenance.json").read_text())
    assert facts["diagnostics"] == ["codes are large, try smaller ones"]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*codes are")
        other = run("other", recipe="cae")
    assert json.loads((other / "provenance.json").read_text())["diagnostics"] == []
