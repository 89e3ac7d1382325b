"""The options of every command that opens a checkpoint."""

import inspect
import json
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentgeo.errors import InputError

if TYPE_CHECKING:
    from latentgeo.checkpoints import Card

_PANEL = "A model that others trained"


def _option(*names: str, **settings: Any) -> Any:
    return typer.Option(*names, rich_help_panel=_PANEL, show_default=False, **settings)


def _opening(
    model: Annotated[
        str | None,
        _option(
            metavar="MODULE:FACTORY",
            help="The code that makes the network, package.module:name or file.py:name. It runs.",
        ),
    ] = None,
    argument: Annotated[
        list[str] | None, _option(metavar="NAME=VALUE", help="An argument of that code.")
    ] = None,
    weights: Annotated[
        str | None, _option(help="The file of weights; within the folder, where one is given.")
    ] = None,
    decoder: Annotated[
        str | None, _option(help="The decoder's file, where it is apart from the encoder's.")
    ] = None,
    encode: Annotated[
        str | None, _option("--encode", help="The method or submodule that encodes.")
    ] = None,
    decode: Annotated[
        str | None, _option("--decode", help="The method or submodule that decodes.")
    ] = None,
    layer: Annotated[
        list[str] | None,
        _option(help="A module whose output is the latent; may be repeated, for one pass."),
    ] = None,
    posterior: Annotated[
        str | None,
        _option(help="Where mean and spread are: point, pair, halves, interleaved, or places 1,2."),
    ] = None,
    spread: Annotated[
        str | None, _option(help="What the spread is: log-variance, variance, log-std or std.")
    ] = None,
    input_size: Annotated[
        str | None, _option(metavar="N or H,W", help="What the model resizes to, after the noise.")
    ] = None,
    interpolation: Annotated[str | None, _option(help="How: bilinear, bicubic or nearest.")] = None,
    grey_to_rgb: Annotated[
        bool, _option("--grey-to-rgb", help="Repeat the one channel of grey images three times.")
    ] = False,
    range_: Annotated[
        str | None,
        _option("--range", metavar="LOW,HIGH", help="What [0, 1] becomes: --range=-1,1."),
    ] = None,
    mean: Annotated[
        str | None, _option(help="Instead of a range: mean per channel, with commas.")
    ] = None,
    std: Annotated[str | None, _option(help="And the standard deviation.")] = None,
    output: Annotated[
        str | None,
        _option(help="What the decoder gives: same (as the input), unit ([0, 1]) or logits."),
    ] = None,
    ema: Annotated[bool, _option("--ema", help="Take the averaged weights.")] = False,
    prefix: Annotated[
        str | None, _option(help="What the names of its weights begin with, as in model_ema.")
    ] = None,
    trust_code: Annotated[
        bool,
        _option(
            "--trust-code",
            help="Run a checkpoint that is a program (TorchScript, torch.export), which can do "
            "whatever you can; remembered for this file as it is.",
        ),
    ] = False,
    allow_mismatch: Annotated[
        bool,
        _option("--allow-mismatch", help="Go on where weights are missing or left over; warn."),
    ] = False,
) -> "Card":
    """Return what was said."""
    from latentgeo.checkpoints.card import Card

    preprocessing = _said(
        size=_numbers("--input-size", input_size, int, single=True),
        interpolation=interpolation,
        grey_to_rgb=grey_to_rgb or None,
        range=_numbers("--range", range_, float),
        mean=_numbers("--mean", mean, float),
        std=_numbers("--std", std, float),
        output=output,
    )
    said = _said(
        model=model,
        arguments=read_pairs(argument or [], "argument", "latent_dim=10") or None,
        weights=weights,
        decoder=decoder,
        encode=encode,
        decode=decode,
        layers=tuple(layer or ()) or None,
        preprocessing=preprocessing or None,
        posterior=_said(**_posterior(posterior), spread=spread) or None,
        ema=ema or None,
        prefix=prefix,
        strict=False if allow_mismatch else None,
        trust_code=trust_code or None,
    )
    return Card.of(**said)


def opening_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add to a command the options that say how to open a checkpoint.

    Parameters
    ----------
    command : callable
        Takes `opening`, a `Card` in which is set what was said.

    Returns
    -------
    callable
        Takes the options instead.
    """
    own = inspect.signature(command).parameters
    added = inspect.signature(_opening).parameters

    @wraps(command)
    def wrapped(**values: Any) -> None:
        said = {name: values.pop(name) for name in added}
        command(**values, opening=_opening(**said))

    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in {**own, **added}.items()
        if name != "opening"
    ]
    # Where inspect looks for a signature that is not the function's own; typeshed has no such name.
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del wrapped.__wrapped__  # whose signature is another
    return wrapped


def _said(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _numbers(
    option: str, text: str | None, kind: Callable[[str], Any], *, single: bool = False
) -> Any:
    if text is None:
        return None
    try:
        numbers = tuple(kind(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"{option} {text!r} is not a list of numbers; expected as in 0.5,0.5"
        ) from None
    return numbers[0] if single and len(numbers) == 1 else numbers


def _posterior(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    if text[0].isdigit():
        return {"items": _numbers("--posterior", text, int)}
    return {"layout": text}


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


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
