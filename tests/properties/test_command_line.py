"""Options drawn from their types: exit 0 or 2, one line, never a traceback.

What is read does not exist, so that no example does any work. `pytest -m long` draws many more.
"""

import contextlib
import io
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentgeo.cli import main
from latentgeo.cli.running import COMMANDS as ALL
from latentgeo.foreign import printable

COMMANDS = {
    "train": ("cae", "--data", "/nowhere/data", "--out", "/dev/null/out"),
    "encode": ("/nowhere/run", "--data", "digits", "--out", "/dev/null/out"),
    "analyze": ("/nowhere/run", "--data", "digits", "--out", "/dev/null/out"),
    "interpolate": ("/nowhere/run", "--data", "digits", "--out", "/dev/null/out"),
    "lines": ("/nowhere/run", "--out", "/dev/null/out"),
    "compare": ("/nowhere/a", "/nowhere/b", "--out", "/dev/null/out"),
    "figures": ("/nowhere/a",),
    "export": ("/nowhere/run", "--to", "/dev/null/out"),
    "info": ("/nowhere/run",),
    "features": ("--data", "/nowhere/data", "--out", "/dev/null/out"),
    "card init": ("/nowhere/run", "--image-shape", "1,8,8"),
    "sentences": ("/nowhere/run",),
    "open": ("/nowhere/a",),
    "push": ("/nowhere/run", "user/name"),
    "pull": ("no name", "--to", "/dev/null/out"),
    "demo": ("--out", "/dev/null/out"),
    "models": (),
    "datasets": (),
}
ODD = (
    "",
    "0",
    "-1",
    "nan",
    "inf",
    "1e400",
    "9" * 5000,
    "\x1b[2J",
    "a=b",
    "=",
    "[",
    "{}",
    "0,0",
    ",",
)
VALUES = st.one_of(
    st.sampled_from(ODD),
    st.integers().map(str),
    st.floats().map(str),
    st.text(max_size=12),
    st.lists(st.integers(-3, 9), max_size=4).map(lambda numbers: ",".join(map(str, numbers))),
    st.from_regex(r"[a-z_]{1,9}=[-\[\]{}\",a-z0-9. ]{0,12}", fullmatch=True),
)


_SET = {"--help", "--to", "--out", "--data", "--model", "--image-shape"}


@cache
def options_of(command):
    """Return the options of a command, and one that some do not have."""
    with pytest.raises(SystemExit), contextlib.redirect_stdout(io.StringIO()) as out:
        main([*command.split(), "--help"])
    words = out.getvalue().replace("│", " ").split()
    names = {word.strip(",.") for word in words if word.startswith("--") and len(word) > 2}
    return sorted({*names, "--force"} - _SET)


def said(arguments):
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.raises(SystemExit) as left,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        main(arguments)
    lines = err.getvalue().splitlines()
    return left.value.code, [one for one in lines if not one.startswith("latentgeo: warning: ")]


def check(data):
    command = data.draw(st.sampled_from(sorted(COMMANDS)))
    arguments = [*command.split(), *COMMANDS[command]]
    for option in data.draw(st.lists(st.sampled_from(options_of(command)), max_size=3)):
        arguments.append(option)
        if data.draw(st.booleans()):
            arguments.append(data.draw(VALUES))
    code, lines = said(arguments)
    assert code in (0, 2), arguments
    assert len(lines) == (code == 2), (arguments, lines)
    assert all(line == printable(line) for line in lines), (arguments, lines)


def test_every_command_is_tried():
    assert {name.split()[0] for name in COMMANDS} == set(ALL)


CALM = (HealthCheck.too_slow, HealthCheck.data_too_large)


@settings(
    derandomize=True, deadline=None, max_examples=100, database=None, suppress_health_check=CALM
)
@given(data=st.data())
def test_any_options_are_used_or_refused_in_one_line(data):
    check(data)


@pytest.mark.long
@settings(deadline=None, max_examples=5_000, suppress_health_check=CALM)
@given(data=st.data())
def test_any_options_are_used_or_refused_in_one_line_for_long(data):
    check(data)
