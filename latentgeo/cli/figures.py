"""`latentgeo figures`."""

from pathlib import Path
from typing import Annotated

import typer

from latentgeo.cli.app import app, say


@app.command()
def figures(
    folder: Annotated[
        Path, typer.Argument(help="A folder written by `analyze`, `interpolate` or `lines`.")
    ],
    formats: Annotated[
        str,
        typer.Option("--format", metavar="pdf,png", help="Further formats beside SVG."),
    ] = "",
) -> None:
    """Redraw the figures and the report from saved results."""
    from latentgeo.pipeline import redraw

    redraw(folder, endings=[one for one in formats.split(",") if one])
    say(f"report: {folder / 'report.html'}")
