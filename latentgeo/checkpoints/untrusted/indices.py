"""Indices of weights that are split into several files, as Hugging Face's libraries write them."""

import re
from pathlib import Path

from latentgeo.errors import InputError
from latentgeo.foreign import read_json

_NAME = re.compile(r".*\.index(\.\w+)?\.json")
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
    try:
        listed = read_json(path, "it is no index of weights")["weight_map"].items()
    except (KeyError, TypeError, AttributeError):
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
