"""What is no checkpoint, and what to call with it instead."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

from torch import nn

from latentgeo.errors import InputError
from latentgeo.models import Autoencoder

_WAYS = (
    (
        ("Tensor", "ndarray", "DataArray", "Dataset", "DataFrame"),
        "numbers and no model; latents are analysed by latentgeo.analyze_arrays(latents), images "
        "go into data=",
    ),
    (
        ("Analysis", "DataTree", "ModelResult"),
        "results that are measured already; read them with .to_dataframe(), or join saved ones "
        "with latentgeo.compare([folder, folder])",
    ),
)


def check_is_checkpoint(value: Any, *, named: bool = False) -> None:
    """Refuse what is neither a path nor a model.

    Parameters
    ----------
    value : object
        What stands where a checkpoint is expected.
    named : bool, default=False
        Models have to come with a name here.

    Raises
    ------
    InputError
        Says what to call.
    """
    if isinstance(value, str | Path) or (
        not named and (value is None or isinstance(value, Autoencoder))
    ):
        return
    if isinstance(value, Autoencoder):
        raise InputError(
            f"a model ({value.config.recipe!r}) stands in a list; give models names, as "
            "{'a': model, 'b': other}"
        )
    raise InputError(f"checkpoint is {_described(value)}, {_way_out(value)}")


def is_mapping_of_models(value: Any) -> TypeGuard[Mapping[str, Any]]:
    """Return whether something is a mapping of names, and no data set or result, which are, too."""
    return isinstance(value, Mapping) and _known_way(value) is None


def _known_way(value: Any) -> str | None:
    # By name: xarray and pandas need not be loaded to say that this is of theirs.
    kinds = {kind.__name__ for kind in type(value).__mro__}
    return next((way for names, way in _WAYS if kinds & set(names)), None)


def _described(value: Any) -> str:
    shape = getattr(value, "shape", None)
    of = f" of shape {tuple(shape)}" if isinstance(shape, tuple) else ""
    return f"{type(value).__name__}{of}"


def _way_out(value: Any) -> str:
    if isinstance(value, nn.Module):
        return (
            "a network; make a model of it with latentgeo.load(None, model=network, image_shape=…) "
            "or latentgeo.wrap(encoder, decoder, image_shape=…)"
        )
    way = _known_way(value)
    if way is not None:
        return way
    if isinstance(value, dict) and value and all(hasattr(one, "shape") for one in value.values()):
        return (
            "weights alone; save them with safetensors.torch.save_file, and open the file with "
            "latentgeo.load(path, model=network)"
        )
    return (
        "expected the path of a run or checkpoint, a model that latentgeo.load or latentgeo.wrap "
        "gave, or a mapping of names to these"
    )
