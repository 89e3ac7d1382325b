"""Settings from the user, with errors of one line."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from latentgeo.errors import InputError

M = TypeVar("M", bound=BaseModel)


class Options(BaseModel):
    """Options of a recipe or a backbone: frozen, and unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def parse(model: type[M], values: Mapping[str, Any], kind: str) -> M:
    """Validate settings with a pydantic model.

    Parameters
    ----------
    model : type
        The pydantic model.
    values : mapping
        Names and values.
    kind : str
        What one of them is called in messages ("option", "setting").

    Returns
    -------
    pydantic.BaseModel
        An instance of `model`.

    Raises
    ------
    InputError
        For the first thing that is wrong: an unknown name with the nearest known one, or a
        value with what was expected.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise _first(error, model, kind) from None


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """Make the error for a name that is not in a table.

    Parameters
    ----------
    kind : str
        What it names ("recipe", "backbone").
    name : str
        What the user wrote.
    known : iterable of str
        The names that exist.

    Returns
    -------
    InputError
        To be raised; names the nearest known name and lists all.
    """
    names = list(known)
    near = get_close_matches(name, names, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return InputError(f"{kind} {name!r} is unknown; {guess}expected one of {', '.join(names)}")


def _first(error: ValidationError, model: type[BaseModel], kind: str) -> InputError:
    """Put the first of pydantic's errors into one line."""
    found = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in found["loc"])
    if found["type"] == "extra_forbidden":
        return unknown(kind, place, model.model_fields)
    if found["type"] == "missing":
        return InputError(f"{kind} {place!r} is missing; give one")
    message = found["msg"].removeprefix("Value error, ")
    if not place:
        return InputError(message)
    return InputError(f"{kind} {place} is {found['input']!r}: {message[0].lower()}{message[1:]}")
