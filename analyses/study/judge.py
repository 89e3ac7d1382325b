"""Claims: what a paper says, what was found, and what the numbers say of it."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite, isnan, nan
from typing import Any, NamedTuple, TypeVar

from latentgeo.metrics import Difference, holm, seed_difference

Facts = dict[str, Any]
Name = TypeVar("Name", bound=Hashable)
LEVEL = 0.05
"""Chance of a false finding among all comparisons of a page."""

#: What the mark of a figure or a statement says of where it comes from.
MARKS = {
    "P": "the paper's own abstract or captions",
    "S": "a secondary summary, at second hand",
    "D": "deduced by us, the argument is given",
    "C": "our choice where the paper is silent",
    "Q": "quoted from the paper by another document",
    "U": "recalled, unconfirmed",
    "V": "read in published code or its results",
}


class Reported(NamedTuple):
    """A figure that was reported, as text, with its mark in brackets."""

    figure: str
    mark: str

    def __str__(self) -> str:
        return f"{self.figure} {self.mark}"

    @property
    def value(self) -> float:
        """The figure as a number, without its spread."""
        return float(self.figure.split(" ±")[0])


@dataclass(frozen=True)
class Claim:
    """What a paper says, and how the numbers are asked about it.

    Attributes
    ----------
    statement : str
        The paper's, with its figures.
    mark : str
        A key of `MARKS`.
    ours : callable
        The gathered numbers to those that bear on it, in words.
    holds : callable
        The same to whether it holds, by the circumstances in which it may or may not.
    decides : str
        What the answer hangs on.
    """

    statement: str
    mark: str
    ours: Callable[[Mapping[str, Any]], str]
    holds: Callable[[Mapping[str, Any]], Mapping[str, bool]]
    decides: str


def judge(claims: Iterable[Claim], found: Mapping[str, Any]) -> list[dict[str, str]]:
    """Set claims beside gathered numbers; whether they agree is computed."""
    return [
        {
            "statement": claim.statement,
            "mark": f"[{claim.mark}]",
            "ours": claim.ours(found),
            "agrees": _agreement(claim.holds(found)),
            "decides": claim.decides,
        }
        for claim in claims
    ]


def _agreement(parts: Mapping[str, bool]) -> str:
    if all(parts.values()):
        return "yes"
    if not any(parts.values()):
        return "no"
    return "partly: " + "; ".join(f"{name}: {'yes' if ok else 'no'}" for name, ok in parts.items())


class Comparison(NamedTuple):
    """Two numbers over seeds, compared by a t test; see `compare`.

    Attributes
    ----------
    difference : Difference or None
        First less second; None where a side has a single seed or a number that is not finite.
    p_value : float
        Corrected for all comparisons that were made beside it.
    seeds : tuple of two int
    """

    difference: Difference | None
    p_value: float
    seeds: tuple[int, int]

    @property
    def side(self) -> int:
        """Where the first lies: -1 below the second, 1 above, 0 not told apart."""
        if self.difference is None or not self.p_value < LEVEL:
            return 0
        return 1 if self.difference.mean > 0 else -1

    def text(self, digits: int = 2, factor: float = 1) -> str:
        """Return the difference with its interval and p-value, and what a non-finding could miss.

        Parameters
        ----------
        digits : int
            Behind the point.
        factor : float
            What the numbers are multiplied by.
        """
        if self.difference is None:
            return "not tested"
        mean, low, high, _, detectable = self.difference
        ends = ", ".join(f"{factor * end:+.{digits}f}" for end in (low, high))
        found = f"{factor * mean:+.{digits}f} [{ends}], {p_text(self.p_value)}"
        if self.side:
            return found
        seeds = " and ".join(map(str, sorted(set(self.seeds))))
        return f"{found}; {seeds} seeds find {factor * detectable:.{digits}f}"


def compare(
    pairs: Mapping[Name, tuple[Facts, Facts]], *, paired: bool = False
) -> dict[Name, Comparison]:
    """Compare two numbers over seeds, for all pairs that a page sets side by side.

    Holm's correction over the pairs. The interval of a difference is not corrected.

    Parameters
    ----------
    pairs : mapping
        Any name to two numbers, as from `over_seeds`.
    paired : bool
        Whether a seed sets what both sides share, for a paired t test in the place of Welch's.

    Returns
    -------
    dict of Comparison
        By the same names.
    """
    found = {
        name: _difference(one["seeds"], other["seeds"], paired)
        for name, (one, other) in pairs.items()
    }
    corrected = holm([nan if each is None else each.p_value for each in found.values()])
    return {
        name: Comparison(difference, float(p), (len(one["seeds"]), len(other["seeds"])))
        for (name, difference), p, (one, other) in zip(
            found.items(), corrected, pairs.values(), strict=True
        )
    }


def by_line(found: Mapping[tuple[Any, ...], Comparison]) -> dict[tuple[Any, ...], Facts]:
    """Return comparisons in groups, by all of their names but the last, which names the rival."""
    lines: dict[tuple[Any, ...], Facts] = {}
    for (*line, name), each in found.items():
        lines.setdefault(tuple(line), {})[name] = each
    return lines


def _difference(first: Sequence[Any], second: Sequence[Any], paired: bool) -> Difference | None:
    sides = [[nan if value is None else float(value) for value in side] for side in (first, second)]
    if min(map(len, sides)) < 2 or not all(map(isfinite, chain(*sides))):
        return None
    return seed_difference(*sides, paired=paired)


def p_text(p_value: float) -> str:
    """Return a p-value as papers print it."""
    if isnan(p_value):
        return "p undefined"
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"


def in_words(
    found: Mapping[str, Comparison],
    words: Mapping[int, str],
    digits: int = 2,
    factor: float = 1,
) -> str:
    """Write comparisons by the side that they find, the sides in the order of their words."""
    groups = {
        word: [
            f"{name} ({each.text(digits, factor)})"
            for name, each in found.items()
            if each.side == at
        ]
        for at, word in words.items()
    }
    return "; ".join(f"{word} {', '.join(names)}" for word, names in groups.items() if names)
