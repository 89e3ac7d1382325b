"""`latentgeo demo`."""

from pathlib import Path
from typing import Annotated

import typer

from latentgeo.cli.app import Force, Json, Quiet, app


@app.command()
def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The folder for the runs and the analysis.")
    ] = Path("latentgeo-demo"),
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train a CAE, a DAE and a VAE on bundled digits and analyse them, in about five minutes."""
    from latentgeo.cli.closing import close
    from latentgeo.demo import run

    found, place = run(out, force=force, progress=not quiet)
    runs = out / "runs"
    more = f"latentgeo interpolate {runs / 'cae'} {runs / 'vae'} --data digits --out {place}"
    close(found, place, as_json=as_json, quiet=quiet, more=more)
