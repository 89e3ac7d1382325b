"""Options that are made of the fields of settings: name, type, default, bounds and help.

A command whose options come from settings is completed when it is called, so that
`latentgeo --help` loads none of them.
"""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NamedTuple,
    Union,
    get_args,
    get_origin,
)

import typer
from typer.core import TyperCommand
from typer.main import get_command

from latentgeo.cli.streams import answers_apart
from latentgeo.errors import InputError

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

Read = Callable[[Any], Any]

_SHOWN = 8  # values of a default
_CONTEXT = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
_CONFIG = inspect.Parameter(
    "config",
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A YAML file of settings; options override it."),
    ],
)


class Spelling(NamedTuple):
    """How a field is written on the command line, where that is not --ITS-NAME.

    Attributes
    ----------
    option : str, optional
        The option; "--yes/--no" for a boolean.
    metavar : str, optional
        What stands for the value in the help.
    read : callable, optional
        The text to the value, where the type does not say it.
    argument : str, optional
        What it is called in the help, where it is an argument and no option.
    more : str
        What the help says beside what the field means.
    """

    option: str | None = None
    metavar: str | None = None
    read: Read | None = None
    argument: str | None = None
    more: str = ""


Spellings = Mapping[str, Spelling | None]


class Entry(NamedTuple):
    """A field, by its place, and the parameter of a command that sets it."""

    path: tuple[str, ...]
    parameter: inspect.Parameter
    read: Read


class Form(NamedTuple):
    """A model of settings as a command takes it.

    Attributes
    ----------
    argument : str
        The argument of the command's function that receives the options.
    model : str
        "package:name" of what declares the fields.
    spelled : mapping of str to Spelling or None
        By the field, "preprocessing.size" within another; None for one that is left out.
    panel : str
        The heading in the help.
    make : callable, optional
        Builds the object from the options. If left out, the model checks them, together with
        those of a YAML file.
    """

    argument: str
    model: str
    spelled: Spellings = MappingProxyType({})
    panel: str = "Settings"
    make: Callable[[dict[str, Any]], Any] | None = None

    def load(self) -> "type[BaseModel]":
        """Import the model."""
        package, _, name = self.model.partition(":")
        model: type[BaseModel] = getattr(import_module(package), name)
        return model


def command(
    app: typer.Typer, *forms: Form, name: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add a command to an application, whose options are those of its function and of settings.

    Parameters
    ----------
    app : typer.Typer
        The application.
    *forms : Form
        The settings. The function receives each as an object with the given options set.
    name : str, optional
        What the command is called; as the function if left out.

    Returns
    -------
    callable
        A decorator, which leaves the function as it is.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        called = name or function.__name__

        class Deferred(TyperCommand):
            def make_context(self, info_name: str | None, *rest: Any, **more: Any) -> Any:
                return complete(called, function, forms).make_context(info_name, *rest, **more)

        def stub() -> None: ...

        app.command(called, cls=Deferred, help=inspect.getdoc(function))(stub)
        return function

    return decorate


def complete(name: str, function: Callable[..., None], forms: Sequence[Form]) -> Any:
    """Build a command with all its options; takes what `command` does."""
    entries = [list(entries_of(form, form.load())) for form in forms]
    given = [form.argument for form in forms]
    own = [
        one.replace(kind=one.KEYWORD_ONLY)
        for one in inspect.signature(function).parameters.values()
        if one.name not in given
    ]
    files = [] if all(form.make for form in forms) else [_CONFIG]

    def run(context: typer.Context, config: Path | None = None, **values: Any) -> None:
        chosen = [_command_line_values(context, found, values) for found in entries]
        objects = [_make(form, config, own) for form, own in zip(forms, chosen, strict=True)]
        arguments = {one.name: values[one.name] for one in own}
        with answers_apart():
            function(**arguments, **dict(zip(given, objects, strict=True)))

    made = [entry.parameter for found in entries for entry in found]
    parameters = [_CONTEXT, *own, *files, *made]
    # Where inspect looks for a signature that is not the function's own; typeshed has no such name.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command(name, help=inspect.getdoc(function))(run)
    return get_command(single)


def entries_of(form: Form, model: "type[BaseModel]", within: str = "") -> Iterator[Entry]:
    """Build the options of a model's fields, those of the models within it among them.

    Parameters
    ----------
    form : Form
        How they are spelled.
    model : type
        The model.
    within : str
        The field that the model is of, with a dot.

    Yields
    ------
    Entry
        One for each field.
    """
    for name, field in model.model_fields.items():
        place, inner = f"{within}{name}", field.annotation
        spelling = form.spelled.get(place, Spelling())
        if spelling is None:
            continue
        if isinstance(inner, type) and hasattr(inner, "model_fields"):
            yield from entries_of(form, inner, f"{place}.")
        else:
            yield _entry(form, place, field, spelling)


def _entry(form: Form, place: str, field: "FieldInfo", spelling: Spelling) -> Entry:
    from latentgeo.settings import described

    path = tuple(place.split("."))
    kind = _kind_of(field.annotation, field.metadata)
    option = spelling.option or kind.option(path[-1].replace("_", "-"))
    default = (
        None
        if field.is_required()
        else _default_in_help(field.get_default(call_default_factory=True))
    )
    metavar = spelling.metavar or kind.metavar
    repeated = "May be repeated." if kind.type == list[str] else ""
    text = " ".join(filter(None, [described(field), spelling.more, repeated]))
    info = typer.Option(option, metavar=metavar, help=text, rich_help_panel=form.panel)
    if spelling.argument is not None:
        info = typer.Argument(metavar=spelling.argument, help=text)
    parameter = inspect.Parameter(
        "_".join([form.argument, *path]),
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind.type if default is not None else kind.type | None, info],
    )
    return Entry(path, parameter, spelling.read or partial(kind.read, option))


class _Kind(NamedTuple):
    """How a field's type is written: as what, read how from the option and the text."""

    type: Any
    read: Callable[[str, Any], Any] = lambda option, value: value
    metavar: str | None = None
    option: Callable[[str], str] = "--{}".format


def _kind_of(annotation: Any, metadata: Sequence[Any]) -> _Kind:
    from pydantic import BeforeValidator

    (first, *more) = [part for part in _alternatives(annotation) if part is not NoneType]
    origin, parts = get_origin(first), get_args(first)
    if more:  # one number, or several
        number = _plain(first)
        return _Kind(str, partial(read_numbers, number=number, single=True), "N or N,N")
    if origin is dict:
        return _Kind(list[str], _read_pairs, "NAME=VALUE", lambda name: f"--{name[:-1]}")
    if origin is tuple and parts[0] is str:
        return _Kind(list[str], lambda _, names: tuple(names), None, lambda name: f"--{name[:-1]}")
    if origin is tuple:
        return _Kind(str, partial(read_numbers, number=_plain(parts[0])), "N,N,…")
    if origin is Literal:
        return _Kind(str, metavar=f"[{'|'.join(parts)}]")
    if first is bool:
        return _Kind(bool, option="--{0}/--no-{0}".format)
    plain = _plain(first)
    if any(isinstance(one, BeforeValidator) for one in metadata):
        return _Kind(str, metavar="N or all")
    return _Kind(plain if plain in (int, float) else str)


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    union = get_origin(annotation) in (Union, UnionType)
    return get_args(annotation) if union else (annotation,)


def _plain(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _default_in_help(default: Any) -> Any:
    """Return a default as the help shows it."""
    if default in ({}, ()):
        return None
    if not isinstance(default, tuple):
        return default
    values = [f"{value:g}" for value in default]
    return ",".join(values if len(values) <= _SHOWN else [*values[:2], "…", values[-1]])


def _command_line_values(
    context: typer.Context, entries: list[Entry], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the options of the command line, by field; those of a model within another nested."""
    found: dict[str, Any] = {}
    for entry in entries:
        name = entry.parameter.name
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            *outer, last = entry.path
            target = found
            for part in outer:
                target = target.setdefault(part, {})
            target[last] = entry.read(values[name])
    return found


def _make(form: Form, config: Path | None, chosen: dict[str, Any]) -> Any:
    from latentgeo.settings import parse, read_settings

    if form.make is not None:
        return form.make(chosen)
    model = form.load()
    known = {} if config is None else read_settings(config, model)
    for name, value in chosen.items():
        both = isinstance(value, dict) and isinstance(known.get(name), dict)
        known[name] = {**known[name], **value} if both else value
    return parse(model, known, "setting")


def read_numbers(option: str, text: str, *, number: Read, single: bool = False) -> Any:
    """Read numbers with commas.

    Parameters
    ----------
    option : str
        What they are written for.
    text : str
        What was written.
    number : callable
        The text of one to a number.
    single : bool, default=False
        Return one that is alone as it is.

    Returns
    -------
    tuple, int or float
        The numbers.

    Raises
    ------
    InputError
        When one is no number.
    """
    try:
        numbers = tuple(number(part) for part in text.split(",") if text)
    except ValueError:
        raise InputError(
            f"{option} {text!r} is not a list of numbers; expected some with commas, as in 0,1"
        ) from None
    return numbers[0] if single and len(numbers) == 1 else numbers


def read_pairs(pairs: list[str], kind: str, example: str) -> dict[str, Any]:
    """Read NAME=VALUE, the values as JSON where they are numbers, lists or booleans, or as text.

    Parameters
    ----------
    pairs : list of str
        What was written.
    kind : str
        What one is called in messages.
    example : str
        A good one.

    Returns
    -------
    dict
        Values by name.

    Raises
    ------
    InputError
        When one has another form.
    """
    found = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise InputError(f"{kind} {pair!r} is not NAME=VALUE, as in {example}")
        found[name] = _value(value)
    return found


def _read_pairs(option: str, pairs: list[str]) -> dict[str, Any]:
    return read_pairs(pairs, option.removeprefix("--"), "name=1")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
