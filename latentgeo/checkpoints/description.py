"""What a checkpoint is, in a few facts."""

from pathlib import Path
from typing import Any

from latentgeo.checkpoints.card import Card
from latentgeo.checkpoints.opening import open_checkpoint
from latentgeo.models import Shape

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
    opening: Card | None = None,
    **entries: Any,
) -> dict[str, Any]:
    """Describe a checkpoint.

    Parameters
    ----------
    path, image_shape, opening, **entries
        What `open_checkpoint` takes.

    Returns
    -------
    dict
        JSON-ready: `recipe`, `backbone`, `options`, `image_shape`, `latent_shape`,
        `stochastic`, `decodes`, `parameters` (their number) and `weights_sha256`. From a run
        folder also `data`, `seed`, `epochs` that were trained, `best_epoch`, `validation_loss`
        and `validation_psnr_db` of that epoch, `baseline_psnr_db` of the mean image, `learned`,
        `diagnostics` (a line for each thing that went wrong), `finished`; from other people's
        models `kind`, `files_sha256`, `card` and what was done to the weights.

    Raises
    ------
    InputError
        When `open_checkpoint` would.
    """
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
    }
