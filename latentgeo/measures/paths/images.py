"""The images along a few paths, and how much of them lies outside their range."""

from __future__ import annotations

from typing import Any

from latentgeo.lazy import xr
from latentgeo.measures.measure import FigureRow, Measure, Statement, nothing
from latentgeo.measures.paths.model_paths import ImagePaths, ModelPaths
from latentgeo.measures.paths.variables import entry, per_pair, readouts

READOUTS = readouts(pairs=["ends_apart"])


def compute(paths: ModelPaths) -> xr.Dataset:
    """Keep the images of a few paths, and count the pixels outside their range."""
    pairs, steps = paths.path.shape[:2]
    clamped = paths.clamped()
    variables: dict[str, Any] = {"clamped_share": ((), clamped / paths.pixels / pairs / steps)}
    if isinstance(paths, ImagePaths):
        variables["image_step"] = (("pair", "gap"), paths.moved)
        variables |= per_pair("ends_apart", paths.apart, paths.seed)
    else:
        variables["clamped"] = ((), clamped)
    return paths.dataset(variables | paths.examples())


MEASURE = Measure(
    "path_images",
    compute,
    Statement("neither", "bootstrap over pairs", "one decoder pass per image"),
    kinds=("interpolation", "lines"),
    readouts=READOUTS,
    entry=entry(READOUTS),
    sentences=nothing,
    tables=nothing,
    figures=(
        FigureRow(
            "interpolation_grid",
            "latentgeo.figures.interpolation_grid:InterpolationGridDisplay",
            "Images along the paths",
            "Decoded images along {path} paths between the latents of some of the {pairs} pairs, "
            "in {steps} steps; outermost: the real images, next to their reconstructions. Orange "
            "bars: the ranks change from one step to the next, under the "
            "spectrum rule.",
            "On a path that stays near the data, every step shows a realistic image; "
            "cross-fading, blur or artefacts in the middle show that it leaves them. If changes "
            "of stratum caused artefacts, these would appear at the bars.",
            "from_paths",
        ),
        FigureRow(
            "path_curves",
            "latentgeo.figures.path_curves:PathCurvesDisplay",
            "Measures along the paths",
            "Mean over {pairs} pairs at each step, band: 95 % bootstrap interval over pairs; "
            "dotted: sharpness of the real images at the endpoints. Ranks under the spectrum rule.",
            "A dip in sharpness is blur; a peak in the distance to real images or in the cycle "
            "consistency means that the middle of the path lies off the data; a change of ranks "
            "is a change of stratum.",
            "from_paths",
        ),
    ),
)
