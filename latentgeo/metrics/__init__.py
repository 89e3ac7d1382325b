"""Measures of quality, each with its direction, its units and its interval.

This package is mathematics on arrays: it imports nothing else of the project.
"""

from latentgeo.metrics.clustering import (
    clustering_accuracy,
    clustering_error,
    matched_clustering_error,
    name_clusters,
)
from latentgeo.metrics.correlation import RankCorrelation, spearman
from latentgeo.metrics.frechet import (
    FeatureStatistics,
    frechet_distance,
    frechet_feature_distance,
)
from latentgeo.metrics.interpolation import (
    NearestReal,
    PathScores,
    cycle_consistency,
    interpolate,
    nearest_real_distance,
    path_sharpness,
    sharpness,
)
from latentgeo.metrics.intervals import (
    MeanInterval,
    bootstrap_mean,
    bootstrap_median,
    bootstrap_ratio,
    interval_over_seeds,
    jackknife_interval,
)
from latentgeo.metrics.learned import LEARNED_MARGIN_DB, Learned, judge_learned
from latentgeo.metrics.line_images import LINE_SIDE, render_lines
from latentgeo.metrics.lines import LineScores, line_interpolation_scores
from latentgeo.metrics.mmd import MMDTest, mmd_squared, mmd_test
from latentgeo.metrics.parzen import Bandwidth, choose_bandwidth, parzen_log_likelihood
from latentgeo.metrics.probes import ProbeScore, linear_probe
from latentgeo.metrics.psnr import psnr
from latentgeo.metrics.sentences import exact_match, token_accuracy
from latentgeo.metrics.significance import Difference, holm, seed_difference
from latentgeo.metrics.similarity import (
    LEAST_IMAGES,
    SIMILARITIES,
    Similarity,
    SimilarityScore,
    principal_scores,
    similarities,
    similarity,
)
from latentgeo.metrics.trigrams import TrigramModel, perplexity
from latentgeo.metrics.whitening import WhitenedClusters, whitened_kmeans

__all__ = [
    "LEARNED_MARGIN_DB",
    "LEAST_IMAGES",
    "LINE_SIDE",
    "SIMILARITIES",
    "Bandwidth",
    "Difference",
    "FeatureStatistics",
    "Learned",
    "LineScores",
    "MMDTest",
    "MeanInterval",
    "NearestReal",
    "PathScores",
    "ProbeScore",
    "RankCorrelation",
    "Similarity",
    "SimilarityScore",
    "TrigramModel",
    "WhitenedClusters",
    "bootstrap_mean",
    "bootstrap_median",
    "bootstrap_ratio",
    "choose_bandwidth",
    "clustering_accuracy",
    "clustering_error",
    "cycle_consistency",
    "exact_match",
    "frechet_distance",
    "frechet_feature_distance",
    "holm",
    "interpolate",
    "interval_over_seeds",
    "jackknife_interval",
    "judge_learned",
    "line_interpolation_scores",
    "linear_probe",
    "matched_clustering_error",
    "mmd_squared",
    "mmd_test",
    "name_clusters",
    "nearest_real_distance",
    "parzen_log_likelihood",
    "path_sharpness",
    "perplexity",
    "principal_scores",
    "psnr",
    "render_lines",
    "seed_difference",
    "sharpness",
    "similarities",
    "similarity",
    "spearman",
    "token_accuracy",
    "whitened_kmeans",
]
