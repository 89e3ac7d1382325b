"""The main job: from checkpoints to a folder with figures, summary and report."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from latentgeo import processes
from latentgeo.checkpoints import (
    Card,
    check_is_checkpoint,
    check_round_trip,
    is_mapping_of_models,
    name_of,
    open_checkpoint,
    sized,
    stated_shape,
    warn_of_repeats,
)
from latentgeo.datasets import ALL, ImageDataset
from latentgeo.datasets.folder import SUFFIXES
from latentgeo.errors import InputError
from latentgeo.files import check_free, folder_in_place, kept
from latentgeo.latents import (
    GivenLatents,
    Sweep,
    check_fit,
    encode,
    given_latents,
    make_sweep,
    select_images,
    split_parts,
)
from latentgeo.lazy import xr
from latentgeo.measures import (
    AnalysisSettings,
    analyze_latents,
    as_damaged,
    check_size,
    estimated_memory,
    figure_rows,
    measure_together,
    measures_of,
    read,
    summarize,
)
from latentgeo.measures.quality import mean_image_psnr
from latentgeo.models import Autoencoder, choose_device, device_of
from latentgeo.progress import announce, stages, tell
from latentgeo.provenance import provenance
from latentgeo.results import Analysis
from latentgeo.settings import resolve

_ENCODING = "Encoding"

Checkpoint = Autoencoder | str | Path | None
Checkpoints = Autoencoder | str | Path | Sequence[str | Path] | Mapping[str, Checkpoint]


def analyze(
    checkpoints: Checkpoints,
    *,
    data: Any,
    out: str | Path | None = None,
    settings: AnalysisSettings | None = None,
    opening: Card | None = None,
    device: str = "auto",
    force: bool = False,
    progress: bool = False,
    **choices: Any,
) -> Analysis:
    """Measure the latent spaces of trained models on the same images and the same noise.

    Where `torchrun` started several processes, all have to call it, with the same arguments: they
    share the encoding and the largest parts of the geometry, and the first one writes.

    Parameters
    ----------
    checkpoints : path, sequence of paths, model, or mapping of names to paths or models
        Run folders, or whatever `open_checkpoint` opens; each model is named after its folder or
        file, or as the mapping says. Each layer of a model whose card names several is a
        model of its own in the results, NAME:LAYER. None in a mapping stands for a network
        that comes with its weights from the code that `opening` names.
    data : str, pathlib.Path or object
        Images: a data set's name, a folder, a file, or an object that holds them, whatever
        `latentgeo.datasets.load` takes. `split` chooses which.
    out : str or pathlib.Path, optional
        A folder to be made, with `analysis.zarr`, `summary.json`, `figures/` and
        `report.html`. It appears when everything is done, or not at all.
    settings : AnalysisSettings, optional
        What decides the numbers; the defaults if left out. However many `samples`, memory does not
        hold them: latents are kept in the folder of temporary files meanwhile.
    opening : Card, optional
        How to open the checkpoints that are given as paths, as `open_checkpoint` takes it.
    device : str, default="auto"
        "auto", "cpu" or "cuda".
    force : bool, default=False
        Replace what `out` holds.
    progress : bool, default=False
        Show bars.
    **choices
        Fields of `AnalysisSettings`, before those of `settings`: `noise`, `perturbation`,
        `split`, `samples`, `seed`, `size`, `tsne_seeds` and so on.

    Returns
    -------
    Analysis
        The numbers and their summary.

    Raises
    ------
    InputError
        For a checkpoint, data set, level, count or folder that cannot be used.

    Examples
    --------
    >>> import latentgeo
    >>> few = {"samples": 12, "noise": [0, 0.1], "tsne_seeds": (), "halves": 2}
    >>> found = latentgeo.analyze("runs/cae", data="digits", **few)
    >>> list(found)
    ['cae']
    >>> found["cae"].psnr(noise=0.1).over
    'images'
    """
    chosen = resolve(AnalysisSettings, settings, choices, of=analyze)
    sweep = make_sweep(chosen)
    target = None if out is None else Path(out)
    processes.join()
    named = name_checkpoints(checkpoints)
    chosen = sized(chosen, data, named.values(), opening)
    with processes.held_by_rank_zero(lambda: kept(target)):
        if target is not None:
            reads = (data, *named.values())
            processes.on_rank_zero(
                lambda: check_free(target, holds="an analysis", force=force, reads=reads)
            )
        with processes.machine_by_machine():
            images = select_images(data, chosen)
        with processes.rank_zero_warns():
            models = {label: open_for(images, found, opening) for label, found in named.items()}
        _warn_of_training_images(models, images)
        place = choose_device(device)
        _check_sizes(models, images, place, chosen, show=progress)
        with stages(_planned(models, drawn=target is not None), show=progress):
            found = _finish(
                _analyze_all(models, images, chosen, device, sweep),
                data=images.name,
                data_sha256=images.fingerprint,
                samples=len(images),
                perturbation=sweep.perturbation.name,
                settings=chosen,
                split=images.split,
                skipped=list(images.skipped),
            )
            if target is not None:
                processes.on_rank_zero(lambda: _write(found, target))
    return found


def _analyze_all(
    models: Mapping[str, Autoencoder],
    images: ImageDataset,
    settings: AnalysisSettings,
    device: str,
    sweep: Sweep,
) -> dict[str, xr.Dataset]:
    """Encode and measure one model after the other; latents lie on disk meanwhile."""
    children: dict[str, xr.Dataset] = {}
    for label, model in models.items():
        with processes.shared_folder("latentgeo-") as folder:
            announce(_ENCODING)
            latents = _encode(model, images, settings, device, folder / "latents")
            children |= _analyze_one(label, model, images, latents, sweep, settings)
    return children


def _planned(models: Mapping[str, Autoencoder], *, drawn: bool) -> list[str]:
    """Return the stages of an analysis, as they will be announced."""
    measured = [measure.headed for measure in measures_of("analysis")]
    planned = []
    for model in models.values():
        planned += [_ENCODING, *measured * max(len(model.parts), 1)]
    return planned + ["Figures"] * (len(figure_rows()) if drawn else 0)


def analyze_arrays(
    latents: Any,
    *,
    noisy: Mapping[float, Any] | None = None,
    labels: Any = None,
    channels: Literal["auto", "first", "last"] = "auto",
    out: str | Path | None = None,
    settings: AnalysisSettings | None = None,
    device: str = "auto",
    force: bool = False,
    progress: bool = False,
    **choices: Any,
) -> Analysis:
    """Measure latents that come without a model.

    What needs a decoder or the images (reconstruction, interpolation, decoder metric) is left out,
    and the results say so.

    Parameters
    ----------
    latents : array_like, path, torch Dataset or DataLoader, or mapping of names to these
        Latents of clean inputs, (n, d), (n, T, d), (n, C, H, W) or another order, as an array, a
        tensor, a table of pandas or an xarray. A path
        names a file that holds them (see `latentgeo.latents.read_latents`) or what `encode` wrote.
        Several models, by name, are of the same inputs in the same order.
    noisy : mapping of float to array_like or path, optional
        Latents of the same inputs under a perturbation, by its level; of a single model. Without
        them, levels that are given as `noise` are standard deviations of Gaussian noise on the
        latents themselves, in units of their root mean square.
    labels : array_like or path, optional
        A class for each input, whole numbers.
    channels : {"auto", "first", "last"}, default="auto"
        Which axis of a latent holds the channels; "auto": the last of two, as of tokens (n, T, d),
        and the first of more.
    out : str or pathlib.Path, optional
        As for `analyze`.
    settings : AnalysisSettings, optional
        As for `analyze`; `samples` rows are chosen by the seed, all where there are no more.
    device : str, default="auto"
        "auto", "cpu" or "cuda".
    force : bool, default=False
        Replace what `out` holds.
    progress : bool, default=False
        Tell how much memory it takes.
    **choices
        Fields of `AnalysisSettings`, before those of `settings`.

    Returns
    -------
    Analysis
        The numbers and their summary.

    Raises
    ------
    InputError
        For arrays that cannot be used or do not fit together, and as `analyze` does.

    Examples
    --------
    >>> import numpy as np
    >>> import latentgeo
    >>> z = np.random.default_rng(0).normal(size=(30, 4)).astype("float32")
    >>> list(latentgeo.analyze_arrays(z, tsne_seeds=()))
    ['latents']
    """
    chosen = resolve(AnalysisSettings, settings, choices, of=analyze_arrays)
    target = None if out is None else Path(out)
    named = _name_latents(latents)
    if noisy and len(named) > 1:
        raise InputError(
            f"noisy latents were given, and {len(named)} models; analyse one model at a time, or "
            "each as what `encode` wrote"
        )
    with kept(target):
        if target is not None:
            reads = [path for path in named.values() if isinstance(path, str | Path)]
            check_free(target, holds="an analysis", force=force, reads=reads)
        place = choose_device(device)
        given = {
            name: given_latents(name, one, chosen, noisy=noisy, labels=labels, channels=channels)
            for name, one in named.items()
        }
        _check_alike({name: one.dataset for name, one in given.items()})
        _check_sizes_of_latents(given, place, chosen, show=progress)
        children = {}
        for name, one in given.items():
            result = analyze_latents(one.dataset, np.empty(0), chosen, device=place)
            opened = json.dumps({"notes": list(one.notes)})
            children[name] = result.assign_attrs(checkpoint=name, opened=opened)
        first = next(iter(given.values()))
        found = _finish(
            children,
            data=", ".join(named),
            data_sha256=_identity_of(first.dataset),
            samples=first.dataset.sizes["sample"],
            perturbation=first.perturbation,
            settings=chosen,
        )
        if target is not None:
            _write(found, target)
    return found


def _check_sizes(
    models: Mapping[str, Autoencoder],
    images: ImageDataset,
    device: torch.device,
    settings: AnalysisSettings,
    *,
    show: bool,
) -> None:
    """Tell how much memory an analysis takes, and refuse what is more than there is."""
    held, most = float(len(images) * np.prod(images.shape)), 0.0
    for model in models.values():
        for shape in (model.parts or {"": model.latent_shape}).values():
            needed = estimated_memory(
                shape,
                len(images),
                len(settings.noise),
                settings,
                stochastic=model.stochastic,
                held=held,
            )
            check_size(shape, len(images), device, settings, needed)
            most = max(most, needed)
    tell(_in_words(most), show=show)


def _check_sizes_of_latents(
    given: Mapping[str, GivenLatents],
    device: torch.device,
    settings: AnalysisSettings,
    *,
    show: bool,
) -> None:
    """Do the same for latents, which lie in memory already."""
    held, most = sum(one.dataset.nbytes for one in given.values() if one.in_memory), 0.0
    for one in given.values():
        sizes, shape = one.dataset.sizes, one.dataset["mean"].shape[2:]
        stochastic = "log_variance" in one.dataset
        needed = estimated_memory(
            shape,
            sizes["sample"],
            sizes["noise"],
            settings,
            stochastic=stochastic,
            in_memory=one.in_memory,
            held=held - one.dataset.nbytes * one.in_memory,
        )
        check_size(shape, sizes["sample"], device, settings, needed)
        most = max(most, needed)
    tell(_in_words(most), show=show)


def _in_words(needed: float) -> str:
    return f"estimated memory: {needed / 2**30:.2f} GiB"


def _warn_of_training_images(models: Mapping[str, Autoencoder], images: ImageDataset) -> None:
    """Tell when a model was trained on images of this name, and training images are analysed."""
    if images.split not in (ALL, "train"):
        return
    for label, model in models.items():
        trained = model.provenance.get("data")
        if isinstance(trained, Mapping) and trained.get("name") == images.name:
            warnings.warn(
                f"model {label!r} was trained on some of these images ({images.name}, "
                f"{images.split}); --split test takes those that it has not seen",
                stacklevel=3,
            )


def _name_latents(latents: Any) -> dict[str, Any]:
    """Name latents after their files, and an array "latents"."""
    if isinstance(latents, xr.Dataset):  # a mapping too, of the arrays of one encoding
        return {"latents": latents}
    if isinstance(latents, Mapping):
        _check_names(latents)
        return dict(latents)
    if isinstance(latents, nn.Module):
        raise InputError(
            f"latents are a {type(latents).__name__}, a network; latentgeo.analyze(model, data=…) "
            "encodes images by itself"
        )
    several = latents if isinstance(latents, list | tuple) else [latents]
    if not all(isinstance(one, str | Path) for one in several):
        return {"latents": latents}
    if not several:
        raise InputError("no latents were given; expected at least one file")
    named = {Path(str(path).replace("::", "-")).stem: path for path in several}
    if len(named) < len(several):
        raise InputError(
            "two files of latents have the same name; rename one, or give names in Python: "
            "{name: path, ...}"
        )
    return named


def _check_alike(given: Mapping[str, xr.Dataset]) -> None:
    """Refuse latents of different inputs or levels."""
    (first, expected), *others = given.items()
    for name, found in others:
        for dimension in ("sample", "noise"):
            if not np.array_equal(found[dimension].values, expected[dimension].values):
                raise InputError(
                    f"latents {name!r} have {found.sizes[dimension]} values of {dimension}, "
                    f"{first!r} has {expected.sizes[dimension]}, or others; expected the same "
                    "inputs and levels for all"
                )


def _identity_of(latents: xr.Dataset) -> str:
    facts = json.loads(latents.attrs["provenance"])
    return str(facts.get("data_sha256") or facts.get("latents_sha256", ""))


def open_for(
    images: ImageDataset, checkpoint: Checkpoint, opening: Card | None = None
) -> Autoencoder:
    """Open a model for some images, and see whether they come back from it.

    Parameters
    ----------
    images : ImageDataset
        What it shall be analysed on.
    checkpoint : Autoencoder, str, pathlib.Path or None
        A model, or the first argument of `open_checkpoint`.
    opening : Card, optional
        How to open it, as `open_checkpoint` takes it.

    Returns
    -------
    Autoencoder
        Its `provenance` has the round trip. A warning tells when images do not come back and
        the preprocessing is probably wrong.

    Raises
    ------
    InputError
        When it cannot be opened or does not take these images.
    """
    if isinstance(checkpoint, Autoencoder):
        model = checkpoint
        warn_of_repeats(model)
    else:
        shape = stated_shape(checkpoint, opening) or images.shape
        model = open_checkpoint(checkpoint, image_shape=shape, opening=opening)
    check_fit(model, images)
    trip = check_round_trip(model, images)
    if trip is not None:
        model.provenance["round_trip"] = trip._asdict()
        if trip.suspicion is not None:
            warnings.warn(f"model {model.config.recipe!r}: {trip.suspicion}", stacklevel=2)
    return model


def redraw(folder: str | Path, *, endings: Sequence[str] = ()) -> None:
    """Redraw the figures and the report of saved results from their numbers.

    Parameters
    ----------
    folder : str or pathlib.Path
        A folder that `analyze` or `compare` made, with what was measured along paths in it; or one
        that `latentgeo.interpolation` made.
    endings : sequence of {"pdf", "png"}, default=()
        As what figures are written beside the SVG that the report shows.

    Raises
    ------
    InputError
        When the folder holds no results.
    """
    from latentgeo.figures import ENDINGS
    from latentgeo.report import draw_results

    unknown = [ending for ending in endings if ending not in ENDINGS]
    if unknown:
        raise InputError(f"format {unknown[0]!r} is unknown; expected some of {', '.join(ENDINGS)}")
    with as_damaged(folder):
        draw_results(read(folder), Path(folder), endings)


def name_checkpoints(checkpoints: Checkpoints) -> dict[str, Checkpoint]:
    """Name each model after its folder or file, and the parent of that where it is not enough.

    Takes and raises what `analyze` does.
    """
    if isinstance(checkpoints, Autoencoder):
        return {checkpoints.config.recipe: checkpoints}
    if is_mapping_of_models(checkpoints):
        _check_names(checkpoints)
        for model in checkpoints.values():
            check_is_checkpoint(model)
        return {
            name: _existing(model) if isinstance(model, str | Path) else model
            for name, model in checkpoints.items()
        }
    given: Any = checkpoints
    several = list(given) if isinstance(given, list | tuple) else [given]
    for one in several:
        check_is_checkpoint(one, named=True)
    if not several:
        raise InputError("no checkpoint was given; expected at least one run folder")
    paths = [_existing(checkpoint).resolve() for checkpoint in several]
    names = [name_of(path) for path in paths]
    labels = [
        name if names.count(name) == 1 else f"{path.parent.name}-{name}"
        for name, path in zip(names, paths, strict=True)
    ]
    repeated = next((label for label in labels if labels.count(label) > 1), None)
    if repeated is not None:
        raise InputError(
            f"two checkpoints are both named {repeated!r}; rename one of the folders, or give "
            "names in Python: {name: folder, ...}"
        )
    return dict(zip(labels, paths, strict=True))


def _check_names(names: Iterable[str]) -> None:
    """Refuse what cannot name a branch of a tree."""
    for name in names:
        if not name or "/" in name or name == ".":
            raise InputError(
                f"model name {name!r} cannot be used: expected one that is not empty and has no '/'"
            )


def _existing(path: str | Path) -> Path:
    """Return the path of a checkpoint, checked before anything is downloaded for it."""
    if not Path(path).exists():
        raise InputError(
            f"checkpoint {str(path)!r} does not exist; give a run folder that `latentgeo train` "
            "made, or a folder or file of a third-party model"
        )
    if Path(path).suffix.lower() in SUFFIXES:
        raise InputError(f"checkpoint {str(path)!r} is an image; images go into data (--data)")
    return Path(path)


def _write(found: Analysis, target: Path) -> None:
    # matplotlib takes a second to import: not before the first model is encoded.
    from latentgeo.report import write_results

    with folder_in_place(target) as folder:
        write_results(found, folder)


def _encode(
    model: Autoencoder, images: ImageDataset, settings: AnalysisSettings, device: str, out: Path
) -> xr.Dataset:
    """Write the latents that an analysis needs to disk."""
    return encode(model, images, settings=settings, samples=None, device=device, out=out)


class _Targets:
    """Images as a model's net sees them, which are made when they are asked for."""

    def __init__(self, model: Autoencoder, images: ImageDataset) -> None:
        self._model, self._images = model, images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, images: slice) -> NDArray[np.float32]:
        return self._model.target(self._images.batch(images)).numpy()


def _analyze_one(
    label: str,
    model: Autoencoder,
    images: ImageDataset,
    latents: xr.Dataset,
    sweep: Sweep,
    settings: AnalysisSettings,
) -> dict[str, xr.Dataset]:
    """Analyse a model, or each of the layers that its latents are made of."""
    baseline = mean_image_psnr(_Targets(model, images))
    layers = split_parts(latents, model.parts) if model.parts else {"": latents}
    results = {}
    for layer, own in layers.items():
        result = analyze_latents(
            own,
            baseline,
            settings,
            device=device_of(model),
            model=model,
            images=images,
            sweep=sweep,
        )
        name = f"{label}:{layer}" if layer else label
        opened = json.dumps(model.provenance, default=str)
        results[name] = result.assign_attrs(checkpoint=name, opened=opened)
    return results


def _finish(
    children: dict[str, xr.Dataset],
    *,
    data: str,
    data_sha256: str,
    samples: int,
    perturbation: str,
    settings: AnalysisSettings,
    **more: Any,
) -> Analysis:
    """Measure models together, and put them under what is known of all."""
    models = measure_together(children)
    facts = provenance(
        data=data,
        data_sha256=data_sha256,
        seed=settings.seed,
        settings=settings.model_dump(mode="json"),
        **more,
    )
    attributes = {
        "data": data,
        "samples": samples,
        "seed": settings.seed,
        "perturbation": perturbation,
        "models": list(models),  # zarr lists groups in an order of its own
        "provenance": json.dumps(facts),
    }
    branches = {f"/{name}": model for name, model in models.items()}
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=attributes), **branches})
    return Analysis(tree, summarize(tree))
