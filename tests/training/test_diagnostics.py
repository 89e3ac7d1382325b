import json
import math
import warnings

import pytest
import torch

import latentgeo.training.display
from latentgeo.datasets import ImageDataset
from latentgeo.errors import InputError, TrainingDivergedError
from latentgeo.files import sha256_of_file
from latentgeo.models import load_model
from latentgeo.settings import parse
from latentgeo.training import TrainConfig
from latentgeo.training.step import Step, follow
from latentgeo.training.validation import measure

quiet = pytest.mark.filterwarnings("ignore:.*has not learned")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"recipe": "vea"}, "recipe 'vea' is unknown; did you mean 'vae'?"),
        (
            {"backbone": "resnet"},
            "backbone 'resnet' is unknown; expected one of sctc, maxpool, mlp, wae",
        ),
        ({"options": {"kl_wieght": 2}}, "'kl_wieght' is unknown; did you mean 'kl_weight'?"),
        ({"epochs": 0}, "setting epochs is 0: input should be greater than 0"),
        ({"batch_size": 2.5}, "setting batch_size is 2.5: input should be a valid integer"),
        ({"learning_rate": -1}, "setting learning_rate is -1: input should be greater than 0"),
        ({"learning_rate": math.nan}, "setting learning_rate is nan: input should be"),
        ({"schedule": "linear"}, "setting schedule is 'linear': input should be 'constant', "),
        ({"beta1": 1}, "setting beta1 is 1: input should be less than 1"),
        ({"warmup_steps": -1}, "setting warmup_steps is -1"),
        ({"gradient_clip": 0}, "setting gradient_clip is 0"),
        ({"patience": 0}, "setting patience is 0"),
        ({"train_samples": 0}, "setting train_samples is 0"),
        ({"train_samples": 55}, "55 samples of blobs (train) cannot be taken"),
        ({"seed": -1}, "setting seed is -1"),
        ({"device": "tpu"}, "setting device is 'tpu': input should be 'auto', 'cpu' or 'cuda'"),
        ({"precision": "8"}, "setting precision is '8': input should be '32-true'"),
        ({"precision": "16-mixed"}, "precision '16-mixed' needs a GPU"),
        ({"precision": "tf32"}, "precision 'tf32' needs a GPU"),
        ({"size": 32}, "size is 32, but the data are images already"),
        ({"data": "mnits"}, "data 'mnits' is not known (did you mean 'mnist'?)"),
    ],
)
def test_bad_settings_are_refused_in_one_line_before_anything_is_written(run, settings, message):
    with pytest.raises(InputError) as caught:
        run(**settings)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(run.folder.iterdir())


def test_unknown_settings_are_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"setting 'epoch' is unknown; did you mean 'epochs'\?"):
        parse(TrainConfig, {"recipe": "cae", "data": "digits", "epoch": 3}, "setting")


@pytest.mark.parametrize(
    ("built", "why"), [(True, "finds no GPU"), (False, "is built without CUDA")]
)
def test_a_device_that_is_not_there_is_named_with_what_is(run, monkeypatch, built, why):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "13.0" if built else None)
    with pytest.raises(InputError) as caught:
        run(device="cuda")
    version = torch.__version__
    assert str(caught.value) == (
        f"device 'cuda' is not available: PyTorch {version} {why}; use 'cpu' or 'auto'"
    )


def test_a_precision_that_the_gpu_lacks_is_named_with_what_it_has(run, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla T4")
    with pytest.raises(InputError) as caught:
        run(device="cuda", precision="bf16-mixed")
    assert str(caught.value) == (
        "precision 'bf16-mixed' is not available on 'Tesla T4'; use '16-mixed' or '32-true'"
    )
    assert not (run.folder / "run").exists()


def test_images_that_do_not_fit_the_backbone_are_refused(run, images):
    narrow = ImageDataset.from_array(images.images[..., :7])
    with pytest.raises(InputError, match="expected multiples of 4; resize the images"):
        run(data=narrow)
    assert not (run.folder / "run").exists()


def test_a_single_image_is_refused(run, images):
    with pytest.raises(InputError, match="has 1 image, expected at least 2"):
        run(data=images.take(1))


@quiet
def test_another_run_is_overwritten_only_by_force(run):
    folder = run(seed=1, epochs=1)
    before = sha256_of_file(folder / "model.safetensors")
    with pytest.raises(InputError, match=r"already holds files.*--force"):
        run(seed=2, epochs=1)
    with pytest.raises(InputError, match="setting epochs is 0"):
        run(epochs=0, force=True)
    assert sha256_of_file(folder / "model.safetensors") == before
    run(seed=2, epochs=1, force=True)
    assert sha256_of_file(folder / "model.safetensors") != before


def test_an_output_that_is_a_file_is_refused(run):
    (run.folder / "run").write_text("")
    with pytest.raises(InputError, match="is a file; give a folder for a training run"):
        run()


def test_divergence_names_step_term_and_what_to_try(run):
    with pytest.raises(TrainingDivergedError) as caught:
        run(recipe="cae", learning_rate=1e30)
    message = str(caught.value)
    assert "loss term 'reconstruction' is" in message
    assert "at step 2 (epoch 1)" in message
    assert "the last good checkpoint, of step 0, is kept in" in message
    assert "try a learning rate below 1e+30, or a gradient clip of 1" in message
    assert "\n" not in message


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_last_good_checkpoint_is_kept(run, monkeypatch, value):
    losses = Step._losses

    def spoilt(self, pass_, batch):
        terms = losses(self, pass_, batch)
        if self.run.progress.step == 11:
            terms["kl"] = terms["kl"] * value
            terms["loss"] = terms["loss"] + terms["kl"]
        return terms

    monkeypatch.setattr(Step, "_losses", spoilt)
    with pytest.raises(TrainingDivergedError, match=r"term 'kl' is .* at step 12 .*of step 9"):
        run(gradient_clip=1.0, precision="bf16-mixed")
    folder = run.folder / "run"
    load_model(folder)
    state = torch.load(folder / "state" / "last.pt", weights_only=True)
    assert state["progress"]["step"] == 9
    assert all(weights.isfinite().all() for weights in state["model"].values())


def test_a_validation_that_diverges_stops_too(run, monkeypatch):
    monkeypatch.setattr(
        "latentgeo.training.validation.measure",
        lambda *given: {**measure(*given), "psnr": torch.tensor(math.nan)},
    )
    with pytest.raises(TrainingDivergedError, match=r"loss term 'psnr' is nan"):
        run()


def test_weights_that_are_not_finite_are_never_saved(run, monkeypatch):

    def spoilt(run):
        follow(run)
        if run.progress.step == 5:
            with torch.no_grad():
                next(run.nets.model.parameters()).view(-1)[0] = math.inf

    monkeypatch.setattr("latentgeo.training.step.follow", spoilt)
    with pytest.raises(TrainingDivergedError, match=r"a weight is not finite .*of step 3, is kept"):
        run()
    state = torch.load(run.folder / "run" / "state" / "last.pt", weights_only=True)
    assert all(weights.isfinite().all() for weights in state["model"].values())


def test_a_collapse_is_said_plainly(run):
    with pytest.warns(UserWarning, match=r"the cae in .* has not learned: its validation PSNR"):
        folder = run(recipe="cae", epochs=1, learning_rate=1e-9)
    facts = json.loads((folder / "provenance.json").read_text())
    assert facts["learned"] is False
    assert facts["validation_psnr_db"] < facts["baseline_psnr_db"] + 1


def test_nothing_is_said_of_a_model_that_has_learned(run):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*has not learned")
        folder = run(recipe="cae", epochs=30, learning_rate=1e-2)
    assert json.loads((folder / "provenance.json").read_text())["learned"] is True


def test_missing_tensorboard_is_named_with_the_way_out(run, monkeypatch):
    monkeypatch.setattr(latentgeo.training.display, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"tensorboard is not installed; install it with"):
        run(tensorboard=True)
    assert not (run.folder / "run").exists()


@quiet
def test_tensorboard_gets_every_metric_also_after_a_resume(run, stop_at, monkeypatch):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs tensorboard"
    )
    stopped = stop_at(10)
    with pytest.raises(stopped):
        run(tensorboard=True)
    monkeypatch.undo()
    folder = run(tensorboard=True, resume=True)
    events = accumulator.EventAccumulator(str(folder / "tensorboard")).Reload()
    assert {"train/loss", "validation/kl", "validation/psnr", "learning_rate"} <= set(
        events.Tags()["scalars"]
    )
    assert [event.step for event in events.Scalars("train/loss")] == [7, 14, 21]
