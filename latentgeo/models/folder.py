"""A model as a folder: model.safetensors beside config.json, as on the Hugging Face hub."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from latentgeo.errors import InputError
from latentgeo.files import write_atomically, write_json
from latentgeo.foreign import read_json
from latentgeo.models.autoencoder import Autoencoder
from latentgeo.models.build import build
from latentgeo.models.config import ModelConfig
from latentgeo.settings import parse

WEIGHTS, CONFIG = "model.safetensors", "config.json"

Tensors = dict[str, Tensor]


def save_model(model: Autoencoder, folder: str | Path) -> None:
    """Write the weights and the configuration, each file in one step.

    Parameters
    ----------
    model : Autoencoder
        The model, on any device.
    folder : str or pathlib.Path
        Made if it is missing; files of the same names are replaced.

    Raises
    ------
    OSError
        When the disk refuses; earlier results are intact.
    """
    place = Path(folder)
    weights = model.serialized_weights()
    write_json(place / CONFIG, model.config.model_dump(mode="json"))
    write_atomically(place / WEIGHTS, lambda temporary: _write(temporary, weights))


def load_model(folder: str | Path) -> Autoencoder:
    """Read what `save_model` wrote.

    Parameters
    ----------
    folder : str or pathlib.Path
        Holds `model.safetensors` and `config.json`.

    Returns
    -------
    Autoencoder
        On the CPU, in evaluation mode.

    Raises
    ------
    InputError
        When the folder or a file is missing or broken, or the weights do not fit the
        configuration or are not finite.
    """
    place = Path(folder)
    if not place.is_dir():
        raise InputError(f"checkpoint {str(place)!r} is not a folder; {_EXPECTED}")
    config, weights = _read_config(place / CONFIG), _read_weights(place / WEIGHTS)
    _check_fit(_expected_weights(config), weights, place / WEIGHTS)
    _check_finite(weights, place / WEIGHTS)
    model = build(config)
    model.load_state_dict(weights)
    return model.eval()


def _expected_weights(config: ModelConfig) -> Tensors:
    """Return tensors as large as the configuration says, which take no memory."""
    try:
        with torch.device("meta"):
            return build(config).state_dict()
    except (NotImplementedError, RuntimeError):  # a backbone of others that computes at once
        return build(config).state_dict()


_EXPECTED = f"expected a folder with {WEIGHTS} and {CONFIG}, as `latentgeo train` makes"


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _read_config(path: Path) -> ModelConfig:
    if not path.is_file():
        raise InputError(f"checkpoint {str(path.parent)!r} has no {path.name}; {_EXPECTED}")
    values = read_json(path, "restore it from where it came")
    if not isinstance(values, dict) or "recipe" not in values:
        raise InputError(
            f"{str(path)!r} does not describe a latentgeo model (it names no 'recipe'); {_EXPECTED}"
        )
    try:
        return parse(ModelConfig, values, "entry")
    except InputError as error:
        raise InputError(f"{str(path)!r} cannot be used: {error}") from None


def _read_weights(path: Path) -> Tensors:
    if not path.is_file():
        raise InputError(f"checkpoint {str(path.parent)!r} has no {path.name}; {_EXPECTED}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise InputError(
            f"{str(path)!r} is broken or cut short ({error}); restore it from where it came, "
            "or train again"
        ) from None


def _check_fit(expected: Tensors, found: Tensors, path: Path) -> None:
    missing = [name for name in expected if name not in found]
    if missing:
        raise InputError(f"{str(path)!r} lacks {_list(missing)}, which {CONFIG} asks for")
    extra = [name for name in found if name not in expected]
    if extra:
        raise InputError(f"{str(path)!r} holds {_list(extra)}, which {CONFIG} does not know")
    for name, tensor in expected.items():
        if found[name].shape != tensor.shape:
            raise InputError(
                f"tensor {name!r} in {str(path)!r} has shape {tuple(found[name].shape)}, "
                f"{CONFIG} asks for {tuple(tensor.shape)}; use the {CONFIG} that it was saved with"
            )


def _check_finite(weights: Tensors, path: Path) -> None:
    for name, tensor in weights.items():
        broken = int((~torch.isfinite(tensor)).sum())
        if broken:
            raise InputError(
                f"tensor {name!r} in {str(path)!r} holds {broken} values that are NaN or "
                "infinite; use an earlier checkpoint or train again"
            )


def _list(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more tensors"
