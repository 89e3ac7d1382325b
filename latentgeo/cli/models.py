"""`latentgeo models`."""

from latentgeo.cli.app import app, print_rows


@app.command()
def models() -> None:
    """List the recipes and the backbones."""
    from latentgeo.models import BACKBONES, RECIPES

    print_rows("recipe", {name: recipe.summary for name, recipe in RECIPES.items()})
    print_rows("backbone", {name: backbone.summary for name, backbone in BACKBONES.items()})
