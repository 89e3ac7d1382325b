"""Steps that are recorded once and replayed: they lead where the steps themselves lead."""

import warnings
from contextlib import contextmanager
from copy import copy

import numpy as np
import pytest
import torch

from latentgeo.datasets import ImageDataset
from latentgeo.datasets.lines import line_stream
from latentgeo.errors import TrainingDivergedError
from latentgeo.objectives import Batch, Labelled
from latentgeo.training import RunFolder, TrainConfig, loop, pending
from latentgeo.training.batched import StackedStep
from latentgeo.training.data import Splits
from latentgeo.training.graph import GraphedStep, can_be_graphed
from latentgeo.training.loop import Loop
from latentgeo.training.start import fresh_run
from latentgeo.training.step import Step

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*has not learned", "ignore:.*ended with a diagnostic"
)

CPU, CARD = torch.device("cpu"), torch.device("cuda")
MLP = {"backbone": "mlp", "options": {"hidden": (8,), "latent_dim": 2}}
ACAI = {"backbone": "acai", "options": {"depth": 2, "scales": 2, "latent_channels": 3}}
SCTC = {"options": {"widths": (2, 3, 4)}}


def with_options(base, **options):
    return {**base, "options": {**base.get("options", {}), **options}}


DISCRIMINATOR = {"discriminator": (8,)}
SEMI = {"variant": "semi-supervised", "labels": 20, "latent_dim": 12, **DISCRIMINATOR}
ALONE = {
    "cae": ("cae", {**SCTC, "gradient_clip": 0.5, "schedule": "cosine", "warmup_steps": 5}),
    "cae with a probe": ("cae", {**SCTC, "probe": True}),
    "dae": ("dae", SCTC),
    "vae": ("vae", with_options(MLP, kl_warmup=0.5)),
    "aae": ("aae", with_options(MLP, discriminator_noise=0.1, **DISCRIMINATOR)),
    "aae with labels": ("aae", with_options(MLP, **SEMI)),
    "wae-mmd": ("wae-mmd", with_options(MLP, prior="mixture", pretrain_steps=2)),
    "wae-gan": ("wae-gan", with_options(MLP, **DISCRIMINATOR)),
    "swae": ("swae", with_options(MLP, stage_hidden=(4,), stage_dim=2)),
    "acai": ("acai", with_options(ACAI, critic_depth=2)),
    "dropout-ae": ("dropout-ae", ACAI),
    "vq-vae": ("vq-vae", ACAI),
}
TOGETHER = ("cae", "vae", "aae", "wae-gan", "acai", "dropout-ae")
SAMPLES = 54


def images(count=SAMPLES + 6):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, 1, 8, 8), dtype=np.uint8)
    return ImageDataset.from_array(pixels, labels=np.arange(count) % 10, name="noise")


def splits():
    return Splits(images().take(SAMPLES), images().take(6))


def make_run(folder, case, device=CPU, *, seed=0, own_draws=False, data=None, **settings):
    recipe, own = ALONE[case]
    given = {"data": "noise", "epochs": 3, "batch_size": 8, "seed": seed, **own, **settings}
    config = TrainConfig(recipe=recipe, device=device.type, **given)
    return fresh_run(config, data or splits(), RunFolder(folder), device, own_draws=own_draws)


class Replayed:
    """Stands in for what a recording returns: it is filled by the last replay."""

    def __init__(self):
        self.found = None

    @property
    def values(self):
        return self.found.values

    def _replace(self, values):
        return self.found._replace(values=values)


def recorder(runs):
    """Return what records on a CPU: it computes at each replay, as the optimisers stood then."""

    def record(function, generators):
        groups = [g for run in runs for each in run.nets.optimisers() for g in each.param_groups]
        rates = [group["lr"] for group in groups]
        assert all(isinstance(rate, torch.Tensor) for rate in rates)
        found = Replayed()

        @contextmanager
        def as_recorded():
            before = [group["lr"] for group in groups]
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate
            yield
            for group, rate in zip(groups, before, strict=True):
                group["lr"] = rate

        def replay():
            with as_recorded():
                found.found = function()

        return replay, found

    return record


@pytest.fixture
def on_a_cpu(monkeypatch):
    """Make loops replay their steps on a CPU."""
    graphed = []

    def make(steps):
        graphed.append(GraphedStep(steps, recorder(steps.runs)))
        return graphed[-1]

    monkeypatch.setattr(loop, "can_be_graphed", lambda run: True)
    monkeypatch.setattr(loop, "GraphedStep", make)
    return graphed


def trained(runs, make_steps=Step):
    """Return the weights, the losses of each epoch and the random states at the end."""
    for run in runs:
        run.folder.begin(run.config, run.splits.facts(), force=False)
    Loop(runs, make_steps).run(lambda *given: None, lambda run: None)
    return [(run.nets.state_dict(), run.progress.rows) for run in runs], torch.get_rng_state()


def weights_of(state):
    found = dict(state["model"])
    for name, adversary in state["adversaries"].items():
        found |= {f"{name}.{key}": value for key, value in adversary["adversary"].items()}
    if "probe" in state:
        found |= {f"probe.{key}": value for key, value in state["probe"]["layer"].items()}
    return found


def assert_same(one, other, **tolerance):
    for (first, rows), (second, others) in zip(one, other, strict=True):
        torch.testing.assert_close(weights_of(first), weights_of(second), **tolerance)
        for row, own in zip(rows, others, strict=True):
            assert row == (own if not tolerance else pytest.approx(own, rel=1e-3, abs=1e-4))


@contextmanager
def fallback_is_an_error():
    """Raise every warning within a block but those on what was trained."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*(has not learned|with a diagnostic|epoch)")
        yield


@pytest.mark.parametrize("case", ALONE)
def test_a_replayed_step_is_the_step(case, tmp_path, on_a_cpu, monkeypatch):
    replayed, draws = trained([make_run(tmp_path / "replayed", case)])
    assert on_a_cpu[0]._replay is not None
    monkeypatch.undo()
    steps, expected = trained([make_run(tmp_path / "steps", case)])
    assert_same(replayed, steps)
    assert torch.equal(draws, expected)


@pytest.mark.parametrize("case", TOGETHER)
def test_a_replayed_step_of_several_runs_is_theirs(case, tmp_path, on_a_cpu, monkeypatch):
    def runs(name):
        return [
            make_run(tmp_path / f"{name}{seed}", case, seed=seed, own_draws=True) for seed in (0, 3)
        ]

    replayed, _ = trained(runs("replayed"), StackedStep)
    assert on_a_cpu[0]._replay is not None
    monkeypatch.undo()
    assert_same(replayed, trained(runs("steps"), StackedStep)[0])


def test_a_recording_serves_all_epochs(tmp_path, on_a_cpu):
    trained([make_run(tmp_path / "run", "cae", epochs=5)])
    assert len(on_a_cpu) == 1


def test_what_cannot_be_recorded_is_taken_as_it_is(tmp_path, monkeypatch):
    def refuse(function, generators):
        function()
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(loop, "can_be_graphed", lambda run: True)
    monkeypatch.setattr(loop, "GraphedStep", lambda steps: GraphedStep(steps, refuse))
    run = make_run(tmp_path / "run", "cae")
    with pytest.warns(UserWarning, match="cannot be recorded as a CUDA graph .operation not") as w:
        trained([run])
    assert len([each for each in w if "CUDA graph" in str(each.message)]) == 1
    assert run.progress.finished
    for group in run.nets.optimiser.param_groups:
        assert isinstance(group["lr"], float)
        assert group["capturable"] is False


@pytest.mark.parametrize("every", [2, 7, 100])
@pytest.mark.parametrize("case", ["vae", "aae"])
def test_losses_that_are_read_together_are_the_same(every, case, tmp_path, monkeypatch):
    expected, _ = trained([make_run(tmp_path / "one", case, checkpoint_steps=3)])
    monkeypatch.setitem(pending._EVERY, "cpu", every)
    found, _ = trained([make_run(tmp_path / "many", case, checkpoint_steps=3)])
    assert_same(found, expected)


@pytest.mark.parametrize("every", [1, 5])
def test_a_loss_that_is_not_finite_names_its_step(every, tmp_path, monkeypatch):
    monkeypatch.setitem(pending._EVERY, "cpu", every)
    take = Step.take

    def broken(self, batches):
        found = take(self, batches)
        if self.run.progress.step == 8:
            found.values.fill_(float("nan"))
        return found

    monkeypatch.setattr(Step, "take", broken)
    run = make_run(tmp_path / "run", "vae", checkpoint_steps=3)
    with pytest.raises(TrainingDivergedError, match=r"step 9 .epoch 2.; the last good .* step 7,"):
        trained([run])


def test_losses_are_read_before_a_state_is_saved(tmp_path, monkeypatch, stop_at):
    monkeypatch.setitem(pending._EVERY, "cpu", 100)
    expected, _ = trained([make_run(tmp_path / "whole", "vae", checkpoint_steps=3)])
    stopped = stop_at(13)
    run = make_run(tmp_path / "run", "vae", checkpoint_steps=3)
    with pytest.raises(stopped):
        trained([run])
    _, progress = run.folder.read_state()
    assert progress.step == 12
    assert progress.samples == 8 * progress.batch
    assert len(expected[0][1]) == 3


def test_a_batch_lists_and_copies_all_that_it_has():
    labels = torch.arange(2)
    batch = Batch(torch.rand(2, 1, 3, 3), labels, Labelled(torch.rand(1, 1, 3, 3), labels), labels)
    copied = batch.cloned()
    assert len(batch.tensors()) == len(copied.tensors()) == 5
    for one, other in zip(batch.tensors(), copied.tensors(), strict=True):
        assert torch.equal(one, other)
        assert one.data_ptr() != other.data_ptr()
    assert len(Batch(labels).tensors()) == len(Batch(labels).cloned().tensors()) == 1


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, True), ({"graph": False}, False), ({"precision": "16-mixed"}, False)],
)
def test_what_is_recorded(settings, expected, tmp_path):
    run = make_run(tmp_path, "cae", **settings)
    assert not can_be_graphed(run)
    on_a_card = copy(run)
    on_a_card.device = CARD
    assert can_be_graphed(on_a_card) is expected


def test_a_stream_makes_its_epoch_on_the_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (8 * 4 * 1024 * 20, 0))
    stream = line_stream(samples=20)
    of_lines = Splits(stream, images().take(2))
    for epoch in (0, 1):
        own = stream.at_epoch(epoch)
        made = of_lines.epoch_on(CPU, own)
        assert torch.equal(made, own.batch(slice(None)))
        assert of_lines.epoch_on(CPU, stream.at_epoch(epoch)) is made
    large = line_stream(samples=21)
    assert Splits(large, images().take(2)).epoch_on(CPU, large) is None


@pytest.mark.gpu
class TestOnAGpu:
    """The same with CUDA's own graphs."""

    @pytest.mark.parametrize("case", ALONE)
    def test_a_replayed_step_is_the_step(self, case, tmp_path):
        steps, _ = trained([make_run(tmp_path / "steps", case, CARD, graph=False)])
        with fallback_is_an_error():
            replayed, _ = trained([make_run(tmp_path / "replayed", case, CARD)])
        assert_same(replayed, steps, rtol=1e-3, atol=1e-4)

    @pytest.mark.parametrize("case", TOGETHER)
    def test_a_replayed_step_of_several_runs_is_theirs(self, case, tmp_path):
        def runs(name, **settings):
            return [
                make_run(tmp_path / f"{name}{s}", case, CARD, seed=s, own_draws=True, **settings)
                for s in (0, 3)
            ]

        steps, _ = trained(runs("steps", graph=False), StackedStep)
        with fallback_is_an_error():
            replayed, _ = trained(runs("replayed"), StackedStep)
        assert_same(replayed, steps, rtol=1e-3, atol=1e-4)

    @pytest.mark.parametrize("case", ["vae", "aae"])
    def test_runs_at_once_draw_what_they_draw_alone(self, case, tmp_path):
        together, _ = trained(
            [make_run(tmp_path / f"t{s}", case, CARD, seed=s, own_draws=True) for s in (0, 3)],
            StackedStep,
        )
        alone = [trained([make_run(tmp_path / f"a{s}", case, CARD, seed=s)])[0][0] for s in (0, 3)]
        assert_same(together, alone, rtol=1e-2, atol=1e-3)

    @pytest.mark.parametrize("precision", ["tf32", "bf16-mixed", "16-mixed"])
    def test_every_precision_trains(self, precision, tmp_path):
        run = make_run(tmp_path / "run", "cae", CARD, precision=precision)
        trained([run])
        assert run.progress.finished
        assert {each.dtype for each in run.nets.model.parameters()} == {torch.float32}

    def test_lines_are_made_there(self):
        stream = line_stream(samples=64).at_epoch(3)
        made = Splits(stream, images().take(2)).epoch_on(CARD, stream)
        torch.testing.assert_close(made.cpu(), stream.batch(slice(None)), rtol=0, atol=1e-5)
