"""Claims: what a paper says, what was found, and what the numbers say of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Facts = dict[str, Any]

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


def side(ours: Facts, theirs: Facts, kinds: Sequence[str] = ("over_seeds_95",)) -> int:
    """Return on which side of a number another lies: -1 below, 1 above, 0 not told apart.

    Parameters
    ----------
    ours, theirs : dict
        Two numbers with intervals, as from `over_seeds`.
    kinds : sequence of str
        The intervals that must not touch, all of them.

    Returns
    -------
    int
        0 where an interval is missing.
    """
    pairs = [(ours[kind], theirs[kind]) for kind in kinds]
    if not all(one and other for one, other in pairs):
        return 0
    if all(one[1] < other[0] for one, other in pairs):
        return -1
    return 1 if all(one[0] > other[1] for one, other in pairs) else 0


def grouped(sides: Mapping[str, int], words: Mapping[int, str]) -> str:
    """Write names by the side that something lies on, the sides in the order of their words."""
    groups = {word: [name for name in sides if sides[name] == at] for at, word in words.items()}
    return "; ".join(f"{word} {', '.join(names)}" for word, names in groups.items() if names)
