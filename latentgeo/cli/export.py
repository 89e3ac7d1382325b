"""`latentgeo export`."""

from pathlib import Path
from typing import Annotated

import typer

from latentgeo.cli.app import Force, app, say


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    to: Annotated[Path, typer.Option(help="The folder to create.")],
    analysis: Annotated[
        Path | None, typer.Option(help="A folder written by `analyze`, for the model card.")
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(help="Licence of the weights, in the spelling of the hub: mit, …"),
    ] = None,
    figures: Annotated[
        bool, typer.Option(help="Take the figures of the analysis into the folder.")
    ] = True,
    dtype: Annotated[
        str | None,
        typer.Option(help="Round the weights, for half the size: bfloat16 or float16."),
    ] = None,
    force: Force = False,
) -> None:
    """Export a model for the Hugging Face hub, with a model card that holds its geometry."""
    from latentgeo.sharing import export

    folder = export(
        run,
        to,
        analysis=analysis,
        licence=licence,
        figures=figures,
        dtype=dtype,
        force=force,
    )
    say(f"model: {folder}")
