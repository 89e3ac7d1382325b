"""`latentgeo datasets`."""

from typing import Annotated, Any

import typer

from latentgeo.cli.app import Json, app, print_facts, print_rows


@app.command()
def datasets(
    name: Annotated[str | None, typer.Argument(help="Show one data set in detail.")] = None,
    as_json: Json = False,
) -> None:
    """List the data sets and the perturbations, or the shape, size and licence of one data set."""
    from latentgeo.datasets import PERTURBATIONS, names
    from latentgeo.errors import InputError

    known = names()
    if name is None:
        print_rows("data set", {key: info.summary for key, info in known.items()})
        print_rows("perturbation", {key: kind.summary for key, kind in PERTURBATIONS.items()})
        return
    if name not in known:
        raise InputError(f"data set {name!r} is unknown; expected one of {', '.join(known)}")
    print_facts(name, _facts(known[name]), as_json=as_json)


def _facts(info: Any) -> dict[str, Any]:
    return {
        "summary": info.summary,
        "images": "\N{MULTIPLICATION SIGN}".join(map(str, info.image_shape)),
        "splits": {split: f"{count:,} images" for split, count in info.samples.items()},
        "classes": ", ".join(info.class_names) or "none",
        "download": f"{info.download_bytes / 1e6:.1f} MB" if info.download_bytes else "none",
        "licence": info.licence,
    }
