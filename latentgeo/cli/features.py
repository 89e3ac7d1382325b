"""`latentgeo features`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentgeo.cli.app import Data, Force, Quiet, app, say
from latentgeo.cli.options import Form, command

if TYPE_CHECKING:
    from latentgeo.settings import ClassifierSettings

CLASSIFIER = Form("settings", "latentgeo.settings:ClassifierSettings")


@command(app, CLASSIFIER)
def features(
    settings: "ClassifierSettings",
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to create.")],
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Train a small classifier whose features measure the quality of samples."""
    from latentgeo.features import load_features, train_classifier

    folder = train_classifier(data, out=out, settings=settings, force=force, progress=not quiet)
    found = load_features(folder)
    say(f"features: {folder} ({found.name}; {found.accuracy:.2%} of test images right)")
