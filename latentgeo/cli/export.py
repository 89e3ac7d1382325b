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
        Path | None, typer.Option(help="A folder that `analyze` made, for the model card.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Of the weights, as the hub names it: mit, cc-by-4.0 …")
    ] = None,
    force: Force = False,
) -> None:
    """Export a model for the Hugging Face hub, with a model card that holds its geometry."""
    from latentgeo.sharing import export

    folder = export(run, to, analysis=analysis, licence=licence, force=force)
    say(f"model: {folder}")
