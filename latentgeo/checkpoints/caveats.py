"""What is doubtful about how a model was opened, in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from latentgeo.checkpoints.repeats import describe_unsteady

_SHOWN = 3


def describe_mismatch(mismatch: Mapping[str, Sequence[str]]) -> str:
    """Return which tensors were let through that the network and the file do not share.

    Parameters
    ----------
    mismatch : mapping
        The names of those that are `missing` from the file and `unexpected` in it.

    Returns
    -------
    str
        A clause without a full stop.
    """
    where = {
        "missing": "of the network are missing from the file and keep their initial values",
        "unexpected": "of the file match nothing in the network",
    }
    return "; ".join(
        f"{len(mismatch[kind])} {words} ({_listed(mismatch[kind])})"
        for kind, words in where.items()
        if mismatch[kind]
    )


def caveats(opened: Mapping[str, Any]) -> list[str]:
    """Return what a reader of a model's numbers has to know of how it was opened.

    Parameters
    ----------
    opened : mapping
        The `provenance` of a model.

    Returns
    -------
    list of str
        Sentences; none where nothing is doubtful.
    """
    found = []
    if mismatch := opened.get("mismatch"):
        found.append(
            f"weights that do not fit were accepted: {describe_mismatch(mismatch)}. The numbers "
            "may describe an untrained network"
        )
    if ways := opened.get("not_a_function"):
        found.append(describe_unsteady(ways))
    if suspicion := (opened.get("round_trip") or {}).get("suspicion"):
        found.append(suspicion)
    return [f"{text[0].upper()}{text[1:].rstrip('.')}." for text in found]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
