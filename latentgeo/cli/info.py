"""`latentgeo info`."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from latentgeo.cli.app import OPENING, Checkpoint, app, one_checkpoint, print_rows, read_shape, say
from latentgeo.cli.options import command

if TYPE_CHECKING:
    from latentgeo.checkpoints import Card


@command(app, OPENING)
def info(
    opening: "Card",
    checkpoint: Checkpoint = None,
    image_shape: Annotated[
        str | None,
        typer.Option(metavar="C,H,W", help="Shape of the images, where the checkpoint has none."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Images on which to measure the reconstruction, in dB and nats."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print what a checkpoint is, where it comes from, and how well it learned."""
    from latentgeo.checkpoints import info

    shape = None if image_shape is None else read_shape(image_shape)
    place = one_checkpoint(checkpoint, opening)
    facts = info(place, image_shape=shape, data=data, opening=opening)
    if as_json:
        say(json.dumps(facts, indent=2))
    else:
        print_rows(None, facts)
