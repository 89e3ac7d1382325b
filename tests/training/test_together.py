"""Runs that are trained at once: each is what it would be alone."""

import csv
import json
from itertools import combinations as combinations_of
from itertools import product

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import latentgeo
from latentgeo.cli import main
from latentgeo.datasets import ImageDataset, load
from latentgeo.errors import InputError, TrainingDivergedError
from latentgeo.training import train_together
from latentgeo.training.batched import StackedStep
from latentgeo.training.run_folder import RunFolder
from latentgeo.training.start import fresh_model
from latentgeo.training.step import Step
from latentgeo.training.together import SWEPT_OPTIONS, SWEPT_SETTINGS

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*has not learned", "ignore:.*ended with a diagnostic"
)

SEEDS = (0, 3)
MLP = {"backbone": "mlp", "options": {"hidden": (8,), "latent_dim": 2}}
ACAI = {"backbone": "acai", "options": {"depth": 2, "scales": 2, "latent_channels": 3}}
CRITIC = {"critic_depth": 2}
DISCRIMINATOR = {"discriminator": (8,)}


def with_options(base, **options):
    return {**base, "options": {**base["options"], **options}}


SCTC = {"options": {"widths": (2, 3, 4)}}
CASES = {
    "cae": ("cae", {"gradient_clip": 0.5, "schedule": "cosine", "warmup_steps": 2}),
    "dae": ("dae", {}),
    "vae": ("vae", MLP),
    "vae with a critic": ("vae", with_options(SCTC, critic_weight=0.5, **CRITIC)),
    "aae": ("aae", with_options(MLP, discriminator_noise=0.1, input_noise=0.1, **DISCRIMINATOR)),
    "aae, universal": ("aae", with_options(MLP, encoder="universal", **DISCRIMINATOR)),
    "aae, mixture": ("aae", with_options(MLP, prior="mixture", known_prior=True, **DISCRIMINATOR)),
    "wae-mmd": ("wae-mmd", with_options(MLP, prior="swiss-roll", pretrain_steps=2)),
    "wae-gan": ("wae-gan", {**with_options(MLP, **DISCRIMINATOR), "gradient_clip": 0.5}),
    "swae": ("swae", with_options(MLP, stage_hidden=(4,), stage_dim=2)),
    "acai": ("acai", with_options(ACAI, **CRITIC)),
    "dropout-ae": ("dropout-ae", ACAI),
}


@pytest.fixture
def run_seeds(run):
    """Train tiny models of several seeds on the blobs, as `run` trains one."""

    def train_all(name="runs", recipe="vae", seeds=SEEDS, **settings):
        given = {
            "data": run.images,
            "out": run.folder / name,
            **SCTC,
            "epochs": 2,
            "batch_size": 8,
            "device": "cpu",
            "checkpoint_steps": 3,
            "progress": False,
        }
        return train_together(recipe, seeds=seeds, **{**given, **settings})

    return train_all


def rows(folder):
    with (folder / "metrics.csv").open() as stream:
        return list(csv.DictReader(stream))


def flat(state, path=""):
    """Return every number and tensor of a state by its path."""
    if isinstance(state, dict | list):
        parts = state.items() if isinstance(state, dict) else enumerate(state)
        return {k: v for name, part in parts for k, v in flat(part, f"{path}/{name}").items()}
    return {path: state}


def state(folder):
    found = flat(torch.load(folder / "state" / "last.pt", weights_only=True))
    # Of what went wrong, the words hold numbers.
    known = {path: None if isinstance(value, str) else value for path, value in found.items()}
    return {path: value for path, value in known.items() if not path.endswith("/seconds")}


def assert_same_run(one, other):
    """Compare two run folders: equal but for rounding, and after the same draws."""
    weights, expected = (load_file(folder / "model.safetensors") for folder in (one, other))
    assert weights.keys() == expected.keys()
    for name in weights:
        torch.testing.assert_close(weights[name], expected[name], rtol=1e-4, atol=1e-5)
    ours, theirs = rows(one), rows(other)
    assert [list(row) for row in ours] == [list(row) for row in theirs]
    for row, wanted in zip(ours, theirs, strict=True):
        found = [np.array([float(value) for value in each.values()]) for each in (row, wanted)]
        np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-5)
    left, wanted = state(one), state(other)
    assert left.keys() == wanted.keys()
    for path, value in wanted.items():
        exact = path.startswith("/random")
        close = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-3, "atol": 1e-4}
        torch.testing.assert_close(left[path], value, **close, msg=lambda m, p=path: f"{p}: {m}")


def assert_each_is_alone(run, folders, recipe="vae", **settings):
    for seed, folder in zip(SEEDS, folders, strict=True):
        given = {"epochs": 2, "seed": seed, **settings}
        assert_same_run(folder, run(f"alone-{seed}", recipe=recipe, **given))


class Stopped(Exception):
    """What a killed process is like."""


@pytest.fixture
def stop_at(monkeypatch):
    """Stop where a method is called for the n-th time, from 0."""

    def stop(owner, name, call):
        whole, calls = getattr(owner, name), []

        def until(*given, **named):
            calls.append(name)
            if len(calls) > call:
                raise Stopped
            return whole(*given, **named)

        monkeypatch.setattr(owner, name, until)

    return stop


@pytest.mark.parametrize("case", CASES)
def test_each_seed_is_what_it_is_alone(run, run_seeds, case):
    recipe, settings = CASES[case]
    folders = run_seeds(recipe=recipe, **settings)
    assert_each_is_alone(run, folders, recipe, **settings)
    for seed, folder in zip(SEEDS, folders, strict=True):
        for name in ("run.json", "config.json"):
            alone = run.folder / f"alone-{seed}" / name
            assert (folder / name).read_text() == alone.read_text()
    one, other = (load_file(folder / "model.safetensors") for folder in folders)
    assert any(not torch.equal(one[name], other[name]) for name in one)


# Every name that can be swept, with values of which each makes other weights.
SWEEPS = {
    "steps": ("cae", {}, {"learning_rate": [1e-3, 1e-2], "gradient_clip": [None, 0.1]}),
    "courses": ("cae", {}, {"schedule": ["constant", "cosine"], "warmup_steps": [0, 3]}),
    "noise": ("dae", {}, {"noise": [(0.0, 0.1), (0.2, 0.3)]}),
    "weights": ("vae", MLP, {"kl_weight": [0.5, 4], "kl_warmup": [0.0, 0.8]}),
    "noise on the input": (
        "aae",
        with_options(MLP, **DISCRIMINATOR),
        {"input_noise": [0.0, 0.2], "adversarial_weight": [0.1, 1]},
    ),
    "rates of adversaries": (
        "aae",
        with_options(MLP, critic_weight=0.5, **CRITIC, **DISCRIMINATOR),
        {"discriminator_rate": [1e-3, 1e-2], "critic_rate": [1e-4, 1e-2]},
    ),
    "weights of a prior": (
        "wae-mmd",
        with_options(MLP, pretrain_steps=1),
        {"prior_weight": [1, 10], "convention": ["paper", "published-code"]},
    ),
    "pre-training": ("wae-mmd", MLP, {"pretrain_steps": [0, 2]}),
    "weight of a stage": (
        "swae",
        with_options(MLP, stage_hidden=(4,), stage_dim=2),
        {"stage_weight": [0.1, 1]},
    ),
    "weight of a critic": ("acai", with_options(ACAI, **CRITIC), {"critic_weight": [0.1, 1]}),
}


@pytest.mark.parametrize("case", SWEEPS)
def test_each_combination_is_what_it_is_alone(run, run_seeds, case):
    recipe, settings, sweep = SWEEPS[case]
    folders = run_seeds(recipe=recipe, seeds=(3,), sweep=sweep, **settings)
    combinations = [dict(zip(sweep, each, strict=True)) for each in product(*sweep.values())]
    for place, (folder, chosen) in enumerate(zip(folders, combinations, strict=True)):
        own = {name: value for name, value in chosen.items() if name in SWEPT_SETTINGS}
        options = {**settings.get("options", SCTC["options"])}
        options |= {name: value for name, value in chosen.items() if name in SWEPT_OPTIONS}
        given = {**settings, **own, "options": options}
        alone = run(f"alone-{place}", recipe=recipe, epochs=2, seed=3, **given)
        assert_same_run(folder, alone)
        for name in ("run.json", "config.json"):
            assert (folder / name).read_text() == (alone / name).read_text()
    found = [load_file(folder / "model.safetensors") for folder in folders]
    for one, other in combinations_of(found, 2):
        assert any(not torch.equal(one[name], other[name]) for name in one)


def test_every_run_has_its_own_probe(run, run_seeds):
    run.images = load("digits", "train").take(60, seed=0)
    settings = {"train_samples": 20, "probe": True, **MLP}
    folders = run_seeds(sweep={"probe_rate": [1e-4, 0.1]}, **settings)
    names = [f"probe_rate-{rate}-seed-{seed}" for rate in (0.0001, 0.1) for seed in SEEDS]
    assert [folder.name for folder in folders] == names
    assert_each_is_alone(run, folders[2:], probe_rate=0.1, **settings)


def test_a_sweep_that_was_stopped_goes_on(run, run_seeds, stop_at, monkeypatch):
    sweep = {"learning_rate": np.array([1e-3, 1e-2])}
    stop_at(RunFolder, "write_state", 7)
    with pytest.raises(Stopped):
        run_seeds(sweep=sweep)
    monkeypatch.undo()
    for folder in run_seeds(sweep=sweep, resume=True):
        rate, seed = float(folder.name.split("-")[1]), int(folder.name[-1])
        alone = run(f"alone-{folder.name}", epochs=2, learning_rate=rate, seed=seed)
        assert_same_run(folder, alone)


def test_all_that_can_be_swept_is_tested():
    swept = {name for _, _, sweep in SWEEPS.values() for name in sweep}
    assert swept | {"patience", "probe_rate"} == {*SWEPT_SETTINGS, *SWEPT_OPTIONS}


def test_noise_on_images_in_colour_is_what_it_is_alone(run, run_seeds):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 3, 8, 8), dtype=np.uint8)
    run.images = ImageDataset.from_array(pixels, name="colours")
    assert_each_is_alone(run, run_seeds(recipe="dae"), "dae")


def test_images_that_the_seed_chooses_and_a_probe_are_what_they_are_alone(run, run_seeds):
    run.images = load("digits", "train").take(60, seed=0)
    settings = {"train_samples": 20, "probe": True, **MLP}
    folders = run_seeds(**settings)
    assert_each_is_alone(run, folders, **settings)
    assert all((folder / "probe.safetensors").is_file() for folder in folders)


def test_each_run_stops_when_its_own_patience_ends(run, run_seeds, monkeypatch):
    def falls_for_seed_0(run):
        loss = run.progress.epoch * (-1.0 if run.config.seed == 0 else 1.0)
        return {"loss": loss, "reconstruction": loss, "psnr": 1.0}

    monkeypatch.setattr("latentgeo.training.loop.validate", falls_for_seed_0)
    folders = run_seeds(recipe="cae", epochs=4, sweep={"patience": [1, 2]})
    assert_each_is_alone(run, folders[:2], "cae", epochs=4, patience=1)
    assert [len(rows(folder)) for folder in folders] == [4, 2, 4, 3]


class TestResumed:
    # States are written at steps 0, 3, 6, 7 (the end of the epoch), 9, 12 and 14.
    @pytest.mark.parametrize(
        ("owner", "name", "call"),
        [
            (StackedStep, "descend", 4),
            # After seed 0 has saved its state and before seed 3 has, of steps 3, 7 and 14.
            (RunFolder, "write_state", 3),
            (RunFolder, "write_state", 7),
            (RunFolder, "write_state", 13),
        ],
    )
    def test_stopped_anywhere_each_goes_on_as_it_does_alone(
        self, run, run_seeds, stop_at, monkeypatch, owner, name, call
    ):
        stop_at(owner, name, call)
        with pytest.raises(Stopped):
            run_seeds()
        monkeypatch.undo()
        assert_each_is_alone(run, run_seeds(resume=True))

    def test_stopped_between_the_states_of_two_they_go_on_together(
        self, run_seeds, stop_at, monkeypatch
    ):
        whole = run_seeds("whole")
        # Seed 0 has written its state of step 7, or put that of step 12 in its place; 3 has not.
        for name, call in (("write_state", 7), ("accept", 9)):
            stop_at(RunFolder, name, call)
            with pytest.raises(Stopped):
                run_seeds(f"{name}-{call}")
            monkeypatch.undo()
            resumed = run_seeds(f"{name}-{call}", resume=True)
            for found, expected in zip(resumed, whole, strict=True):
                weights = load_file(found / "model.safetensors")
                for key, wanted in load_file(expected / "model.safetensors").items():
                    assert torch.equal(weights[key], wanted)
                assert not (found / "state" / "next.pt").exists()

    def test_a_state_that_waits_is_dropped_where_one_goes_on_alone(
        self, run, run_seeds, stop_at, monkeypatch
    ):
        stop_at(RunFolder, "write_state", 7)
        with pytest.raises(Stopped):
            run_seeds()
        monkeypatch.undo()
        resumed = run("runs/seed-0", seed=0, epochs=2, resume=True)
        assert not (resumed / "state" / "next.pt").exists()
        assert_same_run(resumed, run("alone", seed=0, epochs=2))

    def test_one_seed_goes_on_alone(self, run, run_seeds, stop_at, monkeypatch):
        stop_at(StackedStep, "descend", 10)
        with pytest.raises(Stopped):
            run_seeds()
        monkeypatch.undo()
        resumed = run("runs/seed-3", seed=3, epochs=2, resume=True)
        assert_same_run(resumed, run("alone", seed=3, epochs=2))

    def test_runs_that_were_begun_alone_go_on_together(self, run, run_seeds, stop_at, monkeypatch):
        for seed, call in ((0, 4), (3, 8)):
            stop_at(Step, "descend", call)
            with pytest.raises(Stopped):
                run(f"runs/seed-{seed}", seed=seed, epochs=2)
            monkeypatch.undo()
        assert_each_is_alone(run, run_seeds(resume=True))

    def test_nothing_is_left(self, run_seeds):
        run_seeds(recipe="cae", epochs=1)
        with pytest.raises(InputError, match=r"all these runs in .* are finished"):
            run_seeds(recipe="cae", epochs=1, resume=True)


def test_a_seed_that_diverges_is_named_and_all_can_go_on_from_their_states(run_seeds, monkeypatch):
    whole = StackedStep.descend

    def poisoned(self, batches):
        if self.runs[0].progress.step == 5:
            batches[1] = batches[1]._replace(images=batches[1].images * torch.nan)
        return whole(self, batches)

    monkeypatch.setattr(StackedStep, "descend", poisoned)
    with pytest.raises(TrainingDivergedError, match=r"^seed-3: .* of step 3, is kept .*seed-3'"):
        run_seeds()
    monkeypatch.undo()
    for folder in run_seeds(resume=True):
        assert [row["step"] for row in rows(folder)] == ["7", "14"]


def test_a_run_of_several_is_a_run_as_any_other(run, run_seeds):
    seen = []
    folders = run_seeds(
        recipe="cae", epochs=1, seeds=[7, 1], on_epoch=lambda model, *where: seen.append(where)
    )
    assert [folder.name for folder in folders] == ["seed-7", "seed-1"]
    assert seen == [(1, folder) for folder in folders]
    facts = json.loads((folders[1] / "provenance.json").read_text())
    assert (facts["seed"], facts["batched_with"], facts["finished"]) == (
        1,
        ["seed-7", "seed-1"],
        True,
    )
    latents = latentgeo.encode(
        latentgeo.load(folders[1]), run.images, noise=[0.0], out=run.folder / "latents"
    )
    assert np.isfinite(latents["mean"].values).all()


def test_the_draws_of_the_caller_are_left_as_they_were(run_seeds):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run_seeds(epochs=1)
    assert torch.equal(torch.rand(3), expected)


class TestRefused:
    def refused(self, run_seeds, message, **settings):
        with pytest.raises(InputError) as caught:
            run_seeds(**settings)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("settings", "reason"),
        [
            ({"precision": "bf16-mixed"}, "precision 'bf16-mixed' does not reach into torch.vmap"),
            ({"recipe": "vq-vae", "options": {"codebook_size": 4}}, "in its nets keeps more than"),
            (
                {"recipe": "wae-mmd", "backbone": "wae", "options": {"latent_dim": 2}},
                "BatchNorm2d in its nets keeps more than weights",
            ),
            (
                {
                    "recipe": "aae",
                    **with_options(MLP, variant="label-regularised", prior="mixture"),
                },
                "it learns from labels",
            ),
        ],
    )
    def test_recipes_that_cannot_be_one_batched_model(self, run, run_seeds, settings, reason):
        run.images = load("digits", "train").take(60, seed=0)
        self.refused(run_seeds, reason, **settings)
        self.refused(run_seeds, "; train them one by one", **settings)
        assert not (run.folder / "runs").exists()

    def test_a_term_that_looks_at_values(self, run, run_seeds, monkeypatch):
        def looks(self, pass_, batch):
            return pass_.logits.mean() if pass_.logits.mean() > 0 else pass_.logits.sum()

        monkeypatch.setattr("latentgeo.objectives.Reconstruction.__call__", looks)
        self.refused(run_seeds, "torch.vmap cannot map its terms or nets (", recipe="cae")
        assert not (run.folder / "runs").exists()

    def test_a_draw_that_cannot_be_told_apart(self, run_seeds, monkeypatch):
        def draws(self, pass_, batch):
            return torch.normal(pass_.logits, 1.0).mean()

        monkeypatch.setattr("latentgeo.objectives.Reconstruction.__call__", draws)
        self.refused(run_seeds, "torch.vmap cannot map its terms or nets (", recipe="cae")

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"seeds": []}, "no seeds were given; give at least one"),
            ({"seeds": [1, 2, 1]}, "seeds are [1, 2, 1], expected each of them once"),
            ({"seeds": [-1]}, "setting seed is -1"),
            ({"seed": 4}, "seed is 4, but seeds are given; leave seed out"),
            ({"epoch": 4}, "setting 'epoch' is unknown; did you mean 'epochs'?"),
            ({"resume": True}, "seed-0' holds no run to resume"),
            ({"sweep": {"batch_size": [8, 9]}}, "'batch_size' cannot be swept: runs of the vae "),
            ({"recipe": "vea", "sweep": {"kl_weight": [1]}}, "did you mean 'vae'?"),
            ({"sweep": {"noise": [0.1]}}, "can differ in learning_rate, schedule, "),
            ({"sweep": {"kl_weigth": [1]}}, "kl_weight, kl_warmup, critic_weight, critic_rate; "),
            ({"sweep": {"kl_weight": []}}, "sweep of kl_weight is [], expected a list of values"),
            ({"sweep": {"schedule": "cosine"}}, "sweep of schedule is 'cosine', expected a list"),
            ({"sweep": {"kl_weight": [1, 2, 1]}}, "is [1, 2, 1], expected each value once"),
            ({"sweep": {"kl_weight": [1, -2]}}, "kl_weight is -2"),
            ({"sweep": {"learning_rate": [0]}}, "learning_rate is 0"),
            ({"sweep": {"critic_weight": [0, 1]}}, "only some of them have the term 'critic'"),
        ],
    )
    def test_settings(self, run_seeds, settings, message):
        self.refused(run_seeds, message, **settings)

    def test_a_folder_that_holds_one_of_the_seeds(self, run, run_seeds):
        run("runs/seed-3", recipe="cae", epochs=1)
        self.refused(run_seeds, "seed-3' already holds files")
        assert not (run.folder / "runs" / "seed-0").exists()
        run_seeds(recipe="cae", epochs=1, force=True)

    def test_nets_that_share_weights(self, run_seeds, monkeypatch):
        def tied(config, parts):
            model = fresh_model(config, parts)
            model.decoder[1].bias = model.encoder[1].bias
            return model

        monkeypatch.setattr("latentgeo.training.start.fresh_model", tied)
        self.refused(run_seeds, "its nets share weights", recipe="cae", **MLP)

    def test_several_processes(self, run_seeds, monkeypatch):
        monkeypatch.setattr("latentgeo.processes.count", lambda: 2)
        self.refused(run_seeds, "torchrun started 2 processes")


class TestCommand:
    @pytest.fixture
    def command(self, tmp_path, capsys):
        def run(*arguments):
            tiny = ["--backbone", "mlp", "--option", "hidden=[4]", "--epochs", "1", "--quiet"]
            given = ["train", "cae", "--data", "digits", "--out", str(tmp_path), *tiny, *arguments]
            with pytest.raises(SystemExit) as left:
                main(given)
            return left.value.code, *capsys.readouterr()

        return run

    @pytest.mark.parametrize("seeds", ["2-3", "2,3"])
    def test_says_where_the_run_of_each_seed_lies(self, command, tmp_path, seeds):
        code, out, error = command("--seeds", seeds, "--train-samples", "64")
        folders = [tmp_path / "seed-2", tmp_path / "seed-3"]
        assert code == 0, error
        assert out.splitlines() == [f"run: {folder}" for folder in folders]
        assert all((folder / "model.safetensors").is_file() for folder in folders)

    def test_says_where_the_run_of_each_combination_lies(self, command, tmp_path):
        swept = ["--sweep", "learning_rate=[0.001,1e-4]", "--sweep", "gradient_clip=[null]"]
        code, out, error = command(*swept, "--seed", "2", "--train-samples", "64")
        names = [f"learning_rate-{rate}-gradient_clip-None-seed-2" for rate in ("0.001", "0.0001")]
        assert code == 0, error
        assert out.splitlines() == [f"run: {tmp_path / name}" for name in names]

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--sweep", "learning_rate"], "sweep 'learning_rate' is not NAME=VALUE"),
            (["--sweep", "learning_rate=0.1"], "sweep of learning_rate is 0.1, expected a list"),
            (["--seeds", "1,x"], "seeds '1,x' are not whole numbers; expected some with commas"),
            (["--seeds", "-1"], "seeds '-1' are not whole numbers"),
            (["--seeds", "3-1"], "no seeds were given"),
            (["--seeds", "0,1", "--seed", "2"], "leave out --tensorboard and --profile"),
            (["--seeds", "0,1", "--profile"], "leave out --tensorboard and --profile"),
        ],
    )
    def test_refuses_in_one_line(self, command, arguments, said):
        code, _, error = command(*arguments)
        assert code == 2
        assert said in error
        assert len(error.splitlines()) == 1
