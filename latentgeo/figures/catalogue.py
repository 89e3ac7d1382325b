"""Which figures there are, what stands below them, and how they are written."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from latentgeo.figures import reading
from latentgeo.figures._display import Display
from latentgeo.figures._style import style
from latentgeo.figures.decoder_metric import DecoderMetricDisplay
from latentgeo.figures.intrinsic import IntrinsicDimensionDisplay
from latentgeo.figures.noise_curves import NoiseCurvesDisplay
from latentgeo.figures.principal_angles import PrincipalAngleDisplay
from latentgeo.figures.rank_histogram import RankHistogramDisplay
from latentgeo.figures.rank_tolerance import RankToleranceDisplay
from latentgeo.figures.reconstructions import ReconstructionDisplay
from latentgeo.figures.saturation import HilbertDimensionBySizeDisplay
from latentgeo.figures.spectra import SpectrumDisplay
from latentgeo.figures.strata import StratumTransitionDisplay
from latentgeo.figures.tsne import TsneDisplay
from latentgeo.figures.units import UnitsDisplay
from latentgeo.files import write_atomically

_DPI = 150


@dataclass(frozen=True)
class FigureRow:
    """One kind of figure.

    Parameters
    ----------
    display : type
        The Display class.
    title : str
        Heading.
    caption : str
        What is drawn; ``{samples}``, ``{noisy}`` and ``{levels}`` are filled in.
    how_to_read : str
        One sentence that tells what to look for.
    draw : callable
        Makes the Display from a tree.
    """

    display: type[Display]
    title: str
    caption: str
    how_to_read: str
    draw: Callable[[xr.DataTree], Any]


@dataclass(frozen=True)
class FigureFile:
    """A figure that was drawn, as files.

    Parameters
    ----------
    name : str
        Its name in `FIGURES`, and the stem of both files.
    title, caption, how_to_read : str
        Its words.
    png, pdf : pathlib.Path
        The files.
    """

    name: str
    title: str
    caption: str
    how_to_read: str
    png: Path
    pdf: Path


FIGURES: dict[str, FigureRow] = {
    "reconstructions": FigureRow(
        ReconstructionDisplay,
        "Reconstructions under noise",
        "Inputs (top row, clipped to [0, 1] for display) and each model's reconstruction, at "
        "every noise level; the same noise goes into every model.",
        "A model that has learned returns the image at level 0; look where the reconstruction "
        "starts to follow the noise or to turn into another image.",
        ReconstructionDisplay.from_analysis,
    ),
    "rank_histograms": FigureRow(
        RankHistogramDisplay,
        "Ranks of the three unfoldings",
        "Ranks of S1, S2 and S3 over {samples} images, clean and at {noisy}, under the spectrum "
        "rule; the range is printed in each panel. Counterpart of the paper's figure 3.",
        "One bar means that all images lie on one stratum; several bars mean a stratified set, "
        "and bars that move from left to right block mean that noise changes the stratum.",
        RankHistogramDisplay.from_analysis,
    ),
    "strata": FigureRow(
        StratumTransitionDisplay,
        "From clean stratum to noisy stratum",
        "Number of images by rank triple (S1,S2,S3), clean (down) and at {noisy} (across). The "
        "five most frequent strata of each side are named, all others are pooled in 'other', "
        "with their number in brackets.",
        "Counts where row and column bear the same name are images that keep their stratum; "
        "everything else was moved by the noise.",
        StratumTransitionDisplay.from_analysis,
    ),
    "noise_curves": FigureRow(
        NoiseCurvesDisplay,
        "Hilbert dimension and PSNR against the noise",
        "Left: dimension of the Hilbert embedding that holds 95 % of the variance, band: 95 % "
        "interval (delete-half jackknife over images). Right: mean PSNR against the clean "
        "image, band: 95 % bootstrap interval over images; dotted: predicting the mean image. "
        "Counterpart of the paper's figure 4.",
        "A flat line means that noise does not change the quantity; a PSNR at the dotted line "
        "means that the model tells no more than the mean image.",
        NoiseCurvesDisplay.from_analysis,
    ),
    "principal_angles": FigureRow(
        PrincipalAngleDisplay,
        "Principal angles between clean and noisy latents",
        "Above: all principal angles in the Hilbert space, one line per noise level. Below: "
        "their mean, for all images and for halves of them; the grey bands are what two halves "
        "of the clean images show with no noise at all. Counterpart of the paper's figure 5.",
        "Compare the dashed line with the bands, both have the same number of images: below the "
        "bands noise turns the subspace less than exchanging the images does.",
        PrincipalAngleDisplay.from_analysis,
    ),
    "hilbert_dimension_by_size": FigureRow(
        HilbertDimensionBySizeDisplay,
        "Does the Hilbert dimension saturate?",
        "Hilbert dimension (95 % of the variance) against the number of images, mean and range "
        "over random subsets, clean and at {noisy}; dotted: the highest value possible.",
        "A curve that still climbs at its right end measures the sample size as much as the "
        "model; only a level curve is a dimension.",
        HilbertDimensionBySizeDisplay.from_analysis,
    ),
    "intrinsic_dimension": FigureRow(
        IntrinsicDimensionDisplay,
        "Intrinsic dimension against the noise",
        "Dimension of the set of latents (flattened, Euclidean distances). Left: from the ratio of "
        "the two nearest neighbours' distances, band: 95 % interval of its likelihood. Right: "
        "directions that hold 95 % of the variance among 20 nearest neighbours, which is also the "
        "most that it can find; mean over images, band: 95 % bootstrap interval.",
        "Neither high nor low is better. Noise that reaches the latents fills new directions and "
        "raises the curve; a level curve means that the encoder takes the noise away.",
        IntrinsicDimensionDisplay.from_analysis,
    ),
    "decoder_metric": FigureRow(
        DecoderMetricDisplay,
        "What the decoder does to the latent space",
        "Pull-back metric of each model that decodes, at the latents of some images (dots), clean "
        "and at the highest level; circle and bar: median and its exact 95 % interval. Left: "
        "condition number, which is how unevenly directions are stretched. Right: logarithm of "
        "the volume element, divided by the number of directions.",
        "Left is smooth: near 1 all directions move the image alike, far to the right some "
        "hardly move it. A volume that differs between clean and noisy means that the decoder "
        "curves; its zero depends on the latent's unit, so do not compare models by it.",
        DecoderMetricDisplay.from_analysis,
    ),
    "units": FigureRow(
        UnitsDisplay,
        "What each unit carries",
        "Clean images. Units are the numbers of a vector, or the channels of a tensor whose "
        "posterior is stochastic. Left: Kullback-Leibler divergence of the posterior from a "
        "standard normal prior, with its 95 % bootstrap interval over images, summed over the "
        "positions of a channel. Right: variance of the latent, or of the posterior's mean, over "
        "images; dashed: 0.01, above which a stochastic unit is active.",
        "Hatched units carry nothing: the posterior is the prior, or the unit has one value on "
        "all images. What is left is the number of units that the model uses.",
        UnitsDisplay.from_analysis,
    ),
    "spectra": FigureRow(
        SpectrumDisplay,
        "Spectra of the unfoldings",
        "Singular values of the centred unfoldings, relative to the largest: median over "
        "{samples} images and 5 to 95 % band (left out where more than five curves meet); grey: "
        "where each rank rule cuts.",
        "A cliff that falls through a grey line gives a rank that the rule hardly changes; a "
        "slope that crosses it gently gives a rank that the tolerance decides.",
        SpectrumDisplay.from_analysis,
    ),
    "rank_tolerance": FigureRow(
        RankToleranceDisplay,
        "Rank against tolerance",
        "Mean rank over {samples} images if singular values below the tolerance (relative to "
        "the largest) count as zero, with the 5 to 95 % band (left out where more than five "
        "curves meet); grey: the two rank rules.",
        "A plateau around a grey line means a rank one can trust; where the curve falls, the "
        "two rules give different ranks for the same latents.",
        RankToleranceDisplay.from_analysis,
    ),
    "tsne": FigureRow(
        TsneDisplay,
        "t-SNE of the points",
        "t-SNE on the product distance, the same map coloured by noise level (left) and by "
        "class (right, all levels together), for several seeds; KL is the divergence that "
        "t-SNE minimised. Colours repeat after ten classes.",
        "Trust only what all seeds show; distances between clusters and their sizes mean "
        "nothing in t-SNE.",
        TsneDisplay.from_analysis,
    ),
}


def draw_figures(tree: xr.DataTree, folder: Path) -> list[FigureFile]:
    """Draw every figure that the analysis has data for, as PNG (150 dpi) and PDF.

    Parameters
    ----------
    tree : xarray.DataTree
        The analysis.
    folder : pathlib.Path
        Where the files go; it is made if it is missing. Each file is written atomically, and
        the same analysis gives the same bytes (no dates inside).

    Returns
    -------
    list of FigureFile
        What was drawn, in the order of `FIGURES`. See `undrawn` for the rest.
    """
    missing = undrawn(tree)
    for name, row in FIGURES.items():
        if name not in missing:
            save_figure(row.draw(tree).plot().figure_, folder / name)
    return found_figures(tree, folder)


def found_figures(tree: xr.DataTree, folder: Path) -> list[FigureFile]:
    """Describe the figures of an analysis that lie in a folder.

    Parameters
    ----------
    tree : xarray.DataTree
        The analysis that they were drawn from; its numbers go into the captions.
    folder : pathlib.Path
        Where they lie.

    Returns
    -------
    list of FigureFile
        In the order of `FIGURES`.
    """
    return [_describe(tree, name, folder) for name in FIGURES if _png(folder, name).is_file()]


def undrawn(tree: xr.DataTree) -> dict[str, str]:
    """Say which figures this analysis has no data for, and why.

    Parameters
    ----------
    tree : xarray.DataTree
        The analysis.

    Returns
    -------
    dict of str to str
        Name in `FIGURES` to the reason in one sentence.
    """
    reasons = {}
    for name, row in FIGURES.items():
        try:
            row.draw(tree)
        except reading.NothingToDrawError as error:
            reasons[name] = str(error)
    return reasons


def save_figure(figure: Figure, stem: Path) -> None:
    """Write a figure as ``stem.png`` and ``stem.pdf``, atomically and without dates.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to write. Its layout is settled by this: both files show the same one.
    stem : pathlib.Path
        The path without its ending.
    """
    no_dates: dict[str, dict[str, Any]] = {
        "png": {"Software": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }
    for ending, metadata in no_dates.items():
        with style():
            write_atomically(
                stem.with_name(f"{stem.name}.{ending}"),
                lambda path, ending=ending, metadata=metadata: figure.savefig(  # type: ignore[misc]
                    path, format=ending, dpi=_DPI, metadata=metadata
                ),
            )
        figure.set_layout_engine("none")


def _png(folder: Path, name: str) -> Path:
    return folder / f"{name}.png"


def _describe(tree: xr.DataTree, name: str, folder: Path) -> FigureFile:
    """Fill the numbers of an analysis into the words of a figure."""
    row = FIGURES[name]
    return FigureFile(
        name,
        row.title,
        row.caption.format(samples=tree.attrs.get("samples", "the"), noisy=_noisy_text(tree)),
        row.how_to_read,
        _png(folder, name),
        folder / f"{name}.pdf",
    )


def _noisy_text(tree: xr.DataTree) -> str:
    """Say the noisy level that the figures show by default."""
    if not (reading.noise_levels(tree) > 0).any():
        return "no noise"
    return reading.level_text(tree, reading.noisy_level(tree))
