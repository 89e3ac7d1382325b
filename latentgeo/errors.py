"""The exceptions that user input and training may meet."""

from pathlib import Path
from typing import Any


class InputError(ValueError):
    """Something that the user gave cannot be used.

    The message is one line that names the thing, its value, what was expected and the way out.
    The command line prints it and exits with code 2; no traceback is shown.

    Examples
    --------
    >>> import latentgeo
    >>> try:
    ...     latentgeo.read("nowhere")
    ... except latentgeo.InputError as error:
    ...     print("nowhere" in str(error))
    True
    """


class TrainingDivergedError(RuntimeError):
    """Training met a loss that is not finite.

    The message is one line that names the step, the term that went bad and what to try. The
    last good checkpoint is kept.
    """


class ProcessesError(Exception):
    """The processes that `torchrun` started cannot go on together.

    One is gone, or what they computed is not the same. The message is one line that says which,
    and what to do.
    """


def check_is_path(value: Any, what: str, way_out: str) -> None:
    """Refuse what is no path, in one line that says what to call."""
    if not isinstance(value, str | Path):
        raise InputError(f"{what} is a {type(value).__name__}, expected a path; {way_out}")


def reason_of(error: Exception, otherwise: str | None = None) -> str:
    """Return the first line of what an error says; its type, or `otherwise`, if it says nothing."""
    message = str(error).strip() or otherwise or type(error).__name__
    return message.splitlines()[0]
