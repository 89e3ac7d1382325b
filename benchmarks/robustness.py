"""Count what holds: kills, full disks, hostile and damaged files, load, meagre surroundings.

    python benchmarks/robustness.py --trials 12 --mutations 200 --out docs/robustness.md

It takes about an hour on two cores; `--only` names the parts. Everything is made here, from
scikit-learn's digits. A trial that does not hold is printed with its reason, and the
exit code is 1.
"""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import faults
import formats
import hostile
import interruptions
import load
import numpy as np
from faults import Fault
from machine import describe_machine

from latentgeo.provenance import provenance

_KINDS = {
    "SIGKILL": "killed (SIGKILL) before a change",
    "SIGTERM": "asked to end (SIGTERM) before a change",
    "SIGINT": "interrupted (SIGINT) before a change",
    "ENOSPC": "the disk full from a change on",
    "EROFS": "the disk read-only from a change on",
    "moved": "the output folder moved away before a change",
    "clock": "the clock set back by a year before a change",
}
PARTS = ("interruptions", "two", "hostile", "mutations", "load", "lacking")
_OF_ANALYSES = {"hostile", "mutations", "export", "compare"}


class Row(NamedTuple):
    """A row of the table: what was tried, on what, how often, and what did not hold."""

    what: str
    on: str
    tried: int
    failures: list[str]


def interrupted(
    inputs: Path, place: Path, trials: int, names: list[str], kinds: list[str]
) -> Iterator[Row]:
    """Yield rows of commands that a fault comes to, before evenly spaced changes.

    Commands that draw figures take so long that they have a sixth of the trials.
    """
    for name, command, under in _trials(inputs, place, names):
        count = max(1, trials // 6) if name in interruptions.DRAWING else trials
        for kind in kinds:
            if kind == "moved" and not command.again:
                continue
            what = _KINDS[kind]
            places = np.unique(np.linspace(1, under.changes, count + 2)[1:-1].astype(int))
            found = [f"{kind} before {at}: {under.at(Fault(kind, int(at)))}" for at in places]
            on = f"`{name}` ({under.changes} changes)"
            yield Row(what, on, len(places), [one for one in found if not one.endswith(": ")])


def _trials(
    inputs: Path, place: Path, names: list[str]
) -> Iterator[tuple[str, interruptions.Command, interruptions.Trials]]:
    """Yield the commands that are asked for, each with a folder of its own."""
    for name, command in interruptions.commands(inputs).items():
        if name in names:
            own = place / name.replace(" ", "")
            own.mkdir(parents=True)
            yield name, command, interruptions.Trials(command, own)


def at_once(inputs: Path, place: Path, names: list[str]) -> Iterator[Row]:
    """Yield rows of two processes with one output."""
    for name, _, under in _trials(inputs, place, names):
        at = [under.changes // 4 + 2] + [under.changes // 2] * (name not in interruptions.DRAWING)
        found = [reason for one in at if (reason := under.two_at_once(one))]
        yield Row("a second process with the same output", f"`{name}`", len(at), found)


def opened(inputs: Path, place: Path) -> Iterator[Row]:
    """Yield a row of hostile files."""
    failures, tried, most = [], 0, 0
    place.mkdir()
    usual = faults.run(["info", str(inputs / "run")], place).memory
    for name, arguments in hostile.hostile_files(place, inputs / "run", inputs / "one"):
        outcome = faults.run(arguments, place, room=hostile.MOST_ADDRESSES)
        tried += 1
        most = max(most, outcome.memory - usual)
        bounded = outcome.memory <= usual + hostile.ROOM and outcome.seconds <= hostile.SECONDS
        if not (outcome.plain and bounded):
            failures.append(f"{name}: {outcome.code}: {outcome.error[-300:]}")
    on = f"{tried} kinds; at most {most / 2**20:.0f} MiB more than for a good file"
    yield Row(
        "files made to do harm, opened within 60 s of computing and 1.5 GiB", on, tried, failures
    )


def mutated(inputs: Path, place: Path, tries: int) -> Iterator[Row]:
    """Yield a row for each kind of file of which bytes are changed."""
    place.mkdir()
    for name, (path, use) in formats.readers(inputs / "run", inputs / "one", place).items():
        tried, failures = hostile.mutated(name, path, use, tries)
        yield Row("bytes flipped, cut off, doubled or replaced", name, tried, failures)


def loaded(inputs: Path, place: Path, names: list[str], scale: float) -> Iterator[Row]:
    """Yield a row for each large analysis, with the memory that it told and took."""
    for name, found in load.large(inputs / "run", place, names, scale):
        took, told = found.took / 2**30, found.told
        memory = f"{took:.2f} GiB" + ("" if told is None else f", {told / 2**30:.2f} told before")
        ends = "" if found.code == 0 else f"; ended with {found.code}, in one line"
        reasons = [found.reason] if found.reason else []
        yield Row("much at once", f"`analyze`: {name} ({memory}{ends})", 1, reasons)


def meagre(inputs: Path, place: Path) -> Iterator[Row]:
    """Yield a row for each thing that lacks."""
    for name, on, found in load.lacking(inputs / "run", place):
        yield Row(name, on, len(found), [one.reason for one in found if one.reason])


def table(rows: list[Row]) -> str:
    """Return rows as a table in Markdown."""
    lines = ["| what happens | to what | tried | held |", "|---|---|---|---|"]
    lines += [
        f"| {row.what} | {row.on} | {row.tried} | {row.tried - len(row.failures)} |" for row in rows
    ]
    total, lost = sum(row.tried for row in rows), sum(len(row.failures) for row in rows)
    return "\n".join([*lines, f"| **all** | | **{total}** | **{total - lost}** |"])


def measure(given: argparse.Namespace) -> list[Row]:
    """Run the parts and print what does not hold."""
    rows = []
    commands = given.commands if {"interruptions", "two"} & {*given.only} else []
    needed = _OF_ANALYSES & {*given.only, *commands}
    with tempfile.TemporaryDirectory(prefix="robustness-") as temporary:
        root = Path(temporary).resolve()
        inputs = root / "inputs"
        inputs.mkdir()
        interruptions.make_inputs(inputs, analyses=bool(needed))
        made = {
            "interruptions": lambda: interrupted(
                inputs, root / "interruptions", given.trials, given.commands, given.faults
            ),
            "two": lambda: at_once(inputs, root / "two", given.commands),
            "hostile": lambda: opened(inputs, root / "hostile"),
            "mutations": lambda: mutated(inputs, root / "mutations", given.mutations),
            "load": lambda: loaded(inputs, root / "load", given.loads, given.scale),
            "lacking": lambda: meagre(inputs, root / "lacking"),
        }
        for part in given.only:
            for row in made[part]():
                rows.append(row)
                held = row.tried - len(row.failures)
                print(f"{row.what}; {row.on}: {held} of {row.tried}", flush=True)
                for failure in row.failures:
                    print(f"    {failure}", flush=True)
    return rows


def main() -> None:
    """Measure, and write the table between the marks of a page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    names = list(interruptions.commands(Path()))
    parser.add_argument("--commands", nargs="+", choices=names, default=names)
    parser.add_argument("--faults", nargs="+", choices=list(_KINDS), default=list(_KINDS))
    parser.add_argument("--trials", type=int, default=12, help="of each command and fault")
    parser.add_argument("--mutations", type=int, default=200, help="of each kind of file")
    parser.add_argument("--loads", nargs="+", choices=load.LARGE, default=list(load.LARGE))
    parser.add_argument("--scale", type=float, default=1.0, help="of the load, 1 as documented")
    parser.add_argument("--out", type=Path, help="a page with the marks of a table")
    given, before = parser.parse_args(), os.getloadavg()
    # What runs in the background may have been told to take no notice of it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rows = measure(given)
    if given.out is not None:
        page = given.out.read_text(encoding="utf-8")
        top, bottom = page.split(_BEGIN)[0], page.split(_END)[1]
        told = f"{describe_machine(provenance(), before)} Command: `python {' '.join(sys.argv)}`."
        made = f"{top}{_BEGIN}\n{told}\n\n{table(rows)}\n{_END}{bottom}"
        given.out.write_text(made, encoding="utf-8")
    sys.exit(any(row.failures for row in rows))


_BEGIN, _END = "<!-- table -->", "<!-- end of table -->"

if __name__ == "__main__":
    main()
