"""The job on lines: from checkpoints to the benchmark's table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from latentgeo.checkpoints import Card
from latentgeo.interpolation.job import keep_out, measure_paths, open_all, write_paths
from latentgeo.lazy import xr
from latentgeo.measures import summarize
from latentgeo.measures.paths.lines import benchmark_lines, decode_lines
from latentgeo.measures.paths.model_paths import LinePaths
from latentgeo.models import Autoencoder
from latentgeo.pipeline import Checkpoints, name_checkpoints
from latentgeo.progress import track
from latentgeo.provenance import provenance
from latentgeo.results import Analysis
from latentgeo.settings import LinesSettings, resolve

KIND = "lines"


def score_lines(
    checkpoints: Checkpoints,
    *,
    out: str | Path | None = None,
    settings: LinesSettings | None = None,
    opening: Card | None = None,
    device: str = "auto",
    force: bool = False,
    progress: bool = False,
    **choices: Any,
) -> Analysis:
    """Score how models interpolate between lines, and measure the ranks on the way.

    Stochastic models are scored twice: NAME on paths between draws of the posterior, as the
    benchmark's authors do, and "NAME, mean" on those between its means.

    Parameters
    ----------
    checkpoints : path, sequence of paths, or mapping of names to paths or models
        As for `analyze`; each needs a decoder and takes images (1, 32, 32).
    settings : LinesSettings, optional
        What decides the numbers; the defaults if left out.
    out, opening, device, force, progress
        As for `interpolate_images`; within an analysis, the folder is `lines`.
    **choices
        Fields of `LinesSettings`, before those of `settings`.

    Returns
    -------
    Analysis
        The numbers and their summary.

    Raises
    ------
    InputError
        For a checkpoint, number or folder that cannot be used, and a model without a decoder, of
        other images, or whose images lie far outside [-1, 1] or are not finite.

    Examples
    --------
    >>> import latentgeo
    >>> found = latentgeo.lines("runs/lines", pairs=4)  # doctest: +SKIP
    """
    chosen = resolve(LinesSettings, settings, choices, of=score_lines)
    named = name_checkpoints(checkpoints)
    with keep_out(out, KIND, force=force, reads=named.values()):
        lines = benchmark_lines(chosen)
        models = open_all(named, lines, opening, device)
        children = {}
        for label, model in track(list(models.items()), "lines", show=progress):
            for row, sampled in _rows(label, model).items():
                decoded = decode_lines(model, sampled=sampled, settings=chosen)
                paths = LinePaths(model, chosen.seed, decoded, chosen)
                children[row] = measure_paths(row, KIND, paths)
        attrs = {
            "kind": KIND,
            "data": lines.name,
            "split": lines.split,
            "path": "linear",
            **chosen.model_dump(mode="json"),
            "models": list(children),
            "provenance": json.dumps(
                provenance(
                    data=lines.name,
                    data_sha256=lines.fingerprint,
                    seed=chosen.seed,
                    settings=chosen.model_dump(mode="json"),
                )
            ),
        }
        branches = {f"/{row}": data for row, data in children.items()}
        tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs), **branches})
        found = Analysis(tree, summarize(tree))
        if out is not None:
            write_paths(found, Path(out))
    return found


def _rows(label: str, model: Autoencoder) -> dict[str, bool]:
    """Return the rows of a model, and whether they are of draws."""
    return {label: True, f"{label}, mean": False} if model.stochastic else {label: False}
