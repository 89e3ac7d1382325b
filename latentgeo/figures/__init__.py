"""The figures of an analysis, one Display each.

Every Display takes its data in the constructor or from an analysis with ``from_analysis``,
draws with ``plot``, and keeps what it drew as ``axes_`` and ``figure_``. Nothing here touches
matplotlib's global state.
"""

from latentgeo.figures._display import Display
from latentgeo.figures._style import ON_IMAGES, Curve, LineStyle
from latentgeo.figures.catalogue import (
    ENDINGS,
    WRITTEN,
    FigureFile,
    draw_figures,
    found_figures,
    save_figure,
    undrawn,
)
from latentgeo.figures.decoder_metric import DecoderMetricDisplay, MetricSummary
from latentgeo.figures.fixed_angles import FixedAngles, FixedAnglesDisplay
from latentgeo.figures.interpolation_grid import InterpolationGridDisplay, PathImages
from latentgeo.figures.intrinsic import IntrinsicDimensionDisplay
from latentgeo.figures.noise_curves import NoiseCurvesDisplay
from latentgeo.figures.path_curves import PathCurvesDisplay, PathPanel
from latentgeo.figures.principal_angles import AngleSeries, PrincipalAngleDisplay
from latentgeo.figures.rank_histogram import RankHistogramDisplay
from latentgeo.figures.rank_tolerance import RankToleranceDisplay
from latentgeo.figures.reading import NothingToDrawError
from latentgeo.figures.reconstructions import ReconstructionDisplay
from latentgeo.figures.saturation import HilbertDimensionBySizeDisplay
from latentgeo.figures.similarity import SimilarityDisplay
from latentgeo.figures.spectra import SpectrumDisplay
from latentgeo.figures.strata import (
    StratumTransitionDisplay,
    TransitionTable,
    transition_table,
)
from latentgeo.figures.tsne import Embedding, TsneDisplay
from latentgeo.figures.units import UnitBars, UnitsDisplay
from latentgeo.measures import figure_rows

__all__ = [
    "ENDINGS",
    "ON_IMAGES",
    "WRITTEN",
    "AngleSeries",
    "Curve",
    "DecoderMetricDisplay",
    "Display",
    "Embedding",
    "FigureFile",
    "FixedAngles",
    "FixedAnglesDisplay",
    "HilbertDimensionBySizeDisplay",
    "InterpolationGridDisplay",
    "IntrinsicDimensionDisplay",
    "LineStyle",
    "MetricSummary",
    "NoiseCurvesDisplay",
    "NothingToDrawError",
    "PathCurvesDisplay",
    "PathImages",
    "PathPanel",
    "PrincipalAngleDisplay",
    "RankHistogramDisplay",
    "RankToleranceDisplay",
    "ReconstructionDisplay",
    "SimilarityDisplay",
    "SpectrumDisplay",
    "StratumTransitionDisplay",
    "TransitionTable",
    "TsneDisplay",
    "UnitBars",
    "UnitsDisplay",
    "draw_figures",
    "figure_rows",
    "found_figures",
    "save_figure",
    "transition_table",
    "undrawn",
]
