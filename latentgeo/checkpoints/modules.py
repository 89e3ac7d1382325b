"""Networks that the user's own code makes, filled with weights."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from latentgeo.checkpoints.card import NO_DECODER, Card, read_card
from latentgeo.checkpoints.factories import (
    allow,
    digest_of_code,
    find_factory,
    is_allowed,
    make_module,
    relative_to,
    same_code,
)
from latentgeo.checkpoints.source import Source
from latentgeo.checkpoints.untrusted import Weights
from latentgeo.checkpoints.weights import (
    Fit,
    fit_weights,
    fits_exactly,
    join_fits,
    read_weights,
    telling_settings,
)
from latentgeo.errors import InputError

ENCODER = "encoder"

Model = str | nn.Module | Callable[..., nn.Module]


def open_module(path: Path | None, file: Path | None, model: Model | None, card: Card) -> Source:
    """Build a network by the user's own code, and fill in the weights.

    Parameters
    ----------
    path : pathlib.Path or None
        The checkpoint: a folder or a file.
    file : pathlib.Path or None
        The file of weights; None where the network comes with them.
    model : str, torch.nn.Module, callable or None
        The network, or what makes it; if None, what the card names.
    card : Card
        Arguments of the code, the decoder's file and how weights are fitted.

    Returns
    -------
    Source
        The network.

    Raises
    ------
    InputError
        When the code may not run or fails, or the weights do not fit.
    """
    weights = None if file is None else read_weights(file, ema=card.ema)
    facts: dict[str, Any] = {}
    if isinstance(model, nn.Module):
        net = model
    else:
        name, factory, facts = _find_code(path, model, card)
        with telling_settings(weights):
            net = make_module(factory, card.arguments, name)
    if path is None or weights is None:
        if card.decoder is not None:
            raise InputError(
                f"decoder {card.decoder!r} names the file of the decoder, and there is none of the "
                "encoder; give both (weights=…, --weights), or leave it out"
            )
        return Source("module", net, Card(name=type(net).__name__), (), facts=facts)
    if card.decoder is None and (part := _encoder_alone(net, weights, card)) is not None:
        fit = fit_weights(net.get_submodule(part), weights, strict=card.strict, prefix=card.prefix)
        facts |= join_fits({part: fit}, ()).facts()
        return Source("module", net, Card(encode=part), weights.files, facts=facts)
    files, fit = _filled(net, weights, card)
    return Source("module", net, Card(), files, facts={**facts, **fit.facts()})


def folder_of(path: Path) -> Path:
    """Return the folder that a checkpoint is, or lies in."""
    return path if path.is_dir() else path.parent


def _find_code(
    path: Path | None, model: str | Callable[..., nn.Module] | None, card: Card
) -> tuple[str, Callable[..., nn.Module], dict[str, Any]]:
    """Return what makes the network with its name, and what the provenance tells of it."""
    if model is not None and not isinstance(model, str):
        return getattr(model, "__name__", "model"), model, {}
    name, folder = _allowed_code(path, model, card)
    facts = {
        "model": relative_to(name, folder, folder),
        "model_sha256": digest_of_code(name, folder),
    }
    return name, find_factory(name, folder), facts


def _encoder_alone(net: nn.Module, weights: Weights, card: Card) -> str | None:
    """Return the encoder's name where the weights are of it alone and no decoder is wanted."""
    name = card.encode or ENCODER
    part = getattr(net, name, None)
    if not isinstance(part, nn.Module) or fits_exactly(net, weights, card.prefix):
        return None
    if not fits_exactly(part, weights, card.prefix):
        return None
    if card.decode == NO_DECODER:
        return name
    raise InputError(
        f"{str(weights.path)!r} holds the weights of {type(net).__name__}.{name} alone; give the "
        "file of the decoder as well (decoder=…, --decoder), or analyse the latents alone "
        "(decode='none', --decode none)"
    )


def _filled(net: nn.Module, weights: Weights, card: Card) -> tuple[tuple[Path, ...], Fit]:
    """Fill a network with the weights of one file, or of the encoder's and the decoder's."""
    if card.decoder is None:
        return weights.files, fit_weights(net, weights, strict=card.strict, prefix=card.prefix)
    second = read_weights(weights.path.parent / card.decoder, ema=card.ema)
    halves = {card.encode or ENCODER: weights, card.decode or "decoder": second}
    parts = {name: getattr(net, name, None) for name in halves}
    for name, part in parts.items():
        if not isinstance(part, nn.Module):
            raise InputError(
                f"{type(net).__name__} has no module {name!r} that weights of one file could go "
                "into; name the modules of the two files (--encode, --decode), or give one file"
            )
    fits = [
        fit_weights(part, halves[name], strict=card.strict, prefix=card.prefix)
        for name, part in parts.items()
        if isinstance(part, nn.Module)
    ]
    names = tuple(f"{name}." for name in halves)
    outside = [name for name in net.state_dict() if not name.startswith(names)]
    if outside:
        lack = (
            f"{type(net).__name__} has tensors that belong neither to its encoder nor to its "
            f"decoder ({', '.join(outside[:3])}), so that two files do not fill it; give one file"
        )
        if card.strict:
            raise InputError(lack)
        warnings.warn(lack, stacklevel=2)
    return (*weights.files, *second.files), join_fits(dict(zip(halves, fits, strict=True)), outside)


def _allowed_code(path: Path | None, model: str | None, card: Card) -> tuple[str, Path]:
    """Return the name of the factory, and what it is relative to; run nothing without consent."""
    recorded = None if path is None else read_card(path)
    if model is None:
        name, folder = str(card.model), folder_of(Path(path or "."))
        if not is_allowed(name, folder):
            raise InputError(
                f"a card in {str(folder)!r} names code, {name!r}, which runs when the model is "
                "opened, and you have not named it yourself in the state that it is in now; read "
                f"it, and if you trust it pass once --model {relative_to(name, folder, Path.cwd())}"
            )
        return name, folder
    here = Path.cwd()
    if recorded is not None and recorded.model is not None and path is not None:
        beside = folder_of(path)
        if same_code(model, here, recorded.model, beside):
            allow(recorded.model, beside)
    return model, here
