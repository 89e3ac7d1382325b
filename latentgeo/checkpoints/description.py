"""What a checkpoint is, in a few facts."""

from pathlib import Path
from typing import Any

from latentgeo.checkpoints.card import Card
from latentgeo.checkpoints.opening import open_checkpoint
from latentgeo.checkpoints.reported import measure_reported
from latentgeo.checkpoints.stated import side_for, stated_shape
from latentgeo.datasets import ImageDataset, load, without_shortage
from latentgeo.errors import InputError
from latentgeo.models import Autoencoder, Shape

_MOST = 1000  # images, of which the mean is known to a per cent
_FROM_TRAINING = (
    "data",
    "seed",
    "epochs",
    "best_epoch",
    "validation_loss",
    "validation_psnr_db",
    "baseline_psnr_db",
    "learned",
    "diagnostics",
    "finished",
)
_FROM_OTHERS = (
    "kind",
    "dtype",
    "input_form",
    "files_sha256",
    "weights",
    "mismatch",
    "not_a_function",
    "card",
    "model",
    "model_sha256",
    "class",
)


def info(
    path: str | Path | None,
    *,
    image_shape: Shape | None = None,
    data: ImageDataset | str | Path | None = None,
    opening: Card | None = None,
    **entries: Any,
) -> dict[str, Any]:
    """Describe a checkpoint.

    Parameters
    ----------
    path, image_shape, opening, **entries
        What `open_checkpoint` takes.
    data : ImageDataset, str or pathlib.Path, optional
        Images to measure how well it reconstructs, or where they come from, as `load` in
        `latentgeo.datasets` takes it: the first 1000 by the seed 0 of the test images of what is
        parted, else of all. They are resized to the square that the checkpoint says it takes.

    Returns
    -------
    dict
        JSON-ready: `recipe`, `backbone`, `options`, `image_shape`, `latent_shape`,
        `stochastic`, `decodes`, `parameters` (their number) and `weights_sha256`. From a run
        folder also `data`, `seed`, `epochs` that were trained, `best_epoch`, `validation_loss`
        and `validation_psnr_db` of that epoch, `baseline_psnr_db` of the mean image, `learned`,
        `diagnostics` (a line for each thing that went wrong), `finished`; from other people's
        models `kind`, `files_sha256`, `card` and what was done to the weights. With `data`,
        `on_data`: PSNR, and reconstruction and divergence in nats per image (`ReportedFigures`).

    Raises
    ------
    InputError
        When `open_checkpoint` would.
    """
    images = None
    if data is not None:
        stated = image_shape or stated_shape(path, opening)
        images = _images(data, side_for(data, [stated]))
        image_shape = stated or images.shape
    model = open_checkpoint(path, image_shape=image_shape, opening=opening, **entries)
    config = model.config.model_dump(mode="json")
    written = model.provenance
    return {
        "recipe": config["recipe"],
        "backbone": config["backbone"],
        "options": config["options"],
        "image_shape": config["image_shape"],
        "latent_shape": list(model.latent_shape),
        "stochastic": model.stochastic,
        "decodes": model.decodes,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "weights_sha256": written["weights_sha256"],
        **{name: written[name] for name in _FROM_TRAINING + _FROM_OTHERS if name in written},
        **({} if images is None else {"on_data": _on_data(model, images)}),
    }


def _images(data: Any, side: int | None) -> ImageDataset:
    with without_shortage():
        return load(data, None, size=side, samples=_MOST)


def _on_data(model: Autoencoder, images: ImageDataset) -> dict[str, Any]:
    if not model.decodes:
        raise InputError(
            f"model {model.config.recipe!r} has no decoder, so nothing is reconstructed; leave out "
            "data (--data)"
        )
    if tuple(images.shape) != tuple(model.config.image_shape):
        raise InputError(
            f"data {images.name!r} has images of shape {tuple(images.shape)}, the model takes "
            f"{tuple(model.config.image_shape)}; give images of that shape, or say "
            "the shape (--image-shape)"
        )
    return {"data": images.name, **measure_reported(model, images)._asdict()}
