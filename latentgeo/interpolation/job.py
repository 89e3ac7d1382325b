"""What the jobs along paths have in common: models, measures, and where the results go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from latentgeo.checkpoints import Card
from latentgeo.datasets import ImageDataset
from latentgeo.errors import InputError
from latentgeo.files import check_free, folder_in_place, kept
from latentgeo.lazy import xr
from latentgeo.measures import measure_all, read
from latentgeo.measures.paths.model_paths import ModelPaths
from latentgeo.models import Autoencoder, choose_device
from latentgeo.pipeline import Checkpoint, open_for
from latentgeo.report import write_page, write_results
from latentgeo.results import Analysis, join
from latentgeo.results.storing import holds_analysis


def open_all(
    named: Mapping[str, Checkpoint],
    images: ImageDataset,
    opening: Card | None,
    device: str,
) -> dict[str, Autoencoder]:
    """Open models for some images, ready to encode and decode.

    Parameters
    ----------
    named : mapping of str to Autoencoder, str, pathlib.Path or None
        As `latentgeo.pipeline.name_checkpoints` gives them.
    images : ImageDataset
        What they shall encode.
    opening : Card or None
        How to open them, as `open_checkpoint` takes it.
    device : str
        "auto", "cpu" or "cuda".

    Returns
    -------
    dict of str to Autoencoder
        In evaluation mode, on the device.

    Raises
    ------
    InputError
        When one cannot be opened, does not take these images, or has no decoder.
    """
    place = choose_device(device)
    models = {label: open_for(images, one, opening) for label, one in named.items()}
    for label, model in models.items():
        _check_decodes(label, model)
        model.eval().on(place)
    return models


def _check_decodes(label: str, model: Autoencoder) -> None:
    if model.decodes:
        return
    several = f" ({len(model.parts)} layers are looked at in one pass)" if model.parts else ""
    raise InputError(
        f"model {label!r} has no decoder{several}, so there is nothing to decode on the paths; "
        "open it with "
        "one (decode=…, --decode), with one layer at most"
    )


def measure_paths(label: str, kind: str, paths: ModelPaths) -> xr.Dataset:
    """Measure everything along the paths of one model.

    Parameters
    ----------
    label : str
        What the model is called.
    kind : str
        "interpolation" or "lines".
    paths : ModelPaths
        Its paths.

    Returns
    -------
    xarray.Dataset
        Measures over (pair, step), each with its mean over pairs and the interval of that.

    Raises
    ------
    InputError
        When a latent or an interpolant is not finite, or a spherical path has no one way.
    """
    try:
        parts = measure_all(kind, paths)
    except ValueError as error:
        raise InputError(f"model {label!r}: {error}") from error
    known = {
        name: part.attrs[name] for part in parts for name in ("learned",) if name in part.attrs
    }
    return join(xr.Dataset(attrs=paths.described(label) | known), *parts)


@contextmanager
def keep_out(
    out: str | Path | None, kind: str, *, force: bool, reads: Iterable[Any]
) -> Iterator[None]:
    """Keep, while a block runs, the folder of the results, having checked that it is free.

    Parameters
    ----------
    out : str, pathlib.Path or None
        What the user named; an analysis may lie in it. Nothing is done for None.
    kind : str
        "interpolation" or "lines".
    force : bool
        Let a folder pass that holds something.
    reads : iterable
        What is read; see `latentgeo.files.check_free`.

    Raises
    ------
    InputError
        When the folder holds something, or that within the analysis, and `force` is false, or it
        holds what is read; and when another process writes into it.
    """
    if out is None:
        yield
        return
    target = _target(Path(out), kind)
    with kept(target):
        check_free(target, holds=f"results of {kind}", force=force, reads=reads)
        yield


def write_paths(found: Analysis, out: Path) -> None:
    """Write results into a folder of their own, or into an analysis and its report.

    Parameters
    ----------
    found : Analysis
        The results.
    out : pathlib.Path
        What the user named.
    """
    with folder_in_place(_target(out, found.kind)) as folder:
        write_results(found, folder)
    if holds_analysis(out):
        write_page(read(out), out)


def _target(out: Path, kind: str) -> Path:
    return out / kind if holds_analysis(out) else out
