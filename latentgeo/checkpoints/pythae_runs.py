"""Run folders of pythae: its JSON and its weights, and none of its pickles."""

from pathlib import Path
from typing import Any

from torch import nn

from latentgeo.checkpoints.card import Card
from latentgeo.checkpoints.source import Source
from latentgeo.checkpoints.weights import fit_weights, read_weights
from latentgeo.errors import InputError, reason_of
from latentgeo.foreign import read_json

_CONFIG, _WEIGHTS = "model_config.json", "model.pt"


def is_run(folder: Path) -> bool:
    """Return whether pythae saved a model here."""
    return (folder / _CONFIG).is_file() and (folder / _WEIGHTS).is_file()


def open_run(folder: Path, card: Card) -> Source:
    """Open a model that pythae saved.

    Parameters
    ----------
    folder : pathlib.Path
        With `model_config.json` and `model.pt`.
    card : Card
        The entries that the user gave.

    Returns
    -------
    Source
        The model, its nets those of pythae.

    Raises
    ------
    InputError
        When pythae is not installed, the configuration names no model of it, the nets are the
        user's own (pythae keeps them in pickles, which are never opened), or the weights do not
        fit.
    """
    config = _read(folder / _CONFIG)
    _check_default_nets(folder, config)
    net = _build(folder, config)
    path = folder / (card.weights or _WEIGHTS)
    fit = fit_weights(
        net, read_weights(path, ema=card.ema), strict=card.strict, prefix=card.prefix, path=path
    )
    shape = config.get("input_dim") or ()
    known = {"image_shape": tuple(shape)} if len(shape) == 3 else {}
    return Source(
        "pythae",
        net,
        # The whole model has no encode of its own that gives a posterior; its encoder does.
        Card(encode="encoder", decode="decoder").updated(Card.of(name=_name(config), **known)),
        (folder / _CONFIG, path),
        facts={"class": _name(config), **fit.facts()},
    )


def _read(path: Path) -> dict[str, Any]:
    values = read_json(path, "restore it from where it came")
    if not isinstance(values, dict) or not isinstance(values.get("name"), str):
        raise InputError(f"{str(path)!r} names no model of pythae; expected an entry 'name'")
    return values


def _check_default_nets(folder: Path, config: dict[str, Any]) -> None:
    own = [half for half in ("encoder", "decoder") if not config.get(f"uses_default_{half}", True)]
    if own:
        raise InputError(
            f"pythae run {str(folder)!r} has an {' and a '.join(own)} of its author's own, kept in "
            f"{own[0]}.pkl, which is never opened because it runs code; give the network "
            "yourself: --model file.py:factory, a module with 'encoder' and 'decoder'"
        )


def _name(config: dict[str, Any]) -> str:
    return str(config["name"]).removesuffix("Config")


def _build(folder: Path, config: dict[str, Any]) -> nn.Module:
    models = _import()
    config_class = getattr(models, f"{_name(config)}Config", None)
    model_class = getattr(models, _name(config), None)
    if config_class is None or model_class is None:
        raise InputError(f"{str(folder / _CONFIG)!r} names {config['name']!r}, no model of pythae")
    options = {key: value for key, value in config.items() if key != "name"}
    try:
        net: nn.Module = model_class(config_class(**options))
    except Exception as error:  # a configuration is anybody's text
        raise InputError(
            f"pythae cannot build a model from {str(folder / _CONFIG)!r}: {reason_of(error)}"
        ) from error
    return net


def _import() -> Any:
    try:
        from pythae import models
    except ImportError:
        raise InputError(
            "this checkpoint is a run of pythae, which is not installed; "
            "python -m pip install 'latentgeo[pythae]'"
        ) from None
    return models
