"""The job on real images: from checkpoints to numbers, figures and a report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from latentgeo.checkpoints import Card, sized
from latentgeo.datasets import ALL, ImageDataset, SentenceDataset, load
from latentgeo.errors import InputError
from latentgeo.features import Features, load_features
from latentgeo.interpolation.job import keep_out, measure_paths, open_all, write_paths
from latentgeo.lazy import xr
from latentgeo.measures import summarize
from latentgeo.measures.paths.model_paths import ImagePaths
from latentgeo.measures.paths.variables import BOUNDS, per_pair
from latentgeo.models import choose_device
from latentgeo.pipeline import Checkpoints, name_checkpoints
from latentgeo.progress import track
from latentgeo.provenance import provenance
from latentgeo.results import Analysis
from latentgeo.settings import InterpolationSettings, resolve

KIND = "interpolation"


def interpolate_images(
    checkpoints: Checkpoints,
    *,
    data: Any,
    real_images: ImageDataset | None = None,
    features: str | Path | None = None,
    out: str | Path | None = None,
    settings: InterpolationSettings | None = None,
    opening: Card | None = None,
    device: str = "auto",
    force: bool = False,
    progress: bool = False,
    **choices: Any,
) -> Analysis:
    """Interpolate between the latents of test images, and measure what is on the way.

    Models are compared on the same pairs. The latents are those that `analyze` looks at: of a
    stochastic model, the posterior's means.

    Parameters
    ----------
    checkpoints : path, sequence of paths, or mapping of names to paths or models
        As for `analyze`; each needs a decoder.
    data : str, pathlib.Path or object
        Images, as for `analyze`: those for tests give the pairs, where the data are parted already,
        else all.
    real_images : ImageDataset, optional
        Real images that decoded ones are compared with; by default the training split of `data`,
        and of images that are not parted those that are in no pair.
    features : str or pathlib.Path, optional
        A folder that `latentgeo features` made: distances to real images are taken in the features
        of that classifier, and between pixels if left out.
    out : str or pathlib.Path, optional
        A folder to be made, with `paths.zarr`, `summary.json`, `figures/` and `report.html`. Where
        it is one that `analyze` made, all of this goes into its folder `interpolation`, and a
        section into its report.
    settings : InterpolationSettings, optional
        What decides the numbers; the defaults if left out.
    opening : Card, optional
        How to open the checkpoints that are given as paths, as `open_checkpoint` takes it.
    device : str, default="auto"
        "auto", "cpu" or "cuda".
    force : bool, default=False
        Replace what is there.
    progress : bool, default=False
        Show bars.
    **choices
        Fields of `InterpolationSettings`, before those of `settings`: `pairs`, `steps`, `path`,
        `seed` and so on.

    Returns
    -------
    Analysis
        The numbers and their summary.

    Raises
    ------
    InputError
        For a checkpoint, data set, number or folder that cannot be used, a model without a
        decoder, values that are not finite, and spherical paths between opposite latents.

    Examples
    --------
    >>> import latentgeo
    >>> few = {"pairs": 4, "steps": 3, "geodesics": 0, "real": 20}
    >>> found = latentgeo.interpolate("runs/cae", data="digits", **few)
    >>> found.kind
    'interpolation'
    """
    chosen = resolve(InterpolationSettings, settings, choices, of=interpolate_images)
    named = name_checkpoints(checkpoints)
    chosen = sized(chosen, data, named.values(), opening)
    with keep_out(out, KIND, force=force, reads=(data, features, *named.values())):
        images = load(data, None, size=chosen.size)
        if isinstance(images, SentenceDataset):
            raise InputError(
                f"data {images.name!r} are sentences, which have no sharpness and no pixels to "
                "compare with; give images"
            )
        ends, others = choose_pairs(images, chosen.pairs, chosen.seed)
        known = (
            real_images if real_images is not None else _known(data, images, others, chosen.size)
        )
        _check_alike(ends, known)
        known = known.take(min(chosen.real, len(known)), seed=chosen.seed)
        models = open_all(named, ends, opening, device)
        space = None if features is None else load_features(features).to(choose_device(device))
        children = {
            label: measure_paths(
                label, KIND, ImagePaths(model, chosen.seed, ends, known, chosen, space)
            )
            for label, model in track(list(models.items()), "interpolate", show=progress)
        }
        tree = _tree(children, ends, known, chosen, space)
        found = Analysis(tree, summarize(tree))
        if out is not None:
            write_paths(found, Path(out))
    return found


def choose_pairs(
    images: ImageDataset, pairs: int, seed: int
) -> tuple[ImageDataset, ImageDataset | None]:
    """Draw pairs of images, no image twice.

    Parameters
    ----------
    images : ImageDataset
        At least two for each pair.
    pairs : int
        How many.
    seed : int
        Seeds the draw.

    Returns
    -------
    ends : ImageDataset
        All starts, then their ends.
    others : ImageDataset or None
        The images that are in no pair; None where there are none.

    Raises
    ------
    InputError
        When there are too few images.
    """
    if 2 * pairs > len(images):
        raise InputError(
            f"{pairs} pairs need {2 * pairs} images, {images.name} ({images.split}) has "
            f"{len(images)}; give at most --pairs {len(images) // 2}"
            if len(images) > 1
            else f"{images.name} ({images.split}) has one image; a path needs two"
        )
    shuffled = images.take(len(images), seed=seed)
    chosen = 2 * pairs
    order = np.arange(len(images))
    others = shuffled.at(order[chosen:]) if chosen < len(images) else None
    return shuffled.at(order[:chosen]), others


def _check_alike(ends: ImageDataset, known: ImageDataset) -> None:
    if known.shape != ends.shape:
        raise InputError(
            f"real images {known.name!r} have shape {known.shape}, the pairs {ends.shape}; give "
            "images of one shape"
        )


def _known(
    data: Any, images: ImageDataset, others: ImageDataset | None, size: int | None
) -> ImageDataset:
    """Return the images that decoded ones are compared with."""
    if not isinstance(data, ImageDataset) and images.split not in (ALL, "train"):
        return load(data, "train", size=size)
    if others is None:
        raise InputError(
            f"all {len(images)} images of {images.name!r} are in pairs, so there are none to "
            "compare with; give fewer pairs, or real_images"
        )
    return others


def _tree(
    children: dict[str, xr.Dataset],
    ends: ImageDataset,
    known: ImageDataset,
    settings: InterpolationSettings,
    space: Features | None,
) -> xr.DataTree:
    pairs = len(ends) // 2
    indices = ends.indices.reshape(2, pairs)
    root = xr.Dataset(
        {"start_index": ("pair", indices[0]), "end_index": ("pair", indices[1])},
        attrs={
            "kind": KIND,
            "data": ends.name,
            "split": ends.split,
            "pairs": pairs,
            "steps": settings.steps,
            "path": settings.path,
            "seed": settings.seed,
            "space": "pixels" if space is None else space.space,
            "real_data": f"{known.name} ({known.split})",
            "models": list(children),
            "provenance": json.dumps(
                provenance(
                    data=ends.name,
                    data_sha256=ends.fingerprint,
                    real_sha256=known.fingerprint,
                    seed=settings.seed,
                    settings=settings.model_dump(mode="json"),
                    features_sha256=None if space is None else space.sha256,
                )
            ),
        },
    )
    if ends.labels is not None:
        labels = ends.labels.reshape(2, pairs)
        differ = (labels[0] != labels[1]).astype(np.float64)
        root = root.assign(
            start_label=("pair", labels[0]),
            end_label=("pair", labels[1]),
            **per_pair("classes_differ", differ, settings.seed),
        ).assign_coords(bound=BOUNDS)
    return xr.DataTree.from_dict({"/": root, **{f"/{name}": c for name, c in children.items()}})
