"""Where a command prints: its answer on standard output, all that others' code prints beside it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from typing import TextIO

_answers: ContextVar[TextIO | None] = ContextVar("answers", default=None)


@contextmanager
def answers_apart() -> Iterator[None]:
    """Send to standard error what networks and data sets of others print while the block runs."""
    token = _answers.set(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _answers.reset(token)


def answers() -> TextIO:
    """Return the stream of what a command was asked for."""
    return _answers.get() or sys.stdout
