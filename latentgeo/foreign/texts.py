"""JSON and YAML that others may have written."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from latentgeo.errors import InputError, reason_of

MOST_JSON = 64 << 20
MOST_YAML = 64 << 10  # settings, and a card, are a page of text
_DEEPEST = 64
_LONGEST = 1024  # bits; floating point ends there


def read_json(path: Path, way_out: str, *, most: int = MOST_JSON) -> Any:
    """Read a file of JSON.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    way_out : str
        What to do when it cannot be used, for the message.
    most : int, default=64 MiB
        Most bytes that it may have.

    Returns
    -------
    object
        As JSON has it.

    Raises
    ------
    InputError
        When it is too large, not JSON, nested too deeply, or has a name twice in one object.
    OSError
        When the file cannot be read.
    """
    _check_size(path, "file", most, way_out)
    try:
        return parse_json(path.read_bytes().decode("utf-8-sig"))
    except ValueError as error:
        raise InputError(
            f"{str(path)!r} is not valid JSON ({reason_of(error)}); {way_out}"
        ) from None


def parse_json(text: str) -> Any:
    """Parse JSON.

    Parameters
    ----------
    text : str
        From a file that others may have written.

    Returns
    -------
    object
        As JSON has it.

    Raises
    ------
    ValueError
        When it is not JSON, nested more than 64 deep, or has a name twice in one object: two
        readers could see two things in it.
    """
    try:
        value = json.loads(text, object_pairs_hook=_without_repeats)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _check_values(value)
    return value


def read_yaml(path: Path, what: str) -> dict[str, Any]:
    """Read names and values from a file of YAML.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    what : str
        What it is called in messages ("card").

    Returns
    -------
    dict
        As YAML has them.

    Raises
    ------
    InputError
        When it is too large, not YAML, has a name twice, refers to parts of itself, or holds no
        entries.
    """
    import yaml  # it takes a while, and most commands need none

    _check_size(path, what, MOST_YAML, f"a {what} is a page of text")
    try:
        text = path.read_bytes().decode("utf-8-sig")
        values = yaml.load(text, Loader=_plain_loader())  # noqa: S506 - it is a SafeLoader
        _check_values(values)
    except OSError:
        raise
    except RecursionError:
        raise _not_yaml(path, what, _TOO_DEEP) from None
    except Exception as error:  # constructors of YAML's types raise whatever Python's do
        raise _not_yaml(path, what, " ".join(str(error).split()) or type(error).__name__) from None
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise InputError(
            f"{what} {str(path)!r} holds no entries; expected lines such as 'model: …'"
        )
    return values


_TOO_DEEP = f"it is nested more than {_DEEPEST} deep"


def _not_yaml(path: Path, what: str, reason: str) -> InputError:
    return InputError(f"{what} {str(path)!r} is not valid YAML: {reason}")


def _check_size(path: Path, what: str, most: int, way_out: str) -> None:
    if path.exists() and not path.is_file():
        raise InputError(f"{str(path)!r} is no regular file, expected one of text; {way_out}")
    if path.stat().st_size > most:
        raise InputError(f"{what} {str(path)!r} has over {most} bytes; {way_out}")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise ValueError(f"it has {name!r} twice")
        made[name] = value
    return made


def _check_values(value: Any) -> None:
    """Raise `ValueError` for values so deep or so long that what walks or shows them would fail."""
    level = [value]
    for _ in range(_DEEPEST + 1):
        if any(isinstance(inner, int) and inner.bit_length() > _LONGEST for inner in level):
            raise ValueError(f"it holds a whole number of more than {_LONGEST} bits")
        if not (level := [inner for outer in level for inner in _inside(outer)]):
            return
    raise ValueError(_TOO_DEEP)


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _plain_loader() -> Any:
    """Return a loader of YAML's plain types that knows no aliases and no repeated names."""
    import yaml

    class Plain(yaml.SafeLoader):  # type: ignore[misc] # it has no types
        """Refuses what makes much of little, or is read in two ways."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise ValueError(
                    f"it refers to a part of itself (*{self.peek_event().anchor}); write it out"
                )
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            names = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
            (name, count), *_ = names.most_common(1) or [("", 0)]
            if count > 1:
                raise ValueError(f"it has {name!r} twice")
            return super().construct_mapping(node, deep=deep)

    return Plain
