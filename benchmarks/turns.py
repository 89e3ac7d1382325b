"""Processes that take turns, so that what they take can be compared where a machine's speed moves.

Where other machines share the hardware, its speed may move by half within seconds. Work that is
measured one after another then differs by when it ran. Here each of several processes does a little
and waits until all others did as much, so that the turns of a round meet the same machine.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from time import perf_counter, sleep

# Threads of the process that had its turn go on looking for work for some milliseconds.
_QUIET_SECONDS = 0.02


def measure_in_turns(commands: Mapping[str, Sequence[str]], turns: int) -> dict[str, list[float]]:
    """Start processes and give each a turn in every round.

    Parameters
    ----------
    commands : mapping of str to sequence of str
        What to start, by name. Each calls `TurnTaker` once it is warm.
    turns : int
        Rounds, as many as each of the processes takes turns.

    Returns
    -------
    dict of str to list of float
        Seconds of each turn, by name; those that end without a turn are left out.

    Raises
    ------
    subprocess.CalledProcessError
        When a process fails.
    """
    with ExitStack() as stack:
        # They get warm side by side, and wait.
        started = {
            name: stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for name, command in commands.items()
        }
        ready = {name: each for name, each in started.items() if _answer(each) is not None}
        return _in_rounds(ready, turns)


def _in_rounds(
    processes: Mapping[str, "subprocess.Popen[str]"], turns: int
) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in processes}
    for _ in range(turns):
        for name, process in processes.items():
            sleep(_QUIET_SECONDS)
            assert process.stdin is not None
            print(file=process.stdin, flush=True)
            answer = _answer(process)
            assert answer is not None
            seconds[name].append(answer)
    return seconds


def _answer(process: "subprocess.Popen[str]") -> float | None:
    """Wait for the end of a turn; give None when the process is done without one."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if line:
        return float(json.loads(line))
    if process.wait() != 0:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return None


class TurnTaker:
    """Counts steps, and lets a process wait between its turns; to be called after each step.

    Parameters
    ----------
    warmup : int
        Steps before the first turn.
    steps : int
        Steps of a turn.
    turns : int
        Turns; after the last one, steps are no longer held up.
    wait_for_device : callable
        Called where a turn begins or ends, to let commands that were only queued be done.
    """

    def __init__(
        self, warmup: int, steps: int, turns: int, wait_for_device: Callable[[], None]
    ) -> None:
        self._warmup, self._steps, self._turns = warmup, steps, turns
        self._wait_for_device = wait_for_device
        self._done = 0
        self._start = 0.0
        # What libraries print must not be taken for an answer.
        self._answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def __call__(self, *given: object, **named: object) -> None:
        """Note a step."""
        self._done += 1
        timed = self._done - self._warmup
        if timed < 0 or timed % self._steps or timed > self._turns * self._steps:
            return
        self._wait_for_device()
        seconds = perf_counter() - self._start
        print(json.dumps(seconds), file=self._answers, flush=True)
        if timed < self._turns * self._steps:
            sys.stdin.readline()
        self._start = perf_counter()
