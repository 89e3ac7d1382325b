"""`latentgeo analyze`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentgeo.cli.app import (
    OPENING,
    Device,
    Force,
    Json,
    Quiet,
    app,
    named_by_options,
)
from latentgeo.cli.options import Form, command
from latentgeo.errors import InputError

if TYPE_CHECKING:
    from latentgeo.checkpoints import Card
    from latentgeo.settings import AnalysisSettings

ANALYSIS = Form("settings", "latentgeo.settings:AnalysisSettings")

_OF_IMAGES = ("split", "size", "skip_unreadable")


@command(app, ANALYSIS, OPENING)
def analyze(
    settings: "AnalysisSettings",
    opening: "Card",
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for the results.")],
    checkpoint: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Run folders, or folders or files of third-party models; without --data, "
            "files of latents (.npy, .npz, .safetensors, .pt, .nc, .parquet, or what `encode` "
            "wrote; FILE::NAME for one of several arrays)."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="A data set's name (see `latentgeo datasets`), a folder of images, a file of "
            "arrays or Parquet, or a text; left out for latents that come without a model."
        ),
    ] = None,
    noisy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LEVEL=FILE",
            help="Latents of the same inputs under a perturbation of this level; may be repeated.",
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="A file with the class label of each latent.")
    ] = None,
    tsne: Annotated[bool, typer.Option(help="Draw the t-SNE maps (the slowest part).")] = True,
    device: Device = "auto",
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure ranks, dimension, angles and PSNR; write figures, a summary and a report."""
    from latentgeo.cli.closing import close
    from latentgeo.pipeline import analyze, analyze_arrays

    without_maps: dict[str, Any] = {} if tsne else {"tsne_seeds": ()}
    common: dict[str, Any] = {"out": out, "settings": settings, "device": device, "force": force}
    if data is None and checkpoint:
        _check_of_latents(settings, opening)
        pairs = _read_noisy(noisy or [])
        found = analyze_arrays(
            list(checkpoint),
            noisy=pairs or None,
            labels=labels,
            channels=opening.posterior.channels,
            progress=not quiet,
            **common,
            **without_maps,
        )
    else:
        _check_of_a_model(data, noisy, labels)
        found = analyze(
            checkpoint or named_by_options(opening),
            data=data or "",
            opening=opening,
            progress=not quiet,
            **common,
            **without_maps,
        )
    close(found, out, as_json=as_json, quiet=quiet, more="latentgeo compare DIR DIR -o BOTH")


def _read_noisy(given: list[str]) -> dict[float, str]:
    pairs = [_level_and_file(text) for text in given]
    levels = [level for level, _ in pairs]
    if repeated := [level for level in levels if levels.count(level) > 1]:
        raise InputError(f"--noisy names level {repeated[0]:g} twice; give each level once")
    return dict(pairs)


def _level_and_file(text: str) -> tuple[float, str]:
    level, _, file = text.partition("=")
    try:
        number = float(level)
    except ValueError:
        number = None
    if number is None or not file:
        raise InputError(
            f"--noisy {text!r} cannot be read: expected LEVEL=FILE, as in 0.1=noisy.npy"
        )
    return number, file


def _check_of_latents(settings: "AnalysisSettings", opening: "Card") -> None:
    given = [name for name in _OF_IMAGES if name in settings.model_fields_set]
    if given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise InputError(f"{options} choose images; leave them out, or name images with --data")
    if opened := sorted(opening.model_fields_set - {"posterior"}):
        raise InputError(
            f"no data was given, and {', '.join(opened)} open a model; name images with --data, or "
            "leave them out where the files are latents"
        )


def _check_of_a_model(data: str | None, noisy: list[str] | None, labels: Path | None) -> None:
    if data is None:
        raise InputError(
            "no data was given; name images with --data, or give files of latents in place of a "
            "model"
        )
    if noisy or labels is not None:
        raise InputError(
            "--noisy and --labels go with latents that come without a model; leave them out, or "
            "leave out --data"
        )
