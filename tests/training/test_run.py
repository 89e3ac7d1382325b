import csv
import json

import pytest
import torch
from safetensors.torch import load_file

from latentgeo.datasets import ImageDataset
from latentgeo.errors import InputError
from latentgeo.files import sha256_of_file
from latentgeo.models import load_model
from latentgeo.training import TrainConfig, train
from latentgeo.training.batches import Batches
from latentgeo.training.data import Splits, copied
from latentgeo.training.step import follow

pytestmark = pytest.mark.filterwarnings("ignore:.*has not learned")


def metrics(folder):
    with (folder / "metrics.csv").open() as stream:
        return [
            {name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)
        ]


def provenance(folder):
    return json.loads((folder / "provenance.json").read_text())


def state(folder):
    return torch.load(folder / "state" / "last.pt", weights_only=True)


def fixed_validation(monkeypatch, losses):
    """Patch validation to return these losses, one after another."""
    given = iter(losses)
    monkeypatch.setattr(
        "latentgeo.training.loop.validate",
        lambda run: {"loss": next(given), "reconstruction": 0.0, "psnr": 1.0},
    )


def test_run_folder_holds_all_that_is_needed(run, images):
    folder = run(seed=4)
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "metrics.csv",
        "model.safetensors",
        "provenance.json",
        "run.json",
        "state",
    ]
    saved = json.loads((folder / "run.json").read_text())
    config = TrainConfig.model_validate(saved["config"])
    assert config.options == {
        "critic_weight": 0.0,
        "critic_gamma": 0.2,
        "critic_depth": 16,
        "critic_rate": 0.0001,
        "likelihood": "bernoulli",
        "kl_weight": 1.0,
        "kl_warmup": 0.7,
        "head": "channels",
        "widths": (2, 3, 4),
    }
    assert (config.seed, config.epochs, config.data) == (4, 3, "blobs")
    assert saved["data"]["image_shape"] == [1, 8, 8]
    assert saved["data"]["train"]["samples"] == 54
    assert saved["data"]["validation"]["samples"] == 6
    facts = provenance(folder)
    assert facts["weights_sha256"] == sha256_of_file(folder / "model.safetensors")
    assert facts["finished"] is True
    assert (facts["epochs"], facts["steps"], facts["seed"]) == (3, 21, 4)


def test_metrics_have_a_row_per_epoch_and_a_column_per_term(run):
    rows = metrics(run(options={"widths": (2, 3, 4), "kl_warmup": 0}))
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert [row["step"] for row in rows] == [7, 14, 21]
    for row in rows:
        for part in ("train", "validation"):
            terms = row[f"{part}_reconstruction"] + row[f"{part}_kl"]
            assert row[f"{part}_loss"] == pytest.approx(terms, rel=1e-6)
    assert rows[-1]["validation_psnr"] > 0


def test_weights_of_terms_count_in_the_loss(run):
    rows = metrics(run(options={"widths": (2, 3, 4), "kl_weight": 0.5, "kl_warmup": 0}))
    last = rows[-1]
    assert last["train_loss"] == pytest.approx(
        last["train_reconstruction"] + 0.5 * last["train_kl"], rel=1e-6
    )


def test_a_term_that_warms_up_counts_less_at_first_and_fully_in_validation(run):
    rows = metrics(run(options={"widths": (2, 3, 4), "kl_warmup": 1}))
    first = rows[0]
    # Seven of twenty-one steps: the factor is 0, 1/21 … 6/21.
    assert first["train_reconstruction"] < first["train_loss"]
    assert first["train_loss"] < first["train_reconstruction"] + first["train_kl"] * 7 / 21
    for row in rows:
        full = row["validation_reconstruction"] + row["validation_kl"]
        assert row["validation_loss"] == pytest.approx(full, rel=1e-6)


@pytest.mark.parametrize("recipe", ["cae", "dae", "vae"])
@pytest.mark.parametrize("backbone", ["sctc", "mlp"])
def test_loss_falls_for_every_recipe_and_backbone(run, recipe, backbone):
    options = {"widths": (2, 3, 4)} if backbone == "sctc" else {"hidden": (16,), "latent_dim": 4}
    folder = run(recipe=recipe, backbone=backbone, options=options, epochs=6, learning_rate=1e-2)
    rows = metrics(folder)
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    assert load_model(folder).config.backbone == backbone


def test_the_images_are_not_overwritten_by_the_run(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "one.png").write_bytes(b"pixels")
    with pytest.raises(InputError, match=r"would replace .* which is an input"):
        train("cae", data=photos, out=photos, force=True, device="cpu")
    assert (photos / "one.png").read_bytes() == b"pixels"


def test_same_seed_same_run_and_other_seed_another(run, assert_same_run):
    first, second, other = run("a", seed=1), run("b", seed=1), run("c", seed=2)
    assert_same_run(first, second)
    assert provenance(first)["weights_sha256"] != provenance(other)["weights_sha256"]


def test_random_state_of_the_caller_is_left_alone(run):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    run(epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_random_state_of_the_caller_does_not_matter(run):
    torch.manual_seed(5)
    first = run("a", epochs=1)
    torch.manual_seed(6)
    second = run("b", epochs=1)
    assert provenance(first)["weights_sha256"] == provenance(second)["weights_sha256"]


def test_what_is_called_after_epochs_sees_the_model_and_touches_nothing(run, assert_same_run):
    seen = []

    def look(model, epoch):
        seen.append((epoch, model.training, model.decode(torch.rand(2, *model.latent_shape)).shape))

    assert_same_run(run("plain", epochs=2), run("watched", epochs=2, on_epoch=look))
    assert [(epoch, training) for epoch, training, _ in seen] == [(1, False), (2, False)]


def test_validation_draws_do_not_touch_training(run, monkeypatch):
    first = run("a", recipe="dae", epochs=2)
    fixed_validation(monkeypatch, [2.0, 1.0])
    second = run("b", recipe="dae", epochs=2)
    one, other = state(first)["model"], state(second)["model"]
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_every_image_is_seen_once_an_epoch_in_another_order(run, monkeypatch):
    seen = []
    of_epoch = Batches.positions

    def record(self, epoch, first):
        for positions in of_epoch(self, epoch, first):
            seen.append((epoch, positions.tolist()))
            yield positions

    monkeypatch.setattr(Batches, "positions", record)
    run(epochs=2)
    orders = [[p for epoch, batch in seen if epoch == wanted for p in batch] for wanted in (0, 1)]
    assert all(sorted(order) == list(range(54)) for order in orders)
    assert orders[0] != orders[1]


def test_best_weights_are_those_of_the_lowest_validation_loss(run, monkeypatch):
    fixed_validation(monkeypatch, [3.0, 1.0, 2.0])
    folder = run(recipe="cae")
    assert provenance(folder)["best_epoch"] == 2
    monkeypatch.undo()
    fixed_validation(monkeypatch, [3.0, 1.0])
    second_epoch = state(run("shorter", recipe="cae", epochs=2))["model"]
    best, last = load_file(folder / "model.safetensors"), state(folder)["model"]
    assert all(torch.equal(best[name], second_epoch[name]) for name in best)
    assert not all(torch.equal(best[name], last[name]) for name in best)


def test_stops_early_when_validation_no_longer_improves(run, monkeypatch):
    fixed_validation(monkeypatch, [3.0, 1.0, 1.0, 2.0, 0.0])
    folder = run(recipe="cae", epochs=5, patience=2)
    assert [row["validation_loss"] for row in metrics(folder)] == [3.0, 1.0, 1.0, 2.0]
    facts = provenance(folder)
    assert (facts["epochs"], facts["best_epoch"], facts["finished"]) == (4, 2, True)


def test_learning_rate_follows_its_schedule(run):
    rows = metrics(run(schedule="cosine", warmup_steps=7, learning_rate=1e-2))
    rates = [row["learning_rate"] for row in rows]
    assert rates[0] == 1e-2
    assert rates[0] > rates[1] > rates[2] > 0


def test_gradient_clip_bounds_the_step(run, monkeypatch):
    norms = []

    def record(run):
        follow(run)
        gradients = [parameter.grad.flatten() for parameter in run.nets.model.parameters()]
        norms.append(float(torch.cat(gradients).norm()))

    monkeypatch.setattr("latentgeo.training.step.follow", record)
    run("clipped", epochs=1, gradient_clip=0.1)
    assert max(norms) == pytest.approx(0.1, rel=1e-3)
    norms.clear()
    run("free", epochs=1)
    assert max(norms) > 1


def test_bfloat16_trains_and_keeps_float32_weights(run):
    folder = run(precision="bf16-mixed", epochs=1)
    weights = load_file(folder / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    exact = load_file(run("exact", epochs=1) / "model.safetensors")
    assert not all(torch.equal(weights[name], exact[name]) for name in weights)


def test_training_from_copies_on_the_device_is_the_same(run, monkeypatch):
    host = run("host", recipe="dae")
    monkeypatch.setattr(
        Splits, "copies_on", lambda splits, device: copied([splits.train], device, 10**6)
    )
    asked = []
    batch = ImageDataset.batch
    monkeypatch.setattr(
        ImageDataset, "batch", lambda images, at: asked.append(images.split) or batch(images, at)
    )
    other = run("copies", recipe="dae")
    one, two = state(host)["model"], state(other)["model"]
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert metrics(host) == metrics(other)
    # Of the training images the host is asked once more, for the mean image.
    assert asked.count("train") == 1


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["32-true", "tf32", "bf16-mixed", "16-mixed"])
def test_trains_and_resumes_on_a_gpu(run, precision, stop_at, monkeypatch):
    settings = {"device": "cuda", "precision": precision}
    before = torch.cuda.get_rng_state()
    stopped = stop_at(10)
    with pytest.raises(stopped):
        run(**settings)
    monkeypatch.undo()
    folder = run(**settings, resume=True)
    assert [row["epoch"] for row in metrics(folder)] == [1, 2, 3]
    assert provenance(folder)["device"] == "cuda"
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_bar_goes_to_standard_error(run, capfd):
    run(epochs=1, progress=True)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "vae" in captured.err


def test_is_silent_without_a_bar(run, capfd):
    run(epochs=1)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        ("cae", {"options": {"widths": (8, 16, 32)}, "epochs": 4}),
        ("vae", {"backbone": "mlp", "epochs": 12}),
    ],
)
def test_defaults_learn_on_real_digits(tmp_path, recipe, settings):
    folder = train(
        recipe, data="digits", out=tmp_path / "run", batch_size=32, progress=False, **settings
    )
    facts = provenance(folder)
    assert facts["learned"] is True
    assert facts["validation_psnr_db"] > facts["baseline_psnr_db"] + 1
    assert facts["data"]["train"]["samples"] == 1257
