"""`latentgeo analyze`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentgeo.cli.app import (
    OPENING,
    Checkpoints,
    Data,
    Device,
    Force,
    Quiet,
    app,
    named_by_options,
)
from latentgeo.cli.options import Form, command

if TYPE_CHECKING:
    from latentgeo.checkpoints import Card
    from latentgeo.settings import AnalysisSettings

ANALYSIS = Form("settings", "latentgeo.settings:AnalysisSettings")


@command(app, ANALYSIS, OPENING)
def analyze(
    settings: "AnalysisSettings",
    opening: "Card",
    data: Data,
    out: Annotated[Path, typer.Option(help="The folder for the results.")],
    checkpoint: Checkpoints = None,
    tsne: Annotated[bool, typer.Option(help="Draw the t-SNE maps (the slowest part).")] = True,
    device: Device = "auto",
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Measure ranks, dimension, angles and PSNR; write figures, a summary and a report."""
    from latentgeo.measures import in_lines
    from latentgeo.pipeline import analyze

    without_maps: dict[str, Any] = {} if tsne else {"tsne_seeds": ()}
    found = analyze(
        checkpoint or named_by_options(opening),
        data=data,
        out=out,
        settings=settings,
        opening=opening,
        device=device,
        force=force,
        progress=not quiet,
        **without_maps,
    )
    for line in in_lines(found):
        typer.echo(line)
    typer.echo(f"report: {out / 'report.html'}")
