"""`latentgeo compare`."""

from pathlib import Path
from typing import Annotated

import typer

from latentgeo.cli.app import Force, app, say


@app.command()
def compare(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR DIR...", help="Folders that `analyze` made.")
    ],
    out: Annotated[Path, typer.Option(help="The folder for the joined results.")],
    force: Force = False,
) -> None:
    """Join saved analyses into one report, without analysing anything again."""
    from latentgeo.comparison import compare
    from latentgeo.measures import in_lines

    for line in in_lines(compare(folders, out=out, force=force)):
        say(line)
    say(f"report: {out / 'report.html'}")
