"""The command line as a whole: its commands, its exit codes, and errors of one line."""

import errno
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import typer

from latentgeo import processes
from latentgeo.cli.app import app, say
from latentgeo.cli.suggestions import suggested
from latentgeo.errors import InputError, ProcessesError, TrainingDivergedError
from latentgeo.foreign import printable

#: Modules with a command each, in the order of the help.
COMMANDS = (
    "demo",
    "train",
    "features",
    "encode",
    "analyze",
    "interpolate",
    "lines",
    "figures",
    "open",
    "compare",
    "export",
    "push",
    "pull",
    "sentences",
    "models",
    "datasets",
    "info",
    "card",
)

for _name in COMMANDS:
    import_module(f"latentgeo.cli.{_name}")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 when done, 2 for input that cannot be used.

    Parameters
    ----------
    arguments : list of str, optional
        The arguments; those of the process when left out.
    """
    # torch asks for large pages of memory then; small ones cost an analysis 7 % of its time.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    warnings.showwarning = _show_warning
    # Where it may not write to the home folder it says so at length, and works as well.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    # Of a tag that is odd it says so without the file's name; the image is read or refused.
    warnings.filterwarnings("ignore", module=r"PIL\.TiffImagePlugin")
    try:
        with _heeding_sigterm(), processes.rank_zero_prints():
            code = app(args=arguments, standalone_mode=False)
    except typer.TyperException as error:
        code = _refuse(suggested(error), 2)
    except (InputError, ProcessesError, TrainingDivergedError) as error:
        code = _refuse(str(error), 2)
    except OSError as error:
        code = _refuse(_plain_os_error(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        code = _refuse(f"interrupted; {_way_on(arguments)}", 128 + signal.SIGINT)
    except _TerminatedError:
        code = _refuse(f"terminated; {_way_on(arguments)}", 128 + signal.SIGTERM)
    sys.exit(code or 0)


def _way_on(arguments: list[str] | None) -> str:
    """Return how to go on with a command that was cut off, where there is a way."""
    given = sys.argv[1:] if arguments is None else arguments
    ways = {
        "train": "; run the same command with --resume to continue",
        "encode": "; run the same command again to continue",
    }
    return f"earlier results are intact{ways.get(next(iter(given), ''), '')}"


class _TerminatedError(BaseException):
    """Somebody asked the process to end: what is half written is removed on the way out."""


@contextmanager
def _heeding_sigterm() -> Iterator[None]:
    def end(_signal: int, _frame: Any) -> None:
        raise _TerminatedError

    # Only the main thread may; who calls this from another one has handlers of their own.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _refuse(message: str, code: int) -> int:
    line = printable(" ".join(message.split()))
    processes.report_to_launcher(line)
    if processes.is_rank_zero():
        say(f"latentgeo: {line}", err=True)
    return code


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    say(f"latentgeo: warning: {' '.join(str(message).split())}", err=True)


def _plain_os_error(error: OSError) -> str:
    where = f" {str(error.filename)!r}" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return (
            f"the disk is full, writing{where} stopped; earlier results are intact; free some "
            "space and run it again"
        )
    return f"cannot use{where}: {error.strerror or error}"
