"""`latentgeo encode`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentgeo.cli.app import (
    OPENING,
    Checkpoint,
    Data,
    Device,
    Force,
    Quiet,
    app,
    one_checkpoint,
    say,
)
from latentgeo.cli.options import Form, command

if TYPE_CHECKING:
    from latentgeo.checkpoints import Card
    from latentgeo.settings import EncodingSettings

ENCODING = Form("settings", "latentgeo.settings:EncodingSettings")


@command(app, ENCODING, OPENING)
def encode(
    settings: "EncodingSettings",
    opening: "Card",
    data: Data,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The zarr folder to create or to continue.")
    ],
    checkpoint: Checkpoint = None,
    batch_size: Annotated[int, typer.Option(help="Images per pass.")] = 128,
    device: Device = "auto",
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Encode a data set under a sweep of noise and write the latents."""
    from latentgeo.checkpoints import sized
    from latentgeo.files import check_free
    from latentgeo.latents import encode, select_images
    from latentgeo.pipeline import open_for
    from latentgeo.settings import resolve

    if force:  # what is opened here does not tell `encode` where it was read from
        reads = (checkpoint, data, opening.weights, opening.decoder)
        check_free(out, holds="latents", force=True, reads=reads)
    place = one_checkpoint(checkpoint, opening)
    settings = sized(settings, data, [place], opening)
    images = select_images(data, settings)
    encode(
        open_for(images, place, opening),
        images,
        out=out,
        settings=resolve(type(settings), settings, {"samples": None}, of=encode),
        batch_size=batch_size,
        device=device,
        force=force,
        progress=not quiet,
    )
    say(f"latents: {out}")
