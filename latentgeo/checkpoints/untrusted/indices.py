"""Indices of weights that are split into several files, as Hugging Face's libraries write them."""

import json
import re
from pathlib import Path

from latentgeo.errors import InputError

_NAME = re.compile(r".*\.index(\.\w+)?\.json")
_LONGEST = 64 << 20
_MOST_FILES = 10_000


def is_index(path: Path) -> bool:
    """Return whether a file is an index, by its name."""
    return bool(_NAME.fullmatch(path.name))


def read_index(path: Path) -> dict[str, list[str]]:
    """Read an index.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    dict of str to list of str
        The names of tensors by the names of files, which lie beside it.

    Raises
    ------
    InputError
        When it is none, or lists what is no name of a file beside it.
    """
    if path.stat().st_size > _LONGEST:
        raise InputError(
            f"index {str(path)!r} has over {_LONGEST} bytes; it is no index of weights"
        )
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["weight_map"].items()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(
            f"{str(path)!r} is no index of weights; expected JSON with a weight_map of tensors and "
            "their files"
        ) from None
    found: dict[str, list[str]] = {}
    for tensor, name in listed:
        # A name from a file is no path: it names a file beside the index, or nothing.
        if not isinstance(name, str) or not re.fullmatch(r"[\w][\w.+-]*", name):
            raise InputError(
                f"{str(path)!r} lists {name!r} for tensor {tensor!r}, which is no name of a file "
                "beside it"
            )
        if is_index(Path(name)):
            raise InputError(f"{str(path)!r} lists {name!r}, another index; expected weights")
        found.setdefault(name, []).append(tensor)
    if not found or len(found) > _MOST_FILES:
        raise InputError(f"{str(path)!r} lists {len(found)} files of weights, expected some")
    return found
