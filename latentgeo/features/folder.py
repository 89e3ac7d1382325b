"""A classifier as a folder: features.safetensors beside features.json."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from latentgeo.errors import InputError
from latentgeo.features.network import Classifier, ClassifierConfig, Features
from latentgeo.files import sha256_of_file, write_atomically, write_json
from latentgeo.foreign import read_json
from latentgeo.settings import parse

# Not the names of an autoencoder's files: neither can be taken for the other.
WEIGHTS, DESCRIPTION = "features.safetensors", "features.json"

_EXPECTED = f"expected a folder with {WEIGHTS} and {DESCRIPTION}, as `latentgeo features` makes"


def save_features(classifier: Classifier, facts: dict[str, Any], folder: Path) -> None:
    """Write a classifier, each file in one step; the hash of the weights joins the facts."""
    weights = classifier.state_dict().items()
    content = save({name: tensor.cpu().contiguous() for name, tensor in weights})
    write_atomically(folder / WEIGHTS, lambda temporary: _write(temporary, content))
    provenance = {"weights_sha256": sha256_of_file(folder / WEIGHTS), **facts}
    description = {"network": classifier.config.model_dump(mode="json"), "provenance": provenance}
    write_json(folder / DESCRIPTION, description)


def load_features(path: str | Path) -> Features:
    """Load the features of a classifier.

    Parameters
    ----------
    path : str or pathlib.Path
        A folder that `train_classifier` made.

    Returns
    -------
    Features
        On the CPU: a callable from images (b, C, H, W) in [0, 1] to features (b, d).

    Raises
    ------
    InputError
        When the folder or a file is missing or broken, or the weights are not those that the
        description was written for.
    """
    folder = Path(path)
    for name in (WEIGHTS, DESCRIPTION):
        if not (folder / name).is_file():
            raise InputError(f"features {str(folder)!r} have no {name}; {_EXPECTED}")
    network, provenance = _read(folder / DESCRIPTION)
    _check_hash(folder / WEIGHTS, provenance)
    return Features(_load(network, folder / WEIGHTS), provenance)


def _read(path: Path) -> tuple[ClassifierConfig, dict[str, Any]]:
    try:
        description = read_json(path, _EXPECTED)
        network, provenance = description["network"], description["provenance"]
        _ = provenance["weights_sha256"], provenance["data"]["name"], provenance["accuracy"]["test"]
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"{str(path)!r} does not describe a classifier; {_EXPECTED}, or train again"
        ) from None
    try:
        return parse(ClassifierConfig, network, "entry"), provenance
    except InputError as error:
        raise InputError(f"{str(path)!r} cannot be used: {error}") from None


def _check_hash(path: Path, provenance: dict[str, Any]) -> None:
    found, written = sha256_of_file(path), str(provenance["weights_sha256"])
    if found != written:
        raise InputError(
            f"{str(path)!r} has the hash {found[:8]}…, {DESCRIPTION} was written for "
            f"{written[:8]}…; restore both files from where they came, or train again"
        )


def _load(network: ClassifierConfig, path: Path) -> Classifier:
    # Without weights of its own, for which it would draw from torch's global generator.
    with torch.device("meta"):
        classifier = Classifier(network)
    try:
        classifier.load_state_dict(load_file(path), assign=True)
    except (SafetensorError, RuntimeError):
        raise InputError(
            f"{str(path)!r} does not hold the weights that {DESCRIPTION} describes; restore both "
            "files from where they came, or train again"
        ) from None
    return classifier


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
