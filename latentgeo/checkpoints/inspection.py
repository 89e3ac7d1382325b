"""Inspect a network: which layers there are, and which look like a latent."""

import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from latentgeo.checkpoints.card import Card, write_card
from latentgeo.checkpoints.factories import allow, path_from, relative_to
from latentgeo.checkpoints.members import find_member, listening, module_names
from latentgeo.checkpoints.modules import Model, folder_of
from latentgeo.checkpoints.opening import find_source, make_autoencoder
from latentgeo.checkpoints.source import Source
from latentgeo.errors import InputError, reason_of
from latentgeo.models import Shape, shape_of
from latentgeo.models.functions import run_net
from latentgeo.models.layouts import describe, is_latent
from latentgeo.models.wrapping import forms_for

_NAMES = re.compile(
    r"bottleneck|latent|(^|\.)encoder$|(^|[._])(z|mu|mean|code|codes|quant\w*|embedding)($|[._\d])"
)
_MOST = 60
_MOST_TOLD = 8


class Layer(NamedTuple):
    """One module of a network, as a pass of images saw it.

    Attributes
    ----------
    name : str
        Its name.
    module : str
        Its class.
    shape : tuple of int
        Shape of its output for one image.
    latent : bool
        Whether it looks like a latent: by its name, or the narrowest place of the network.
    """

    name: str
    module: str
    shape: tuple[int, ...]
    latent: bool


def list_layers(net: nn.Module, images: Tensor, call: str = "forward") -> list[Layer]:
    """Run a network and list the modules whose output is a tensor, in the order of their use.

    Parameters
    ----------
    net : torch.nn.Module
        The network.
    images : torch.Tensor of shape (b, C, H, W)
        What goes in.
    call : str, default="forward"
        What to run.

    Returns
    -------
    list of Layer
        Those that ran once.

    Raises
    ------
    InputError
        When the images do not go through.
    """

    def hear(given: Tensor) -> dict[str, list[Any]]:
        with listening(net, module_names(net)) as heard:
            find_member(net.eval(), call)(given)
        return heard

    try:
        with torch.no_grad():
            heard = run_net(hear, images)
    except InputError:
        raise
    except Exception as error:  # a foreign module may raise anything
        raise InputError(
            f"{call!r} of {type(net).__name__} does not take {describe(images)}: {reason_of(error)}"
        ) from error
    once = {name: outputs[0] for name, outputs in heard.items() if len(outputs) == 1}
    return _described(net, once, images)


def init_card(
    path: str | Path,
    *,
    image_shape: Shape,
    model: Model | None = None,
    force: bool = False,
    opening: Card | None = None,
    **entries: Any,
) -> tuple[Path, list[Layer]]:
    """Write a card for a checkpoint, by looking into its network.

    Parameters
    ----------
    path : str or pathlib.Path
        The folder or the file of weights.
    image_shape : (C, H, W)
        Images to run through it, before preprocessing.
    model, opening, **entries
        As in `open_checkpoint`; they are written down.
    force : bool, default=False
        Replace the card that is there.

    Returns
    -------
    tuple of pathlib.Path and list of Layer
        The card, and the layers that it lists in its comment.

    Raises
    ------
    InputError
        When the network cannot be made or run, it does not open with what the card would say, or
        there is a card already.
    """
    place = Path(path)
    folder = folder_of(place)
    overrides = (opening or Card()).updated(Card.of(**entries))
    code = overrides.model if model is None else model
    source, card = find_source(place, code, overrides)
    seen = card.preprocessing.shape(image_shape)
    images = card.preprocessing.normalise(torch.full((1, *seen), 0.5))
    layers = _first_that_runs(source.net, images)
    card = card.updated(Card.of(image_shape=image_shape))
    _check_that_it_opens(source, card, place, layers)
    if isinstance(code, str):
        card = card.updated(Card(model=relative_to(code, Path.cwd(), folder)))
    if card.decoder is not None:
        card = card.updated(Card(decoder=path_from(folder / card.decoder, folder)))
    written = write_card(place, card, comment=_comment(layers), force=force)
    if isinstance(code, str):
        allow(str(card.model), folder)
    return written, layers


def _check_that_it_opens(source: Source, card: Card, place: Path, layers: list[Layer]) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they come again when it is opened
            make_autoencoder(source, card, None, place)
    except InputError as error:
        marked = [f"{one.name} ({'x'.join(map(str, one.shape))})" for one in layers if one.latent]
        raise InputError(
            f"{error}. No card was written, as it would not open; layers that look like latents: "
            f"{', '.join(marked[:_MOST_TOLD]) or 'none'}"
        ) from error


def _first_that_runs(net: nn.Module, images: Tensor) -> list[Layer]:
    """List the layers of the whole network, or where it cannot be run, of what encodes."""
    if isinstance(net, torch.jit.ScriptModule):
        return []  # whose modules cannot be listened to
    refused = []
    calls = [call for call in ("forward", "encode", "encoder") if _has(net, call)]
    for form in forms_for(net, shape_of(images)):
        for call in calls or ["forward"]:
            try:
                return list_layers(net, form.given(images), call)
            except InputError as error:
                refused.append(error)
    raise refused[0]


def _has(net: nn.Module, call: str) -> bool:
    if call == "forward":
        return type(net).forward is not nn.Module.forward
    return callable(getattr(net, call, None))


def _described(net: nn.Module, outputs: dict[str, Any], images: Tensor) -> list[Layer]:
    shapes = {
        name: tuple(output.shape[1:]) for name, output in outputs.items() if is_latent(output)
    }
    size = {name: _numbers(shape) for name, shape in shapes.items()}
    whole = images[0].numel()  # what is as large as an image is one, whatever it is called
    narrowest = min((numbers for numbers in size.values() if numbers < whole), default=0)
    return [
        Layer(
            name,
            type(net.get_submodule(name)).__name__,
            shape,
            size[name] != whole and (bool(_NAMES.search(name.lower())) or size[name] == narrowest),
        )
        for name, shape in shapes.items()
    ]


def _numbers(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())


def _comment(layers: list[Layer]) -> str:
    shown = layers if len(layers) <= _MOST else [layer for layer in layers if layer.latent][:_MOST]
    width = max((len(layer.name) for layer in shown), default=0)
    rows = [
        f"  {'*' if layer.latent else ' '} {layer.name:<{width}}  "
        f"{'x'.join(map(str, layer.shape)):<12}  {layer.module}"
        for layer in shown
    ]
    return "\n".join(
        [
            "How to open the checkpoint beside this file. To look at a layer instead of the",
            "encoder's output, add  layers: [NAME]. Layers with the shape of their output for one",
            "image; * marks those that look like latents:",
            *rows,
        ]
    )
