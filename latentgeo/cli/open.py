"""`latentgeo open`."""

from pathlib import Path
from typing import Annotated

import typer

from latentgeo.cli.app import app, say
from latentgeo.errors import InputError


@app.command(name="open")
def open_report(
    folder: Annotated[
        Path, typer.Argument(help="A folder written by `analyze`, `interpolate` or `lines`.")
    ],
) -> None:
    """Open a report in the browser."""
    import webbrowser

    report = folder / "report.html" if folder.is_dir() else folder
    if not report.is_file():
        raise InputError(
            f"{str(folder)!r} holds no report; give a folder that `latentgeo analyze` made"
        )
    address = report.resolve().as_uri()
    if not webbrowser.open(address):
        say("there is no browser here; open this address in one:", err=True)
    say(address)
