"""From a run to a folder as the Hugging Face hub knows it."""

import shutil
from pathlib import Path

import torch
from safetensors.torch import save

from latentgeo.checkpoints import ours
from latentgeo.errors import InputError, check_is_path
from latentgeo.figures import figure_rows, found_figures, save_figure
from latentgeo.files import (
    check_free,
    folder_in_place,
    kept,
    sha256_of_file,
    write_json,
    write_text,
)
from latentgeo.measures import as_damaged, read
from latentgeo.models import Autoencoder
from latentgeo.models.folder import CONFIG, WEIGHTS, Tensors
from latentgeo.report import FIGURES
from latentgeo.sharing.model_card import CARD, Measured, model_card
from latentgeo.sharing.portable import portable
from latentgeo.training import RunFolder

_HALVES = ("bfloat16", "float16")


def export(
    run: str | Path,
    to: str | Path,
    *,
    analysis: str | Path | None = None,
    licence: str | None = None,
    figures: bool = True,
    dtype: str | None = None,
    force: bool = False,
) -> Path:
    """Write a model in the layout of the Hugging Face hub, with a card that says what it is.

    Parameters
    ----------
    run : str or pathlib.Path
        A run folder, or any folder with `model.safetensors` and `config.json` of ours.
    to : str or pathlib.Path
        The folder to make: `model.safetensors` and `config.json` as they are in the run (see
        `dtype`), `README.md` (the model card), `provenance.json` where the run has one, and
        `figures/`. Nothing in it says where on the disk the run, the analysis or the data lay.
    analysis : str or pathlib.Path, optional
        A folder that `analyze` or `compare` made of this model. All numbers, with intervals,
        and its figures go into the card. With `dtype` it has to be of the rounded weights: export
        without it, analyse that folder, and export again.
    licence : str, optional
        What the weights may be used for, as the hub names it ("mit", "cc-by-4.0").
    figures : bool, default=True
        Whether the figures of the analysis go with it: some 2 MB beside the numbers.
    dtype : {"bfloat16", "float16"}, optional
        What weights are rounded to, for a file of half the size; by default they are as in the run.
        A model computes in float32 whichever they are.
    force : bool, default=False
        Replace what `to` holds.

    Returns
    -------
    pathlib.Path
        The folder, which `latentgeo.load` opens to the same weights, or to the rounded ones.

    Raises
    ------
    InputError
        When the run cannot be opened, the analysis is of other weights, a weight is too large for
        `dtype`, or `to` is not free.

    Examples
    --------
    >>> import latentgeo
    >>> folder = latentgeo.export("runs/cae", "hub/cae")
    >>> sorted(path.name for path in folder.iterdir())
    ['README.md', 'config.json', 'model.safetensors', 'provenance.json']
    """
    check_is_path(
        run, "run", "export a folder that latentgeo.train made: latentgeo.export(run, to)"
    )
    if dtype is not None and dtype not in _HALVES:
        raise InputError(
            f"dtype is {dtype!r}, expected one of {', '.join(_HALVES)}; leave it out to "
            "keep the weights as they are"
        )
    source, target = Path(run), Path(to)
    with kept(target):
        check_free(target, holds="an export", force=force, reads=(source, analysis))
        model = ours.load(source)
        rounded = None if dtype is None else _rounded(model, dtype)
        if rounded is not None:
            model.load_state_dict(rounded)
        with as_damaged(analysis or source):
            measured = None if analysis is None else _measured(Path(analysis), model, source)
        with folder_in_place(target) as folder:
            shutil.copyfile(source / CONFIG, folder / CONFIG)
            if rounded is None:
                shutil.copyfile(source / WEIGHTS, folder / WEIGHTS)
            else:
                (folder / WEIGHTS).write_bytes(save(rounded, metadata={"format": "pt"}))
                digest = sha256_of_file(folder / WEIGHTS)
                model.provenance |= {"weights_sha256": digest, "rounded_to": dtype}
            if len(model.provenance) > 1:  # more than the hash of the weights
                write_json(RunFolder(folder).provenance, portable(model.provenance))
            if measured is not None and figures:
                _write_pictures(measured, Path(str(analysis)), folder / FIGURES)
            elif measured is not None:
                measured = measured._replace(figures=())
            write_text(folder / CARD, model_card(source.resolve().name, model, measured, licence))
    return target


def _rounded(model: Autoencoder, dtype: str) -> Tensors:
    """Return the weights, those with a point in half precision."""
    weights = dict(model.state_dict())
    for name, tensor in weights.items():
        if tensor.is_floating_point():
            weights[name] = tensor.to(getattr(torch, dtype))
            if not weights[name].isfinite().all():
                raise InputError(
                    f"tensor {name!r} of the model has values up to {tensor.abs().max():.3g}, too "
                    f"large for {dtype}; export with dtype bfloat16 or as it is"
                )
    return weights


def _measured(analysis: Path, model: Autoencoder, run: Path) -> Measured:
    """Find the model in the analysis, by its weights."""
    found = read(analysis)
    digest = model.weights_sha256()
    hashes = {model.label: str(model.attrs["weights_sha256"]) for model in found.models}
    label = next((label for label, one in hashes.items() if one == digest), None)
    if label is None:
        listed = ", ".join(f"{label} {one[:12]}…" for label, one in hashes.items())
        raise InputError(
            f"analysis {str(analysis)!r} is of other weights: run {str(run)!r} has {digest[:12]}… "
            f"(SHA-256), the analysis {listed}; give the analysis of this run"
        )
    figures = tuple(found_figures(found.tree, analysis / FIGURES))
    others = [name for name in hashes if name != label]
    return Measured(found[label], others, portable(found.summary), figures)


def _write_pictures(measured: Measured, analysis: Path, folder: Path) -> None:
    """Write the figures of an analysis as PNG: the hub shows no SVG."""
    folder.mkdir()
    tree = read(analysis).tree
    for figure in measured.figures:
        if figure.png.is_file():
            shutil.copyfile(figure.png, folder / figure.png.name)
        else:
            drawn = figure_rows()[figure.name].draw(tree).plot().figure_
            save_figure(drawn, folder / figure.name, ["png"])
