"""Geometry of rank-deficient matrices: mathematics on tensors, usable without the rest.

Every function takes torch tensors or NumPy arrays and gives the same kind back; inside it is
float64 torch, on the tensor's device, batched over leading dimensions.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from latentgeo.geometry.angles import (
    AngleStatistics,
    angle_statistics,
    principal_angles,
    rkhs_principal_angles,
)
from latentgeo.geometry.bures import (
    FrechetMean,
    bures_wasserstein_geodesic,
    frechet_mean,
)
from latentgeo.geometry.distances import distance, pairwise_distance
from latentgeo.geometry.hilbert import (
    centre_gram,
    gram_dimension,
    gram_spectrum,
)
from latentgeo.geometry.intrinsic import (
    DimensionEstimate,
    LocalDimension,
    local_pca_dimension,
    point_distances,
    two_nn_dimension,
)
from latentgeo.geometry.kernels import (
    LINEAR_KERNELS,
    SPECTRAL_KERNELS,
    GramDiagnostics,
    IndefiniteKernelWarning,
    feature_count,
    feature_map,
    gram_diagnostics,
    is_positive_definite,
    kernel,
    small_eigenvalue_share,
    trace_normalised,
)
from latentgeo.geometry.metrics import METRICS, Metric, statement
from latentgeo.geometry.paths import Geodesic, PathRanks, geodesic, path_length, path_ranks
from latentgeo.geometry.pullback import PullbackStatistics, pullback_metric, pullback_statistics
from latentgeo.geometry.rank import (
    default_tolerance,
    distinct_positions,
    effective_rank,
    matrix_rank,
    mode_ranks,
    mode_singular_values,
    rank_at_tolerance,
    rank_from_singular_values,
    rounding_floor,
    singular_values,
    stable_rank,
)
from latentgeo.geometry.resampling import (
    AngleTest,
    DimensionCurve,
    MatchedAngles,
    angle_permutation_test,
    angles_by_dimension,
    dimension_by_size,
    disjoint_angles,
    held_out_variance,
    matched_angles,
)
from latentgeo.geometry.settling import (
    Settling,
    angle_settling,
    dimension_settling,
    settled_word,
    settling,
)
from latentgeo.geometry.strata import (
    Stratification,
    product_stratum_dimension,
    strata_counts,
    stratification,
    stratification_of_spectra,
    stratum_dimension,
)
from latentgeo.geometry.streams import (
    PointStream,
    StreamSpectra,
    StreamSpectrum,
    axes_angles,
    require_spectrum,
    stream_gram,
    stream_spectra,
)
from latentgeo.geometry.unfolding import (
    mode_covariances,
    mode_names,
    mode_unfoldings,
    mode_words,
    unfolded_shapes,
)

if TYPE_CHECKING:
    from latentgeo.geometry.embedding import HilbertEmbedding as HilbertEmbedding
    from latentgeo.geometry.manifolds import BuresWassersteinMetric as BuresWassersteinMetric
    from latentgeo.geometry.manifolds import FixedRankPSD as FixedRankPSD
    from latentgeo.geometry.manifolds import fixed_rank_product as fixed_rank_product
    from latentgeo.geometry.nystroem import Nystroem as Nystroem

# geomstats and scikit-learn take seconds to import: these load them when they are first used.
_LAZY = {
    "BuresWassersteinMetric": "latentgeo.geometry.manifolds",
    "FixedRankPSD": "latentgeo.geometry.manifolds",
    "HilbertEmbedding": "latentgeo.geometry.embedding",
    "Nystroem": "latentgeo.geometry.nystroem",
    "fixed_rank_product": "latentgeo.geometry.manifolds",
}

__all__ = [
    "LINEAR_KERNELS",
    "METRICS",
    "SPECTRAL_KERNELS",
    "AngleStatistics",
    "AngleTest",
    "BuresWassersteinMetric",
    "DimensionCurve",
    "DimensionEstimate",
    "FixedRankPSD",
    "FrechetMean",
    "Geodesic",
    "GramDiagnostics",
    "HilbertEmbedding",
    "IndefiniteKernelWarning",
    "LocalDimension",
    "MatchedAngles",
    "Metric",
    "Nystroem",
    "PathRanks",
    "PointStream",
    "PullbackStatistics",
    "Settling",
    "Stratification",
    "StreamSpectra",
    "StreamSpectrum",
    "angle_permutation_test",
    "angle_settling",
    "angle_statistics",
    "angles_by_dimension",
    "axes_angles",
    "bures_wasserstein_geodesic",
    "centre_gram",
    "default_tolerance",
    "dimension_by_size",
    "dimension_settling",
    "disjoint_angles",
    "distance",
    "distinct_positions",
    "effective_rank",
    "feature_count",
    "feature_map",
    "fixed_rank_product",
    "frechet_mean",
    "geodesic",
    "gram_diagnostics",
    "gram_dimension",
    "gram_spectrum",
    "held_out_variance",
    "is_positive_definite",
    "kernel",
    "local_pca_dimension",
    "matched_angles",
    "matrix_rank",
    "mode_covariances",
    "mode_names",
    "mode_ranks",
    "mode_singular_values",
    "mode_unfoldings",
    "mode_words",
    "pairwise_distance",
    "path_length",
    "path_ranks",
    "point_distances",
    "principal_angles",
    "product_stratum_dimension",
    "pullback_metric",
    "pullback_statistics",
    "rank_at_tolerance",
    "rank_from_singular_values",
    "require_spectrum",
    "rkhs_principal_angles",
    "rounding_floor",
    "settled_word",
    "settling",
    "singular_values",
    "small_eigenvalue_share",
    "stable_rank",
    "statement",
    "strata_counts",
    "stratification",
    "stratification_of_spectra",
    "stratum_dimension",
    "stream_gram",
    "stream_spectra",
    "trace_normalised",
    "two_nn_dimension",
    "unfolded_shapes",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'latentgeo.geometry' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
