"""Commands that are killed, interrupted or refused the disk before a chosen change of a folder.

An audit hook counts what a command changes below a folder (files that it opens to write, folders
that it makes, what it renames and removes), and at a chosen change the fault comes: a signal, a
full disk, a disk that may only be read, or the output folder moved away. The command runs in a fork
of this process, which has imported everything, so that a trial takes no longer than its work.
"""

import datetime
import errno
import faulthandler
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Self

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_MAKES = {"open", "os.mkdir"}
_CHANGES = _MAKES | {"os.rename", "os.remove", "os.rmdir", "os.truncate"}


class Fault(NamedTuple):
    """What happens, and before which change, counted from 1.

    Attributes
    ----------
    kind : str
        "SIGKILL", "SIGTERM", "SIGINT", "SIGSTOP"; "ENOSPC" or "EROFS", which last until the end;
        "moved"; or "clock", set back by a year.
    at : int
        The change.
    """

    kind: str
    at: int


class Outcome(NamedTuple):
    """How a command ended.

    Attributes
    ----------
    code : int
        Its exit code, or the signal that ended it, negative.
    changes : int
        How many changes it made, as far as it could say.
    error : str
        What it wrote to standard error.
    memory : int
        Bytes that it held at most.
    seconds : float
        Of computing.
    """

    code: int
    changes: int
    error: str
    memory: int
    seconds: float

    @property
    def lines(self) -> list[str]:
        """What it said, without the warnings."""
        return [line for line in self.error.splitlines() if not line.startswith(_WARNING)]

    @property
    def plain(self) -> bool:
        """Whether it ended as a user may expect: 0, or one line and its code."""
        ends = {0: 0, 2: 1, 128 + signal.SIGINT: 1, 128 + signal.SIGTERM: 1}
        return ends.get(self.code) == len(self.lines) and "Traceback" not in self.error


_WARNING = "latentgeo: warning: "
_LONGEST = 600  # seconds


def run(
    arguments: Sequence[str], watched: Path, fault: Fault | None = None, *, room: int | None = None
) -> Outcome:
    """Run a command of latentgeo to its end.

    Parameters
    ----------
    arguments : sequence of str
        Its arguments.
    watched : pathlib.Path
        The folder of which changes are counted.
    fault : Fault, optional
        What happens to it.
    room : int, optional
        Bytes of memory that it may take beyond what this process has.

    Returns
    -------
    Outcome
    """
    return finish(start(arguments, watched, fault, room=room))


class Started(NamedTuple):
    """A command that runs."""

    process: int
    told: int
    error: Path


def start(
    arguments: Sequence[str], watched: Path, fault: Fault | None = None, *, room: int | None = None
) -> Started:
    """Start a command; takes what `run` does. `finish` waits for it."""
    from latentgeo.cli import main

    return start_calling(lambda: main(list(arguments)), watched, fault, room=room)


def start_calling(
    do: Callable[[], Any], watched: Path, fault: Fault | None = None, *, room: int | None = None
) -> Started:
    """Start a function in a fork of this process."""
    told, tell = os.pipe()
    handle, name = tempfile.mkstemp(prefix="faults-")
    os.close(handle)
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        os.close(told)
        _child(do, tell, Path(name), _Counter(str(watched), fault), room)
    os.close(tell)
    return Started(process, told, Path(name))


def finish(started: Started) -> Outcome:
    """Wait for a command and return how it ended."""
    with os.fdopen(started.told, "rb") as told:
        content = told.read()
    _, status, usage = os.wait4(started.process, 0)
    error = started.error.read_text(encoding="utf-8", errors="replace")
    started.error.unlink()
    changes = int(content or 0)
    code, seconds = os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
    return Outcome(code, changes, error, usage.ru_maxrss << 10, seconds)


def _child(
    do: Callable[[], Any], tell: int, error: Path, counter: "_Counter", room: int | None
) -> None:
    code = 99
    try:
        os.dup2(os.open(error, os.O_WRONLY), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        faulthandler.dump_traceback_later(_LONGEST, exit=True, file=2)  # a hang is a failure
        if room is not None:
            held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (held + room, held + room))
        sys.addaudithook(counter)
        try:
            do()
            code = 0
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else int(left.code is not None)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            code = 1
        counter.fault = None
        sys.stderr.flush()
        os.write(tell, str(counter.count).encode())
    finally:
        os._exit(code)


class _Counter:
    """Counts changes below a folder, and lets the fault come."""

    def __init__(self, root: str, fault: Fault | None) -> None:
        self.root = root
        self.fault = fault
        self.count = 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _CHANGES or not self._is_ours(event, arguments):
            return
        self.count += 1
        if self.fault is None or self.count < self.fault.at:
            return
        kind = self.fault.kind
        if kind in ("ENOSPC", "EROFS"):
            if kind == "EROFS" or event in _MAKES:
                number = getattr(errno, kind)
                raise OSError(number, os.strerror(number), str(arguments[0]))
        elif self.count == self.fault.at:
            self.fault = None
            if kind == "moved":
                shutil.move(Path(self.root) / "out", Path(self.root) / "elsewhere")
            elif kind == "clock":
                _set_clock_back()
            else:
                os.kill(os.getpid(), getattr(signal, kind))

    def _is_ours(self, event: str, arguments: tuple[Any, ...]) -> bool:
        place = arguments[0]
        if not isinstance(place, str | os.PathLike):
            return False
        if event == "open" and not int(arguments[2] or 0) & _WRITES:
            return False
        # shutil.rmtree names what it removes by the open folder that it lies in.
        within = event in ("os.remove", "os.rmdir") and not Path(place).is_absolute()
        return within or os.fspath(place).startswith(self.root)


def _set_clock_back() -> None:
    """Let what asks for the time in this process get that of a year ago."""
    now, today = time.time, datetime.datetime

    class Earlier(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Self:
            return cls.fromtimestamp(now() - 365 * 86400, tz)

    time.time = lambda: now() - 365 * 86400
    for module in list(sys.modules.values()):
        if getattr(module, "datetime", None) is today:
            vars(module)["datetime"] = Earlier


def warm(arguments: Sequence[str], watched: Path) -> None:
    """Run a command in a fork, and import here what it imported there.

    The threads that a command starts would not live in a fork, so this process runs none itself.

    Parameters
    ----------
    arguments : sequence of str
        Its arguments.
    watched : pathlib.Path
        Where it writes.

    Raises
    ------
    RuntimeError
        When it fails.
    """
    from latentgeo.cli import main

    names = watched / "modules"

    def tell() -> None:
        with suppress(SystemExit):
            main(list(arguments))
        names.write_text("\n".join(sys.modules), encoding="utf-8")

    outcome = finish(start_calling(tell, watched))
    if outcome.lines:
        raise RuntimeError(outcome.error)
    for name in names.read_text(encoding="utf-8").split():
        with suppress(Exception):  # some are made, and cannot be imported
            import_module(name)
    names.unlink()
