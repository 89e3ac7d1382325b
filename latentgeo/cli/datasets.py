"""`latentgeo datasets`."""

from latentgeo.cli.app import app, print_rows


@app.command()
def datasets() -> None:
    """List the data sets."""
    from latentgeo.datasets import PERTURBATIONS, names

    print_rows("data set", {name: info.summary for name, info in names().items()})
    print_rows("perturbation", {name: kind.summary for name, kind in PERTURBATIONS.items()})
