"""`latentgeo push`."""

from pathlib import Path
from typing import Annotated

import typer

from latentgeo.cli.app import app, say


@app.command()
def push(
    folder: Annotated[Path, typer.Argument(help="A folder written by `export`.")],
    repository: Annotated[
        str, typer.Argument(metavar="USER/NAME", help="The repository to upload to.")
    ],
    private: Annotated[
        bool, typer.Option("--private", help="Make the repository private.")
    ] = False,
    revision: Annotated[str | None, typer.Option(help="A branch; main if left out.")] = None,
) -> None:
    """Upload an exported model to the Hugging Face hub."""
    from latentgeo.sharing import push_to_hub

    say(f"commit: {push_to_hub(folder, repository, private=private, revision=revision)}")
