import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import torch

import latentgeo.files
from latentgeo.errors import InputError
from latentgeo.training import train

pytestmark = pytest.mark.filterwarnings("ignore:.*has not learned")

# Steps 12 and 15 lie within the second and third epoch of 7 steps; states are saved every 3.
_KILLED = """
import os, signal, sys
import numpy as np, torch
from latentgeo.datasets import ImageDataset
from latentgeo.training import train
from latentgeo.training.step import Step

out, recipe, step, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(threads)
descend = Step.descend

def until(self, batches):
    if self.run.progress.step == step:
        os.kill(os.getpid(), signal.SIGKILL)
    return descend(self, batches)

Step.descend = until
images = ImageDataset.from_array(np.load(sys.argv[5]), name="blobs")
train(recipe, data=images, out=out, options={"widths": (2, 3, 4)}, epochs=3, batch_size=8,
      device="cpu", checkpoint_steps=3, progress=False)
"""


@pytest.mark.parametrize(("recipe", "step"), [("vae", 12), ("dae", 16)])
def test_killed_in_mid_epoch_and_resumed_is_bit_for_bit_the_unbroken_run(
    run, images, tmp_path, assert_same_run, recipe, step
):
    np.save(tmp_path / "images.npy", images.images)
    command = [sys.executable, "-c", _KILLED, str(tmp_path / "killed"), recipe, str(step)]
    command += [str(torch.get_num_threads()), str(tmp_path / "images.npy")]
    root = str(Path(latentgeo.files.__file__).parents[1])
    killed = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": root}, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    last = torch.load(tmp_path / "killed" / "state" / "last.pt", weights_only=True)
    assert last["progress"]["step"] == step // 3 * 3
    assert last["progress"]["batch"] > 0
    resumed = run("killed", recipe=recipe, resume=True)
    assert_same_run(resumed, run("unbroken", recipe=recipe))
    rows = (resumed / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2", "3"]


@pytest.mark.parametrize("step", [0, 2, 7, 14, 20])
def test_stopped_anywhere_it_goes_on_as_if_nothing_had_happened(
    run, stop_at, monkeypatch, assert_same_run, step
):
    unbroken = run("unbroken", recipe="dae", patience=2, schedule="cosine")
    stopped = stop_at(step)
    with pytest.raises(stopped):
        run("stopped", recipe="dae", patience=2, schedule="cosine")
    monkeypatch.undo()
    resumed = run("stopped", recipe="dae", patience=2, schedule="cosine", resume=True)
    assert_same_run(resumed, unbroken)


def test_stopped_twice(run, stop_at, monkeypatch, assert_same_run):
    for step, resume in ((5, False), (16, True)):
        stopped = stop_at(step)
        with pytest.raises(stopped):
            run("stopped", resume=resume)
        monkeypatch.undo()
    assert_same_run(run("stopped", resume=True), run("unbroken"))


def test_a_state_from_before_diagnostics_were_called_so_goes_on(
    run, stop_at, monkeypatch, assert_same_run
):
    stopped = stop_at(10)
    with pytest.raises(stopped):
        run("old")
    monkeypatch.undo()
    path = run.folder / "old" / "state" / "last.pt"
    state = torch.load(path, weights_only=True)
    progress = state["progress"]
    renamed = {"diagnostics": "trouble", "diagnostics_epochs": "trouble_epochs"}
    assert set(renamed) < set(progress)
    state["progress"] = {renamed.get(name, name): progress[name] for name in progress}
    torch.save(state, path)
    assert_same_run(run("old", resume=True), run("unbroken"))


def test_leftovers_of_a_killed_write_are_swept_away(run, stop_at, monkeypatch):
    stopped = stop_at(9)
    with pytest.raises(stopped):
        run()
    monkeypatch.undo()
    folder = run.folder / "run"
    left = [folder / ".latentgeo-x-model.safetensors", folder / "state" / ".latentgeo-x-last.pt"]
    for path in left:
        path.write_text("half")
    run(resume=True)
    assert not any(path.exists() for path in left)


@pytest.mark.parametrize("file", ["last.pt", "model.safetensors", "metrics.csv"])
def test_a_full_disk_leaves_the_earlier_checkpoint_whole(run, monkeypatch, assert_same_run, file):
    replace, calls = os.replace, []

    def refuse(source, target):
        if Path(target).name == file:
            calls.append(target)
            if len(calls) == 2:
                raise OSError(errno.ENOSPC, "No space left on device", str(target))
        replace(source, target)

    monkeypatch.setattr(latentgeo.files.os, "replace", refuse)
    with pytest.raises(OSError, match="No space left") as caught:
        run("full", recipe="cae", learning_rate=1e-2)
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.undo()
    folder = run.folder / "full"
    torch.load(folder / "state" / "last.pt", weights_only=True)
    assert not list(folder.glob(".*")) + list((folder / "state").glob(".*"))
    resumed = run("full", recipe="cae", learning_rate=1e-2, resume=True)
    assert_same_run(resumed, run("unbroken", recipe="cae", learning_rate=1e-2))


def test_a_disk_that_fills_while_writing_raises_an_oserror(run, monkeypatch):
    write, calls = Path.write_bytes, []

    def refuse(self, content):
        if "last.pt" in self.name:
            calls.append(self)
            if len(calls) == 3:
                write(self, content[: len(content) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, content)

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(OSError, match="No space left"):
        run()
    monkeypatch.undo()
    run(resume=True)


@pytest.mark.parametrize("together", [False, True])
def test_a_run_that_stopped_before_its_first_state_begins(run, tmp_path, assert_same_run, together):
    from latentgeo.training import train_together

    more = {"seeds": [0]} if together else {}
    for name in ("whole", "begun"):
        run.together = partial(
            train_together if together else train,
            "vae",
            data=run.images,
            out=tmp_path / name,
            options={"widths": (2, 3, 4)},
            epochs=1,
            batch_size=8,
            device="cpu",
            progress=False,
        )
        run.together(**more)
    folders = [tmp_path / name / ("seed-0" if together else "") for name in ("whole", "begun")]
    for left in folders[1].iterdir():
        if left.name != "run.json":
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    run.together(resume=True, **more)
    assert_same_run(*folders)


def test_a_run_that_is_moved_away_says_so_and_goes_on_where_it_is(run, assert_same_run, tmp_path):
    def move(model, epoch):
        if epoch == 1:
            (tmp_path / "run").rename(tmp_path / "moved")

    with pytest.raises(InputError, match=r"is gone, moved or removed .* --resume"):
        run(on_epoch=move)
    assert not (tmp_path / "run").exists()
    assert_same_run(run("moved", resume=True), run("unbroken"))


class TestRefused:
    @pytest.fixture
    def stopped_run(self, run, stop_at, monkeypatch):
        stopped = stop_at(10)
        with pytest.raises(stopped):
            run()
        monkeypatch.undo()
        return run.folder / "run"

    def refused(self, run, message, **settings):
        with pytest.raises(InputError) as caught:
            run(**{"resume": True, **settings})
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_other_settings(self, run, stopped_run):
        message = "settings: learning_rate is 0.001 there and 0.01 here; give the same"
        self.refused(run, message, learning_rate=0.01)
        message = "settings: options is "
        self.refused(run, message, options={"widths": (2, 3, 5)})
        self.refused(run, "recipe is 'vae' there and 'dae' here", recipe="dae")

    def test_other_data(self, run, stopped_run):
        message = "cannot be resumed with other data: train is "
        self.refused(run, message, data=run.images.take(50, seed=0))

    def test_a_finished_run(self, run):
        run()
        self.refused(run, "is finished after 3 epochs, nothing is left to resume")

    @pytest.mark.parametrize("name", ["none", "empty"])
    def test_nothing_to_resume(self, run, name):
        self.refused(run, "holds no run to resume; start one without --resume", name=name)

    def test_a_broken_state(self, run, stopped_run):
        (stopped_run / "state" / "last.pt").write_bytes(b"broken")
        self.refused(run, "last.pt' cannot be read (")

    def test_a_state_of_which_a_byte_was_flipped(self, run, stopped_run):
        path = stopped_run / "state" / "last.pt"
        content = bytearray(path.read_bytes())
        with ZipFile(path) as archive:
            entry = max(archive.infolist(), key=lambda entry: entry.file_size)
        content[entry.header_offset + 200] ^= 1
        path.write_bytes(content)
        self.refused(run, "last.pt' cannot be read (ValueError): it is damaged")

    @pytest.mark.parametrize("lost", ["model", "optimiser", "random"])
    def test_a_state_of_another_version(self, run, stopped_run, lost):
        path = stopped_run / "state" / "last.pt"
        state = torch.load(path, weights_only=True)
        del state[lost]
        torch.save(state, path)
        self.refused(run, "(KeyError): it is damaged, or another version of latentgeo wrote it")

    def test_a_state_of_a_newer_version(self, run, stopped_run):
        path = stopped_run / "state" / "last.pt"
        state = torch.load(path, weights_only=True)
        torch.save({**state, "averaged": {}}, path)
        self.refused(run, "holds averaged, which this version of latentgeo does not know; go on")
        state["progress"]["patience"] = 3
        torch.save(state, path)
        self.refused(run, "(TypeError): it is damaged, or another version of latentgeo wrote it")

    def test_a_run_of_a_newer_version(self, run, stopped_run):
        path = stopped_run / "run.json"
        facts = json.loads(path.read_text())
        facts["config"]["patience"] = 3
        path.write_text(json.dumps(facts))
        self.refused(run, "settings: patience is 3 there and None here")

    @pytest.mark.parametrize("left", [0, 1, 200, -1])
    def test_a_state_that_was_cut_off(self, run, stopped_run, left):
        path = stopped_run / "state" / "last.pt"
        path.write_bytes(path.read_bytes()[:left])
        self.refused(run, "last.pt' cannot be read (")

    def test_a_state_that_would_run_code(self, run, stopped_run):
        torch.save({"progress": Path("x")}, stopped_run / "state" / "last.pt")
        self.refused(run, "last.pt' cannot be read (UnpicklingError)")

    def test_a_broken_run_file(self, run, stopped_run):
        (stopped_run / "run.json").write_text("{")
        self.refused(run, "run.json' is not valid JSON")

    def test_resume_and_force(self, run, stopped_run):
        self.refused(run, "resume and force were both given", force=True)
        assert json.loads((stopped_run / "run.json").read_text())
