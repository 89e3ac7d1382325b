"""Commands that are killed, interrupted or refused the disk, and what is left of them.

A trial is a command that a fault comes to before one change of its folder. Afterwards the same
command, as a user would give it again, has to come to the same result, bit for bit on one thread;
what lies at the output meanwhile is nothing, what was there before, or whole.
"""

import json
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import faults
import torch
from faults import Fault, Outcome

_TRAIN = (
    *("--data", "digits", "--option", "widths=[2,2,3]", "--epochs", "2", "--train-samples", "48"),
    *("--batch-size", "16", "--checkpoint-steps", "2", "--device", "cpu", "--quiet"),
)
_ON_DIGITS = ("--data", "digits", "--device", "cpu", "--quiet")
_SWEEP = (*_ON_DIGITS, "--samples", "8", "--noise", "0,0.1")
_KEPT_OUT = ("seconds", "created", "time", "command", "git", "summary_sha256")


#: Commands that draw figures, which takes most of their time.
DRAWING = ("analyze", "interpolate", "compare")


class Command(NamedTuple):
    """A command of the trials.

    Attributes
    ----------
    name : str
        What it is called in the table.
    arguments : tuple of str
        Its arguments but the output folder.
    out : str
        The option of the output folder.
    again : tuple of str
        What is added to go on.
    """

    name: str
    arguments: tuple[str, ...]
    out: str = "--out"
    again: tuple[str, ...] = ()


def commands(inputs: Path) -> dict[str, Command]:
    """Return the commands of the trials by name; `make_inputs` has made what they read."""
    run, analyses = str(inputs / "run"), [str(inputs / name) for name in ("one", "other")]
    rows = [
        Command("train", ("train", "cae", *_TRAIN), again=("--resume",)),
        Command("train --seeds", ("train", "vae", *_TRAIN, "--seeds", "0,1"), again=("--resume",)),
        Command("encode", ("encode", run, *_SWEEP, "--batch-size", "4")),
        Command("export", ("export", run, "--analysis", analyses[0]), out="--to"),
        Command("analyze", ("analyze", run, *_SWEEP)),
        Command("interpolate", ("interpolate", run, *_ON_DIGITS, "--pairs", "2")),
        Command("compare", ("compare", *analyses)),
    ]
    return {row.name: row for row in rows}


def make_inputs(folder: Path, *, analyses: bool = True) -> None:
    """Train the model that is read, and analyse it and another, each in a fork."""
    torch.set_num_threads(1)
    run = str(folder / "run")
    made = [("train", "cae", *_TRAIN, "--out", run)]
    if analyses:
        made += [
            ("analyze", run, *_SWEEP, "--out", str(folder / "one")),
            ("train", "dae", *_TRAIN, "--out", str(folder / "dae")),
            ("analyze", str(folder / "dae"), *_SWEEP, "--out", str(folder / "other")),
        ]
    for arguments in made:
        faults.warm(arguments, folder)


class Trials:
    """The trials of one command.

    Parameters
    ----------
    command : Command
        The command.
    place : pathlib.Path
        An empty folder for its output.

    Attributes
    ----------
    changes : int
        How many changes it makes when nothing happens.
    """

    def __init__(self, command: Command, place: Path) -> None:
        self._command = command
        self._place = place
        self._out = place / "work" / "out"
        whole = self._run()
        if whole.code != 0:
            raise RuntimeError(whole.error)
        self.changes = whole.changes
        self._reference = contents(self._out)

    def _arguments(self, *more: str) -> list[str]:
        return [*self._command.arguments, *more, self._command.out, str(self._out)]

    def _run(self, fault: Fault | None = None, *more: str) -> Outcome:
        return faults.run(self._arguments(*more), self._place, fault)

    def _clear(self) -> None:
        shutil.rmtree(self._place)
        self._place.mkdir()

    def at(self, fault: Fault) -> str:
        """Run the command with a fault, and again; return what did not hold, empty if all did.

        Parameters
        ----------
        fault : Fault
            What happens.

        Returns
        -------
        str
            What went wrong.
        """
        self._clear()
        outcome = self._run(fault)
        expected = _EXPECTED[fault.kind]
        if outcome.code not in expected or (outcome.code >= 0 and not outcome.plain):
            return f"ended with {outcome.code}, expected {expected}: {outcome.error[-300:]}"
        if fault.kind == "moved" and (self._place / "elsewhere").exists():
            shutil.rmtree(self._out, ignore_errors=True)
            shutil.move(self._place / "elsewhere", self._out)
        return self._goes_on()

    def _goes_on(self) -> str:
        """Give the command again, as a user would, and compare the result."""
        if not self._command.again and contents(self._out) == self._reference:
            return self._left_over()  # it was done
        again = self._run(None, *self._command.again)
        if again.code == 2 and "holds no run to resume; start one without" in again.error:
            again = self._run()
        if again.code == 2 and "nothing is left to resume" in again.error:
            again = again._replace(code=0)
        if again.code != 0:
            return f"given again it ended with {again.code}: {again.error[-300:]}"
        found = contents(self._out)
        different = [
            name
            for name in found.keys() | self._reference.keys()
            if found.get(name) != self._reference.get(name)
        ]
        return f"differs: {sorted(different)[:5]}" if different else self._left_over()

    def _left_over(self) -> str:
        left = [
            str(path)
            for pattern in (".latentgeo-*", "*.partial", ".*.lock")
            for path in self._place.rglob(pattern)
        ]
        return f"left {left}" if left else ""

    def two_at_once(self, change: int) -> str:
        """Run the command a second time while the first stands before a change."""
        self._clear()
        first = faults.start(self._arguments(), self._place, Fault("SIGSTOP", change))
        os.waitpid(first.process, os.WUNTRACED)
        second = self._run()
        os.kill(first.process, signal.SIGCONT)
        outcome = faults.finish(first)
        if second.code != 2 or not second.plain or "another process" not in second.error:
            return f"the second ended with {second.code}: {second.error[-300:]}"
        if outcome.code != 0:
            return f"the first ended with {outcome.code}: {outcome.error[-300:]}"
        return "" if contents(self._out) == self._reference else "the results were mixed"


_EXPECTED = {
    "SIGKILL": (-signal.SIGKILL,),
    "SIGTERM": (128 + signal.SIGTERM,),
    "SIGINT": (128 + signal.SIGINT,),
    # What is only tidied up may fail without harm.
    "ENOSPC": (2, 0),
    "EROFS": (2, 0),
    "moved": (2, 0),
    "clock": (0,),
}


def contents(folder: Path) -> dict[str, Any]:
    """Return what a folder of results holds, without times and commands.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.

    Returns
    -------
    dict
        The content of each file by its path; tensors of states as bytes.
    """
    return {
        path.relative_to(folder).as_posix(): _content(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in (".html", ".pdf")
    }


def _content(path: Path) -> Any:
    if path.suffix == ".json":
        return _plain(json.loads(path.read_text(encoding="utf-8")))
    if path.name == "last.pt":
        return list(tensors(torch.load(path, weights_only=True)))
    if path.suffix == ".md":
        lines = path.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if not line.startswith("Command")]
    return path.read_bytes()


def _plain(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return _plain(json.loads(value))
        except ValueError:
            return value
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if name not in _KEPT_OUT}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(one) for one in value]
    return value


def tensors(value: Any) -> Iterator[bytes]:
    """Yield the bytes of all tensors in a state."""
    if isinstance(value, torch.Tensor):
        yield value.contiguous().view(-1).numpy().tobytes()
    elif isinstance(value, dict | list | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            yield from tensors(one)
