"""What settings are: declared once as fields, checked with errors of one line, read from YAML."""

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from latentgeo.errors import InputError
from latentgeo.foreign import read_yaml

M = TypeVar("M", bound=BaseModel)

_MEANT = 1 << 32  # a larger bound is that of a machine's integers
_LIMITS = {"gt": "above", "ge": "from", "lt": "below", "le": "to"}


class Options(BaseModel):
    """Options of a recipe or a backbone: frozen, and unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Settings(BaseModel):
    """Settings: frozen, unknown ones are refused, and each field is described where it stands.

    The section "Attributes" of the docstring is made of the fields, and so are the options of the
    command line.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Write the fields into the docstring."""
        lines = [inspect.cleandoc(cls.__doc__ or ""), "", "Attributes", "----------"]
        for name, field in cls.model_fields.items():
            value = field.get_default(call_default_factory=True)
            default = "" if field.is_required() else f", default={value!r}"
            lines += [f"{name} : {_type_of(field.annotation)}{default}"]
            lines += [f"    {text}" for text in [described(field)] if text]
        cls.__doc__ = "\n".join(lines)


def described(field: FieldInfo) -> str:
    """Return what a field means, and the numbers that it can be.

    Parameters
    ----------
    field : pydantic.fields.FieldInfo
        Of any model.

    Returns
    -------
    str
        Its description, followed by its bounds where it has some: "Images per step. Above 0."
    """
    bounds = [
        f"{word} {getattr(limit, name):g}"
        for limit in _limits(field)
        for name, word in _LIMITS.items()
        if abs(getattr(limit, name, math.inf)) < _MEANT
    ]
    text = (field.description or "").strip()
    return f"{text} {', '.join(bounds).capitalize()}." if bounds else text


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


def resolve(
    model: type[M], settings: M | None, choices: Mapping[str, Any], *, of: Callable[..., Any]
) -> M:
    """Return the settings of a function that takes them as an object, as keywords, or both.

    Parameters
    ----------
    model : type
        What declares them.
    settings : pydantic.BaseModel or None
        An instance of `model`; its defaults if None.
    choices : mapping
        Keywords, which go before what is set in `settings`.
    of : callable
        The function; its own arguments are among the names that a mistaken one is compared with.

    Returns
    -------
    pydantic.BaseModel
        Of the type of `settings`. Fields that the caller gave, in either way, are set.

    Raises
    ------
    InputError
        For an unknown keyword, a value that cannot be, or an object of another kind.
    """
    if settings is not None and not isinstance(settings, model):
        raise InputError(
            f"settings is a {type(settings).__name__}, expected {model.__name__}; its fields can "
            "be given as keywords too"
        )
    kind = model if settings is None else type(settings)
    arguments = inspect.signature(of).parameters.values()
    own = [one.name for one in arguments if one.kind is not one.VAR_KEYWORD]
    for name in choices:
        if name not in kind.model_fields:
            raise unknown("setting", name, [*own, *kind.model_fields])
    known = {} if settings is None else _set_in(settings)
    return parse(kind, {**known, **choices}, "setting")


def read_settings(path: Path, model: type[BaseModel]) -> dict[str, Any]:
    """Read settings from a YAML file.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    model : type
        What declares them.

    Returns
    -------
    dict
        Names and values, which are validated later, together with those from elsewhere.

    Raises
    ------
    InputError
        When it is not YAML, too large, or names something that `model` does not have.
    """
    values = read_yaml(path, "settings file")
    for name in values:
        if name not in model.model_fields:
            known = unknown("setting", name, model.model_fields)
            raise InputError(f"settings file {str(path)!r} cannot be used: {known}")
    return values


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


def _set_in(settings: BaseModel) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in settings.model_fields_set}


def _limits(field: FieldInfo) -> Iterator[Any]:
    """Return the annotations of a field's type, of which some are bounds."""
    yield from field.metadata
    for part in get_args(field.annotation):
        if get_origin(part) is Annotated:
            for one in part.__metadata__:
                yield from one.metadata if isinstance(one, FieldInfo) else [one]


def _type_of(annotation: Any) -> str:
    """Return a type as numpydoc has it."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_of(parts[0])
    if origin is Literal:
        return f"{{{', '.join(map(repr, parts))}}}"
    if origin in (Union, UnionType):
        return " or ".join(map(_type_of, parts))
    if parts:
        inner = ", ".join(_type_of(part) for part in parts if part is not ...)
        return f"{origin.__name__} of {inner}"
    return "None" if annotation is NoneType else str(annotation.__name__)


def _first(error: ValidationError, model: type[BaseModel], kind: str) -> InputError:
    """Format the first of pydantic's errors in one line."""
    found = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in found["loc"])
    if found["type"] == "extra_forbidden":
        return unknown(kind, place, model.model_fields)
    if found["type"] == "missing":
        return InputError(f"{kind} {place!r} is missing; give one")
    message = found["msg"].removeprefix("Value error, ")
    if not place:
        return InputError(message)
    least = found.get("ctx", {}).get("ge")
    if isinstance(least, int):
        return InputError(
            f"{kind} {place} is {found['input']!r}; expected a whole number from {least}"
        )
    return InputError(f"{kind} {place} is {found['input']!r}: {message[0].lower()}{message[1:]}")
