import gzip
import json
from pathlib import Path

import pytest
import torch

from latentgeo.cli import main
from latentgeo.training import profiling
from latentgeo.training.profiling import Profile, summarise, unwatched
from latentgeo.training.step import Step

pytestmark = pytest.mark.filterwarnings("ignore:.*has not learned")

STEP = {"data", "forward and loss", "backward", "optimiser"}


def events(folder):
    with gzip.open(folder / "profile" / "trace.json.gz") as stream:
        return [event["name"] for event in json.load(stream)["traceEvents"] if "name" in event]


def summary(folder):
    return (folder / "profile" / "summary.txt").read_text().splitlines()


def test_a_profiled_run_is_the_same_run(run, assert_same_run):
    assert_same_run(run("plain"), run("profiled", profile=True))


def test_the_trace_holds_ten_steps_and_their_phases(run):
    names = events(run(profile=True, epochs=3))
    assert {name for name in names if name.startswith("ProfilerStep")} == {
        f"ProfilerStep#{step}" for step in range(10, 20)
    }
    assert all(names.count(phase) == 10 for phase in STEP)
    assert any(name.startswith("aten::convolution") for name in names)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_run_of_few_steps_is_traced_in_its_second_half(run, steps):
    folder = run(profile=True, epochs=1, batch_size=-(-54 // steps))
    traced = {name for name in events(folder) if name.startswith("ProfilerStep")}
    assert len(traced) == -(-steps // 2)
    assert f"{steps} steps in" in summary(folder)[0]


def test_the_summary_has_five_lines_that_name_phases_and_operators(run):
    folder = run(profile=True, recipe="acai", options={"widths": (2, 3, 4), "critic_depth": 2})
    lines = summary(folder)
    assert [line.split(":")[0] for line in lines] == [
        "profile",
        "steps",
        "beside",
        "operators",
        "trace",
    ]
    assert all(phase in lines[1] for phase in (*STEP, "adversaries"))
    assert "validation" in lines[2]
    assert "saving" in lines[2]
    assert "aten::" in lines[3]
    assert "steps 11 to 20 in" in lines[4]
    assert str(folder / "profile" / "trace.json.gz") in lines[4]


def test_an_interrupted_run_says_where_the_time_went(run, stop_at):
    stopped = stop_at(5)
    with pytest.raises(stopped):
        run(profile=True)
    assert "5 steps in" in summary(run.folder / "run")[0]


def test_shares_are_of_the_whole_run(monkeypatch, tmp_path):
    now = [0.0]
    monkeypatch.setattr(profiling, "perf_counter", lambda: now[0])
    with Profile(tmp_path, torch.device("cpu"), steps=2) as profile:
        for _ in range(2):
            for phase, seconds in (("data", 1.0), ("backward", 3.0)):
                with profile.phase(phase):
                    now[0] += seconds
            profile.step()
        with profile.phase("validation"):
            now[0] += 1.0
        now[0] += 1.0
    lines = (tmp_path / "summary.txt").read_text().splitlines()
    assert lines[0] == "profile:   2 steps in 10.0 s, 4000.00 ms a step"
    assert lines[1] == "steps:     data 20.0%, backward 60.0%"
    assert lines[2] == "beside:    validation 10.0%, the rest 10.0%"


def test_operators_are_said_from_the_largest_on():
    seconds = dict.fromkeys((*profiling.STEP_PHASES, *profiling.OTHER_PHASES), 1.0)
    operators = {f"aten::{name}": time for time, name in enumerate("abcdefg", start=1)}
    said = summarise(
        seconds, operators, total=8.0, steps=1, traced=(1, 1), trace=Path("trace.json.gz")
    )
    assert "aten::g 25.0%, aten::f 21.4%, aten::e 17.9%, aten::d 14.3%, aten::c 10.7%\n" in said


def test_without_it_nothing_is_watched_or_written(run, monkeypatch):
    phases = []
    descend = Step.descend

    def look(self, batches):
        phases.append(self.run.phase)
        return descend(self, batches)

    monkeypatch.setattr(Step, "descend", look)
    folder = run(epochs=1)
    assert set(phases) == {unwatched}
    assert unwatched("data") is unwatched("saving")
    assert not (folder / "profile").exists()


def test_the_command_prints_the_summary(tmp_path, capsys):
    out = tmp_path / "run"
    command = ["train", "cae", "--data", "digits", "--out", str(out), "--epochs", "1"]
    command += ["--option", "widths=[2,3,4]", "--train-samples", "64", "--batch-size", "32"]
    with pytest.raises(SystemExit) as left:
        main([*command, "--quiet", "--profile"])
    assert left.value.code == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[:5] == summary(out)
    assert printed[5] == f"run: {out}"
