"""`latentgeo sentences`."""

from pathlib import Path
from typing import Annotated

import typer

from latentgeo.cli.app import app, say
from latentgeo.errors import InputError


@app.command()
def sentences(
    run: Annotated[Path, typer.Argument(help="A run folder of a model trained on text.")],
    samples: Annotated[int, typer.Option(help="Number of sentences to sample from the prior.")] = 0,
    reconstruct: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="A sentence to encode and decode.")
    ] = None,
    interpolate: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="TEXT TEXT", help="Interpolate from one sentence to another."),
    ] = None,
    steps: Annotated[int, typer.Option(help="Sentences on the path, both ends included.")] = 7,
    arithmetic: Annotated[
        tuple[str, str, str] | None,
        typer.Option(metavar="A B C", help="Decode the vector A − B + C."),
    ] = None,
    code: Annotated[
        str,
        typer.Option(help="Vectors to use: latent, or code (of the second autoencoder of a swae)."),
    ] = "latent",
    seed: Annotated[int, typer.Option(help="Seeds the samples.")] = 0,
) -> None:
    """Print sentences that a text model decodes: samples, reconstructions, paths, arithmetic."""
    from latentgeo.checkpoints import open_checkpoint
    from latentgeo.models import (
        add_sentences,
        interpolate_sentences,
        reconstruct_sentences,
        sample_sentences,
    )

    if not (samples or reconstruct or interpolate or arithmetic):
        raise InputError(
            "there is nothing to do; give --samples, --reconstruct, --interpolate or --arithmetic"
        )
    model = open_checkpoint(run)
    lines = sample_sentences(model, samples, seed=seed) if samples else []
    if reconstruct:
        lines += reconstruct_sentences(model, reconstruct, code=code)
    if interpolate:
        lines += interpolate_sentences(model, *interpolate, steps=steps, code=code)
    if arithmetic:
        lines.append(add_sentences(model, *arithmetic, code=code))
    say("\n".join(lines))
