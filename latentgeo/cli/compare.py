"""`latentgeo compare`."""

from pathlib import Path
from typing import Annotated

import typer

from latentgeo.cli.app import Force, Json, Quiet, app


@app.command()
def compare(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR DIR...", help="Folders written by `analyze`.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for the joined results.")],
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Join saved analyses into one report, without analysing anything again."""
    from latentgeo.cli.closing import close
    from latentgeo.comparison import compare

    close(compare(folders, out=out, force=force), out, as_json=as_json, quiet=quiet)
