"""`latentgeo lines`."""

from typing import TYPE_CHECKING

from latentgeo.cli.app import (
    OPENING,
    Checkpoints,
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
    from latentgeo.settings import LinesSettings

LINES = Form("settings", "latentgeo.settings:LinesSettings")


@command(app, LINES, OPENING)
def lines(
    settings: "LinesSettings",
    opening: "Card",
    out: PathsOut,
    checkpoint: Checkpoints = None,
    device: Device = "auto",
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Score interpolation between images of lines, where the right answer is known."""
    from latentgeo.cli.closing import close
    from latentgeo.interpolation import score_lines

    found = score_lines(
        checkpoint or named_by_options(opening),
        out=out,
        settings=settings,
        opening=opening,
        device=device,
        force=force,
        progress=not quiet,
    )
    close(found, out, as_json=as_json, quiet=quiet)
