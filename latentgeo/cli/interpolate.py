"""`latentgeo interpolate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentgeo.cli.app import (
    OPENING,
    Checkpoints,
    Data,
    Device,
    Force,
    Json,
    PathsOut,
    Quiet,
    app,
    named_by_options,
)
from latentgeo.cli.options import Form, command

if TYPE_CHECKING:
    from latentgeo.checkpoints import Card
    from latentgeo.settings import InterpolationSettings

# How a net resizes what it sees has the plain name --interpolation, here as everywhere.
INTERPOLATION = Form("settings", "latentgeo.settings:InterpolationSettings")


@command(app, INTERPOLATION, OPENING)
def interpolate(
    settings: "InterpolationSettings",
    opening: "Card",
    data: Data,
    out: PathsOut,
    checkpoint: Checkpoints = None,
    features: Annotated[
        Path | None,
        typer.Option(help="A folder from `latentgeo features`: compare its features, not pixels."),
    ] = None,
    device: Device = "auto",
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Decode paths between images; measure realism, ranks and geodesics along them."""
    from latentgeo.cli.closing import close
    from latentgeo.interpolation import interpolate_images

    found = interpolate_images(
        checkpoint or named_by_options(opening),
        data=data,
        features=features,
        out=out,
        settings=settings,
        opening=opening,
        device=device,
        force=force,
        progress=not quiet,
    )
    close(found, out, as_json=as_json, quiet=quiet)
