"""The models of a job, opened."""

from collections.abc import Mapping

from latentgeo.checkpoints import Card
from latentgeo.datasets import ImageDataset
from latentgeo.errors import InputError
from latentgeo.models import Autoencoder, choose_device
from latentgeo.pipeline import Checkpoint, open_for


def open_all(
    named: Mapping[str, Checkpoint],
    images: ImageDataset,
    opening: Card | None,
    device: str,
) -> dict[str, Autoencoder]:
    """Open models for some images, ready to encode and decode.

    Parameters
    ----------
    named : mapping of str to Autoencoder, str, pathlib.Path or None
        As `latentgeo.pipeline.name_checkpoints` gives them.
    images : ImageDataset
        What they shall encode.
    opening : Card or None
        How to open them, as `open_checkpoint` takes it.
    device : str
        "auto", "cpu" or "cuda".

    Returns
    -------
    dict of str to Autoencoder
        In evaluation mode, on the device.

    Raises
    ------
    InputError
        When one cannot be opened, does not take these images, or has no decoder.
    """
    place = choose_device(device)
    models = {label: open_for(images, one, opening) for label, one in named.items()}
    for label, model in models.items():
        _check_decodes(label, model)
        model.eval().to(place)
    return models


def _check_decodes(label: str, model: Autoencoder) -> None:
    if model.decodes:
        return
    several = f" ({len(model.parts)} layers are looked at in one pass)" if model.parts else ""
    raise InputError(
        f"model {label!r} has no decoder{several}, so there are no images between; open it with "
        "one (decode=…, --decode), with one layer at most"
    )
