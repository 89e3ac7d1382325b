"""Tables of numbers that are written as text."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from latentgeo.datasets.items import LABELS
from latentgeo.errors import InputError, reason_of
from latentgeo.foreign.room import check_room

_START = 1 << 16  # bytes by which the form is known
_NUMBER = re.compile(
    r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|inf|infinity)", re.IGNORECASE
)
_OF_LABELS = (*LABELS, "classes", "category")
_DIGITS_OF_SINGLE = 9  # as many as tell any number in single precision from the next
_BYTES = 4  # of memory for a byte of text: a digit and a comma are a number of 8 bytes


def read_table(path: Path) -> Any:
    """Read a table that is written as text.

    Parameters
    ----------
    path : pathlib.Path
        Rows of values between commas, semicolons or tabs, or of numbers between spaces. A first row
        that is of other kinds than the one below it is one of names; lines that begin with # are
        comments.

    Returns
    -------
    pandas.DataFrame
        Its columns, those of floating point in single precision where the text has no more
        digits than that.

    Raises
    ------
    InputError
        When it is no text, empty, or its rows are not of one length.
    """
    import pandas  # slow to import, and nothing else here needs it

    size = path.stat().st_size
    check_room(path, _BYTES * size, size)
    with path.open("rb") as stream:
        start = stream.read(_START).decode("utf-8-sig", "replace")
    lines = [line for line in start.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise InputError(f"{str(path)!r} holds no rows; expected a row of numbers for each input")
    between = _between(lines[:2])
    named = _has_names(
        *([value.strip(' "') for value in re.split(between, line.strip(" "))] for line in lines[:2])
    )
    try:
        frame = pandas.read_csv(
            path, sep=between, header=0 if named else None, comment="#", encoding="utf-8-sig"
        )
    except (ValueError, OSError) as error:  # pandas' own are kinds of ValueError
        raise InputError(
            f"{str(path)!r} cannot be read as a table: {reason_of(error)}; expected rows of one "
            "length, with commas, semicolons or tabs between numbers"
        ) from None
    floating = frame.select_dtypes("floating").columns
    single = frame[floating].astype(np.float32)
    if _is_short(start) or single.astype(np.float64).equals(frame[floating]):
        return frame.astype(dict.fromkeys(floating, np.float32))
    return frame


def _between(lines: list[str]) -> str:
    """Return what separates the values of a row; spaces may also be part of a name."""
    if not any(mark in lines[0] for mark in ",;\t"):
        values = lines[-1].split()
        if len(values) > 1 and all(_NUMBER.fullmatch(value) for value in values):
            return r"\s+"
    return max(",;\t", key=lines[0].count)


def _has_names(first: list[str], second: list[str] | None = None) -> bool:
    """Return whether the first row names the columns."""
    kinds, below = ([_kind(value) for value in row] for row in (first, second or []))
    if "fraction" in kinds:
        return False
    if set(kinds) == {"whole"}:  # pandas counts columns that have no names
        counted = [int(value) for value in first]
        return "fraction" in below and counted == list(range(len(first)))
    return kinds != below or first[0].lower() in _OF_LABELS


def _kind(value: str) -> str:
    if _NUMBER.fullmatch(value) is None:
        return "text"
    return "whole" if value.lstrip("+-").isdigit() else "fraction"


def _is_short(text: str) -> bool:
    """Return whether numbers are written with no more digits than single precision has."""
    mantissas = re.findall(r"\d*\.\d+", text)
    digits = (len(one.replace(".", "").lstrip("0")) for one in mantissas)
    return max(digits, default=0) <= _DIGITS_OF_SINGLE
