"""Memory that is too small, as a model that cannot take many images at once."""

import json
import warnings

import pytest
import torch

from latentgeo.datasets import ImageDataset
from latentgeo.errors import InputError
from latentgeo.models import Autoencoder
from latentgeo.objectives import Batch
from latentgeo.training.micro_batches import split
from latentgeo.training.step import follow

pytestmark = pytest.mark.filterwarnings("ignore:.*has not learned")

PARTS = "ignore:a batch of .* does not fit"


@pytest.fixture
def memory_for(monkeypatch):
    """Simulate memory too small for more than so many images while a model trains."""
    forward = Autoencoder.forward

    def limit(images):
        def limited(self, batch, labels=None):
            pass_ = forward(self, batch, labels)
            if self.training and len(batch) > images:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
            return pass_

        monkeypatch.setattr(Autoencoder, "forward", limited)

    return limit


@pytest.fixture
def gradients(monkeypatch):
    """Collect the gradients of each step, in float64."""
    found = []

    def record(run):
        weights = run.nets.model.parameters()
        found.append(torch.cat([w.grad.flatten().double() for w in weights]))
        follow(run)

    monkeypatch.setattr("latentgeo.training.step.follow", record)
    return found


def provenance(folder):
    return json.loads((folder / "provenance.json").read_text())


def state(folder):
    return torch.load(folder / "state" / "last.pt", weights_only=True)


@pytest.mark.filterwarnings(PARTS)
@pytest.mark.parametrize("fitting", [1, 3, 4, 7])
def test_parts_give_the_gradients_of_the_whole_batch(run, memory_for, gradients, fitting):
    whole = run("whole", recipe="cae", epochs=1)
    expected = list(gradients)
    gradients.clear()
    memory_for(fitting)
    parts = run("parts", recipe="cae", epochs=1)
    assert len(gradients) == len(expected) == 7
    # The first step begins from the same weights; later ones carry its rounding on.
    torch.testing.assert_close(gradients[0], expected[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gradients[-1], expected[-1], rtol=1e-3, atol=1e-3)
    rows = [(folder / "metrics.csv").read_text().splitlines()[1] for folder in (whole, parts)]
    first, second = ([float(value) for value in row.split(",")] for row in rows)
    assert second == pytest.approx(first, rel=1e-4)


def test_it_is_said_once_and_recorded(run, memory_for):
    memory_for(3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        folder = run(recipe="cae", epochs=2)
    said = [str(each.message) for each in caught if "does not fit" in str(each.message)]
    assert said == [
        "a batch of 8 images does not fit into the memory of 'cpu': from step 1 on it is taken "
        "in parts of 2, and their gradients are added up, so that it stays the same batch"
    ]
    assert provenance(folder)["micro_batch"] == 2
    assert provenance(folder)["steps"] == 14


def test_where_memory_is_enough_nothing_is_recorded(run):
    assert provenance(run(recipe="cae", epochs=1))["micro_batch"] is None


@pytest.mark.filterwarnings(PARTS)
def test_a_resumed_run_keeps_the_parts(run, memory_for, stop_at, monkeypatch, assert_same_run):
    memory_for(4)
    unbroken = run("unbroken")
    monkeypatch.undo()
    memory_for(4)
    stopped = stop_at(9)
    with pytest.raises(stopped):
        run("stopped")
    monkeypatch.undo()
    # Now there is memory for all, but a run is one run.
    resumed = run("stopped", resume=True)
    assert provenance(resumed)["micro_batch"] == 4
    assert state(resumed)["progress"]["micro_batch"] == 4
    assert_same_run(resumed, unbroken)


@pytest.mark.filterwarnings(PARTS)
@pytest.mark.parametrize("recipe", ["vae", "dae"])
def test_recipes_that_draw_train_in_parts_too(run, memory_for, recipe):
    memory_for(4)
    folder = run(recipe=recipe, epochs=6, learning_rate=1e-2)
    rows = (folder / "metrics.csv").read_text().splitlines()
    column = rows[0].split(",").index("train_reconstruction")
    first, last = (float(rows[epoch].split(",")[column]) for epoch in (1, 6))
    assert last < first


@pytest.mark.filterwarnings(PARTS)
def test_the_probe_sees_the_whole_batch(run, memory_for):
    labels = torch.arange(60).numpy() % 3
    data = ImageDataset.from_array(run.images.images, labels=labels, name="blobs")
    memory_for(4)
    assert (run(recipe="cae", data=data, probe=True, epochs=1) / "probe.safetensors").is_file()


@pytest.mark.parametrize(
    ("recipe", "settings", "reason"),
    [
        ("acai", {"options": {"critic_depth": 2}}, "the adversary of 'critic' learns from"),
        ("aae", {"options": {}}, "the adversary of 'adversarial_latent' learns from"),
        (
            "wae-mmd",
            {"options": {"pretrain_steps": 0}},
            "the term 'mmd_latent' is measured on whole batches",
        ),
        (
            "cae",
            {"backbone": "wae", "options": {"channels": (2, 3), "doublings": 1}},
            "BatchNorm2d in its nets sees whole batches",
        ),
        ("vq-vae", {"options": {"codes": 2, "codebook_size": 4}}, "the term 'commitment' is"),
    ],
)
def test_what_needs_whole_batches_is_refused(run, memory_for, recipe, settings, reason):
    memory_for(4)
    settings = {"backbone": "acai", **settings}
    with pytest.raises(InputError) as caught:
        run(recipe=recipe, **settings)
    message = str(caught.value)
    assert message.startswith(f"out of memory on 'cpu' with 8 images at once, and the {recipe} ")
    assert reason in message
    assert message.endswith("set a smaller batch_size")
    assert "\n" not in message


def test_a_single_image_that_does_not_fit_is_said(run, memory_for):
    memory_for(0)
    with pytest.raises(InputError, match="with a single image; use smaller nets or images"):
        run(recipe="cae")


def test_memory_that_runs_out_elsewhere_is_said_in_one_line(run, monkeypatch):
    def full(run):
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB.")

    monkeypatch.setattr("latentgeo.training.loop.validate", full)
    with pytest.raises(InputError, match=r"^out of memory on 'cpu'; set a smaller batch_size"):
        run(recipe="cae")


def test_parts_hold_each_image_with_its_label():
    batch = Batch(torch.arange(7.0).reshape(7, 1, 1, 1), torch.arange(7))
    parts = split(batch, 3)
    assert [len(part.images) for part in parts] == [3, 3, 1]
    assert torch.equal(torch.cat([part.images for part in parts]), batch.images)
    assert torch.equal(torch.cat([part.labels for part in parts]), batch.labels)
    assert split(batch, 7) == split(batch, None) == [batch]
