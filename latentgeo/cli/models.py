"""`latentgeo models`."""

from typing import Annotated, Any, get_args

import typer

from latentgeo.cli.app import Json, app, print_facts, print_rows

_IMAGES = (1, 28, 28)


@app.command()
def models(
    name: Annotated[
        str | None, typer.Argument(help="Show one recipe or backbone in detail.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the recipes and the backbones, or the options and sizes of one."""
    from latentgeo.errors import InputError
    from latentgeo.models import BACKBONES, RECIPES

    if name is None:
        print_rows("recipe", {key: recipe.summary for key, recipe in RECIPES.items()})
        print_rows("backbone", {key: backbone.summary for key, backbone in BACKBONES.items()})
    elif name in BACKBONES:
        row = BACKBONES[name]
        print_facts(name, {"summary": row.summary, **_details(row, "cae", name)}, as_json=as_json)
    elif name in RECIPES:
        recipe = RECIPES[name]
        facts = {"summary": recipe.summary, **_details(recipe, name, "sctc")}
        print_facts(name, facts, as_json=as_json)
    else:
        raise InputError(
            f"{name!r} is neither a recipe nor a backbone; expected one of "
            f"{', '.join([*RECIPES, *BACKBONES])}"
        )


def _details(row: Any, recipe: str, backbone: str) -> dict[str, Any]:
    """Return latent and size on small images, and the options as --option takes them."""
    from latentgeo.errors import InputError
    from latentgeo.models import ModelConfig, build

    options = {
        key: f"{_written(field.annotation)}, default {field.get_default(call_default_factory=True)}"
        for key, field in row.options.model_fields.items()
    }
    shown = {"options": options} if options else {}
    try:
        model = build(ModelConfig(recipe=recipe, backbone=backbone, image_shape=_IMAGES))
    except InputError:  # made for other images, or for sentences
        return shown
    shape = "\N{MULTIPLICATION SIGN}".join(map(str, model.latent_shape))
    count = sum(parameter.numel() for parameter in model.parameters())
    size = f"{shape} on images of 1\N{MULTIPLICATION SIGN}28\N{MULTIPLICATION SIGN}28, {backbone}"
    return {"latent": size, "size": f"{count:,} parameters", **shown}


def _written(annotation: Any) -> str:
    """Write a type as the help does."""
    parts = [one for one in get_args(annotation) if one is not type(None)]
    if parts and all(isinstance(one, str) for one in parts):
        return " or ".join(parts)
    return annotation.__name__ if isinstance(annotation, type) and not parts else "value"
