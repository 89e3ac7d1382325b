"""Processes in turns: who is timed when, and what becomes of one that fails."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
STEPS, TURNS, WARMUP = 3, 4, 2

TAKER = f"""
import sys, time
sys.path.insert(0, {str(BENCHMARKS)!r})
from turns import TurnTaker
log = open(sys.argv[1], "a")
taker = TurnTaker({WARMUP}, {STEPS}, {TURNS}, lambda: None)
print("not an answer")
for step in range({WARMUP + STEPS * TURNS + 1}):
    log.write(sys.argv[2]); log.flush()
    taker(step, what="ever")
"""


@pytest.fixture(scope="module")
def turns(load_benchmark):
    return load_benchmark("turns")


def python(code, *arguments):
    return [sys.executable, "-c", code, *map(str, arguments)]


def test_each_round_gives_every_process_its_turn(turns, tmp_path):
    log = tmp_path / "log"
    commands = {name: python(TAKER, log, name) for name in "ab"}
    seconds = turns.measure_in_turns({**commands, "without": python("")}, TURNS)
    assert {name: len(each) for name, each in seconds.items()} == {"a": TURNS, "b": TURNS}
    assert all(0 < each < 60 for of_one in seconds.values() for each in of_one)
    written = log.read_text()
    # The step after the last turn is held up by nobody.
    assert sorted(written) == sorted(("a" + "b") * (WARMUP + STEPS * TURNS + 1))
    rounds = ("a" * STEPS + "b" * STEPS) * (TURNS - 1)
    # They get warm side by side.
    assert sorted(written[: 2 * WARMUP]) == sorted(("a" + "b") * WARMUP)
    assert written[2 * WARMUP :].startswith(rounds)


def test_a_process_that_fails_is_an_error(turns, capfd):
    with pytest.raises(subprocess.CalledProcessError):
        turns.measure_in_turns({"a": python("raise SystemExit(3)")}, TURNS)
