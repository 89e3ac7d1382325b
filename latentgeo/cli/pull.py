"""`latentgeo pull`."""

from pathlib import Path
from typing import Annotated

import typer

from latentgeo.cli.app import Force, app, say


@app.command()
def pull(
    repository: Annotated[
        str,
        typer.Argument(
            metavar="USER/NAME", help="The repository to fetch, or a folder in its layout."
        ),
    ],
    to: Annotated[Path, typer.Option(help="The folder to create.")],
    revision: Annotated[
        str | None, typer.Option(help="A branch, a tag or a commit; main if left out.")
    ] = None,
    force: Force = False,
) -> None:
    """Fetch a model from the Hugging Face hub, or a folder like it: safetensors only."""
    from latentgeo.sharing import from_hub

    say(f"model: {from_hub(repository, revision=revision, to=to, force=force)}")
