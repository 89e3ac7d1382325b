"""`latentgeo card init`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentgeo.cli.app import OPENING, Force, app, read_shape, say
from latentgeo.cli.options import command

if TYPE_CHECKING:
    from latentgeo.checkpoints import Card

card = typer.Typer(help="Cards: how to open a third-party model.", no_args_is_help=True)
app.add_typer(card, name="card")


@card.callback()
def _root() -> None:
    """Keep `card` a group, with one command or more."""


@command(card, OPENING)
def init(
    opening: "Card",
    checkpoint: Annotated[Path, typer.Argument(help="The folder or the file of weights.")],
    image_shape: Annotated[
        str, typer.Option(metavar="C,H,W", help="Shape of the images that it takes.")
    ],
    force: Force = False,
) -> None:
    """Inspect a model and write its card, `latentgeo.yaml`, beside the weights."""
    from latentgeo.checkpoints import init_card

    shape = read_shape(image_shape)
    written, layers = init_card(checkpoint, image_shape=shape, force=force, opening=opening)
    for layer in layers:
        mark = "*" if layer.latent else " "
        say(f"{mark} {layer.name}  {'x'.join(map(str, layer.shape))}  {layer.module}")
    say(f"card: {written} (* looks like a latent; it lists the layers too)")
