"""`latentgeo lines`."""

from typing import TYPE_CHECKING

from latentgeo.cli.app import (
    OPENING,
    Checkpoints,
    Device,
    Force,
    PathsOut,
    Quiet,
    app,
    named_by_options,
    say,
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
) -> None:
    """Score how models interpolate between lines, where the right answer is known."""
    from latentgeo.interpolation import score_lines
    from latentgeo.measures import in_lines

    found = score_lines(
        checkpoint or named_by_options(opening),
        out=out,
        settings=settings,
        opening=opening,
        device=device,
        force=force,
        progress=not quiet,
    )
    for line in in_lines(found):
        say(line)
    say(f"report: {out / 'report.html'}")
