"""The figures of results along interpolation paths."""

from pathlib import Path

import xarray as xr

from latentgeo.figures.catalogue import FigureFile, FigureRow, save_figure
from latentgeo.figures.interpolation_grid import InterpolationGridDisplay
from latentgeo.figures.path_curves import PathCurvesDisplay

PATH_FIGURES: dict[str, FigureRow] = {
    "interpolation_grid": FigureRow(
        InterpolationGridDisplay,
        "Images along the paths",
        "Decoded images along {path} paths between the latents of some of the {pairs} pairs, in "
        "{steps} steps; outermost, the real images, whose reconstructions stand beside them. "
        "Orange bars: the rank triple changes from one step to the next, under the spectrum rule.",
        "A path that stays among real images shows one at every step; two images that fade into "
        "each other, blur or break in the middle do not. If strata broke images, breaks would "
        "stand at the bars.",
        InterpolationGridDisplay.from_paths,
    ),
    "path_curves": FigureRow(
        PathCurvesDisplay,
        "Measures along the paths",
        "Mean over {pairs} pairs at each step, band: 95 % bootstrap interval over pairs; dotted: "
        "sharpness of the real images at the ends. Ranks under the spectrum rule.",
        "A sag of the sharpness is blur; a hump of the distance to real images, or of the cycle "
        "consistency, tells that the middle is none the model knows; a change of the ranks is a "
        "change of stratum.",
        PathCurvesDisplay.from_paths,
    ),
}


def draw_path_figures(tree: xr.DataTree, folder: Path) -> list[FigureFile]:
    """Draw every figure of results along paths, as PNG (150 dpi) and PDF.

    Parameters
    ----------
    tree : xarray.DataTree
        From `latentgeo.interpolation.interpolate_images` or `score_lines`.
    folder : pathlib.Path
        Where the files go; it is made if it is missing.

    Returns
    -------
    list of FigureFile
        What was drawn.
    """
    for name, row in PATH_FIGURES.items():
        save_figure(row.draw(tree).plot().figure_, folder / name)
    return found_path_figures(tree, folder)


def found_path_figures(tree: xr.DataTree, folder: Path) -> list[FigureFile]:
    """Describe the figures that lie in a folder.

    Takes what `draw_path_figures` does.

    Returns
    -------
    list of FigureFile
        In the order of `PATH_FIGURES`.
    """
    facts = {name: tree.attrs[name] for name in ("pairs", "steps", "path")}
    return [
        FigureFile(
            name,
            row.title,
            row.caption.format(**facts),
            row.how_to_read,
            folder / f"{name}.png",
            folder / f"{name}.pdf",
        )
        for name, row in PATH_FIGURES.items()
        if (folder / f"{name}.png").is_file()
    ]
