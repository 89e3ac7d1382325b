"""The shape of images that a checkpoint says it takes no other than, and data resized to it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar, cast

from latentgeo.checkpoints.card import Card, read_card
from latentgeo.datasets import names
from latentgeo.models import Autoencoder, Shape
from latentgeo.settings import EncodingSettings, InterpolationSettings

S = TypeVar("S", bound=EncodingSettings | InterpolationSettings)


def stated_shape(
    checkpoint: Autoencoder | str | Path | None, opening: Card | None = None
) -> Shape | None:
    """Return the shape of images that a card says a model takes.

    Parameters
    ----------
    checkpoint : Autoencoder, str, pathlib.Path or None
        A model, or the first argument of `open_checkpoint`.
    opening : Card, optional
        Goes before the card beside the checkpoint.

    Returns
    -------
    tuple of int or None
        (C, H, W); None where no card says it.
    """
    stated = None if opening is None else opening.image_shape
    if stated is not None or isinstance(checkpoint, Autoencoder) or checkpoint is None:
        return stated
    card = read_card(checkpoint)
    return None if card is None else card.image_shape


def side_for(data: Any, shapes: Iterable[Shape | None]) -> int | None:
    """Return the side in pixels to which data are resized: that of the square all shapes agree on.

    Parameters
    ----------
    data : str, pathlib.Path or object
        The data, as `latentgeo.datasets.load` takes them.
    shapes : iterable of tuple of int or None
        What `stated_shape` gives for each model.

    Returns
    -------
    int or None
        None where the data stay as they are: objects, and data of that size.
    """
    sides = {side for shape in shapes if shape is not None for side in shape[1:]}
    known = names().get(str(data)) if isinstance(data, str | Path) else None
    if not isinstance(data, str | Path) or len(sides) != 1:
        return None
    (side,) = sides
    return None if known is not None and set(known.image_shape[1:]) == sides else side


def sized(
    settings: S,
    data: Any,
    checkpoints: Iterable[Autoencoder | str | Path | None],
    opening: Card | None = None,
) -> S:
    """Return settings that resize data to what cards say, where they do not say a size themselves.

    Takes what `side_for` and `stated_shape` do.
    """
    if settings.size is not None:
        return settings
    side = side_for(data, [stated_shape(one, opening) for one in checkpoints])
    found: Any = settings.model_copy(update={"size": side})
    return cast(S, found)
