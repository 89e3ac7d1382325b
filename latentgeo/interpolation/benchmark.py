"""The job on lines: from checkpoints to the benchmark's table."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from latentgeo.analysis.omission import with_omissions
from latentgeo.checkpoints import Card
from latentgeo.errors import InputError
from latentgeo.interpolation.lines import DecodedLines, benchmark_lines, decode_lines
from latentgeo.interpolation.model_paths import EXAMPLES, NO_RANKS, described
from latentgeo.interpolation.opened import open_all
from latentgeo.interpolation.strata import measure_strata
from latentgeo.interpolation.variables import (
    along_steps,
    as_dataset,
    associations,
    with_interval,
)
from latentgeo.interpolation.writing import check_out, write_results
from latentgeo.metrics import LineScores, bootstrap_mean, line_interpolation_scores
from latentgeo.models import Autoencoder, dtype_of
from latentgeo.path_results import PathResults, summarize_paths
from latentgeo.pipeline import Checkpoints, name_checkpoints
from latentgeo.progress import track
from latentgeo.provenance import provenance

KIND = "lines"


def score_lines(
    checkpoints: Checkpoints,
    *,
    pairs: int = 256,
    steps: int = 16,
    references: int = 10_000,
    style: str = "paper",
    seed: int = 0,
    opening: Card | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    force: bool = False,
    progress: bool = False,
) -> PathResults:
    """Score how models interpolate between lines, and measure the ranks on the way.

    Stochastic models are scored twice: NAME on paths between draws of the posterior, as the
    benchmark's authors do, and "NAME, mean" on those between its means.

    Parameters
    ----------
    checkpoints : path, sequence of paths, or mapping of names to paths or models
        As for `analyze`; each needs a decoder and takes images (1, 32, 32).
    pairs, steps, references, style
        As for `line_scores`.
    seed : int, default=0
        Seeds the posterior's draws and the bootstrap. The lines are always the same.
    opening, out, device, force, progress
        As for `interpolate_images`; within an analysis, the folder is `lines`.

    Returns
    -------
    PathResults
        The numbers and their summary.

    Raises
    ------
    InputError
        For a checkpoint, number or folder that cannot be used, and a model without a decoder, of
        other images, or whose images lie far outside [-1, 1] or are not finite.
    """
    named = name_checkpoints(checkpoints)
    if out is not None:
        check_out(Path(out), KIND, force=force, reads=named.values())
    lines = benchmark_lines(style, pairs)
    models = open_all(named, lines, opening, device)
    children = {}
    for label, model in track(list(models.items()), "lines", show=progress):
        for row, sampled in _rows(label, model).items():
            decoded = decode_lines(
                model, pairs=pairs, steps=steps, style=style, sampled=sampled, seed=seed
            )
            children[row] = _measure(row, model, decoded, references, style, seed)
    attrs = {
        "kind": KIND,
        "data": lines.name,
        "split": lines.split,
        "pairs": pairs,
        "steps": steps,
        "path": "linear",
        "references": references,
        "style": style,
        "seed": seed,
        "models": list(children),
        "provenance": json.dumps(
            provenance(
                data=lines.name,
                data_sha256=lines.fingerprint,
                seed=seed,
                settings={"pairs": pairs, "steps": steps, "references": references, "style": style},
            )
        ),
    }
    branches = {f"/{row}": data for row, data in children.items()}
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs), **branches})
    found = PathResults(tree, summarize_paths(tree))
    if out is not None:
        write_results(found, Path(out), KIND)
    return found


def _rows(label: str, model: Autoencoder) -> dict[str, bool]:
    """Name the rows of a model, and whether they are of draws."""
    return {label: True, f"{label}, mean": False} if model.stochastic else {label: False}


def _measure(
    row: str, model: Autoencoder, decoded: DecodedLines, references: int, style: str, seed: int
) -> xr.Dataset:
    try:
        scores = line_interpolation_scores(
            decoded.images, "corrected", references=references, style=style, seed=seed
        )
    except ValueError as error:
        raise InputError(f"model {row!r}: {error}") from error
    strata = measure_strata(decoded.latents, dtype_of(model), seed)
    ends = decoded.latents[:, [0, -1]].flatten(2).double()
    apart = (ends[:, 1] - ends[:, 0]).norm(dim=1).numpy()
    causes = {} if strata is None else strata.causes
    effects = {"smoothness": scores.pair_smoothness, "mean distance": scores.distance.mean(axis=1)}
    moved = decoded.images.flatten(2).double().diff(dim=1).norm(dim=2).numpy()
    parts = [
        _scores(scores, seed),
        {"clamped": ((), decoded.clamped)},
        {"clamped_share": ((), decoded.clamped / decoded.images.numel())},
        associations(causes, effects, apart, seed),
        _examples(decoded),
    ]
    if strata is not None:
        parts += [strata.variables, strata.at_crossings(moved, seed)]
    variables = {name: value for part in parts for name, value in part.items()}
    found = as_dataset(variables, decoded.images.shape[1])
    return with_omissions(found, [NO_RANKS] if strata is None else []).assign_attrs(
        **described(row, model)
    )


def _scores(scores: LineScores, seed: int) -> dict[str, Any]:
    smoothness = scores.pair_smoothness
    undefined = np.isnan(smoothness)
    found = {
        name: (getattr(scores, name), scores.intervals[name])
        for name in ("mean_distance", "smoothness_median", "shortest_arc_rate")
    }
    found["smoothness_corrected"] = scores.smoothness, scores.intervals["smoothness"]
    if not undefined.all():
        # The paper's mode: undefined pairs add nothing to the sum and one to the count.
        mean = bootstrap_mean(np.where(undefined, 0.0, smoothness), seed=seed)
        found["smoothness_paper"] = float(mean.mean), (float(mean.low), float(mean.high))
    else:
        found["smoothness_paper"] = np.nan, (np.nan, np.nan)
    return {
        **{
            key: entry
            for name, (value, ends) in found.items()
            for key, entry in with_interval(name, value, ends).items()
        },
        "undefined": ((), scores.undefined),
        "smoothness": ("pair", smoothness),
        "shortest_arc": ("pair", scores.pair_shortest_arc),
        **along_steps("line_distance", scores.distance, seed),
        "line_angle": (("pair", "step"), scores.angle),
    }


def _examples(decoded: DecodedLines) -> dict[str, Any]:
    pairs = len(decoded.images)
    count = min(EXAMPLES, pairs)
    real = decoded.lines.batch(slice(None))
    axes = ("image_channel", "image_row", "image_column")
    return {
        "example_path": (("example", "step", *axes), (decoded.images[:count].numpy() + 1) / 2),
        "example_start": (("example", *axes), real[:count].numpy()),
        "example_end": (("example", *axes), real[pairs : pairs + count].numpy()),
    }
