"""Intrinsic dimension of the set of latents, from each latent's nearest neighbours."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.geometry import local_pca_dimension, point_distances, two_nn_dimension
from latentgeo.measures.encoding import Encoding
from latentgeo.measures.measure import (
    FigureRow,
    Measure,
    Metric,
    Statement,
    both,
    by_level,
)
from latentgeo.metrics import bootstrap_mean
from latentgeo.results import (
    ModelResult,
    Omission,
    Readout,
    Table,
    plain,
    with_omissions,
)
from latentgeo.results.words import number
from latentgeo.settings import AnalysisSettings

ESTIMATORS = ("two-nn", "local-pca")
INTRINSIC = Readout(
    "intrinsic_dimension",
    "intrinsic_dimension",
    "intrinsic_dimension_ci",
    at={"estimator": "two-nn"},
)
_NOTHING = (np.nan, np.nan, np.nan)


class _Estimate(NamedTuple):
    """Both estimates (value, low, high), TwoNN on half the latents, and what could not be done."""

    values: NDArray[np.float64]
    half: float
    points: int
    reason: str


def compute(encoding: Encoding) -> xr.Dataset:
    """Estimate the dimension of the set of latents of the compared images."""
    levels = {name: encoding.levels_of(reader) for name, reader in encoding.few.items()}
    return intrinsic_variables(levels, encoding.halves, encoding.settings)


def intrinsic_variables(
    views: Mapping[str, Iterable[Tensor]], halves: Tensor, settings: AnalysisSettings
) -> xr.Dataset:
    """Estimate the dimension of the set of latents at every level, by two estimators.

    Points are the latents themselves, flattened, with Euclidean distances. "two-nn" reads the
    dimension from the ratio of each latent's two smallest distances, its interval is that of the
    likelihood; "local-pca" counts the directions that hold 95 % of the variance among each
    latent's nearest neighbours, averaged over images, with a bootstrap interval.

    Parameters
    ----------
    views : mapping of str to iterable over levels of torch.Tensor of shape (n, C, H, W)
        The latent, and a sample of the posterior where there is one, of the compared images.
    halves : torch.Tensor of shape (k, n // 2)
        Random halves of the images; the first one and its complement show how far "two-nn"
        depends on the number of images.
    settings : AnalysisSettings
        Neighbours and seed.

    Returns
    -------
    xarray.Dataset
        `intrinsic_dimension` and `intrinsic_dimension_ci`, `intrinsic_dimension_half` (TwoNN,
        mean over two disjoint halves), and `intrinsic_points`: latents that differ from all
        others, which are those that TwoNN rests on. NaN where there is no estimate; the attribute
        `omitted` says why.
    """
    found = [[_estimate(level, halves[0], settings) for level in view] for view in views.values()]
    values = np.stack([[one.values for one in view] for view in found])
    variables = xr.Dataset(
        {
            "intrinsic_dimension": (("view", "noise", "estimator"), values[..., 0]),
            "intrinsic_dimension_ci": (("view", "noise", "estimator", "bound"), values[..., 1:]),
            "intrinsic_dimension_half": (
                ("view", "noise"),
                np.array([[one.half for one in view] for view in found]),
            ),
            "intrinsic_points": (
                ("view", "noise"),
                np.array([[one.points for one in view] for view in found]),
            ),
        },
        coords={"view": list(views), "estimator": list(ESTIMATORS), "bound": ["low", "high"]},
    )
    reasons = {
        view: [one.reason for one in levels] for view, levels in zip(views, found, strict=True)
    }
    return with_omissions(variables, _omissions(reasons))


def _estimate(latents: Tensor, half: Tensor, settings: AnalysisSettings) -> _Estimate:
    """Estimate the dimension of one set of latents (n, ...)."""
    distances = point_distances(latents)
    try:
        found = two_nn_dimension(distances, metric="precomputed")
    except ValueError as error:
        local = _local_pca(distances, len(distances), settings)
        return _Estimate(np.array([_NOTHING, local]), np.nan, 0, str(error))
    local = _local_pca(distances, found.points, settings)
    half_way = _at_half(distances, half)
    return _Estimate(np.array([found[:3], local]), half_way, found.points, "")


def _local_pca(
    distances: Tensor, points: int, settings: AnalysisSettings
) -> tuple[float, float, float]:
    """Return the mean over latents; 0 for a point, NaN where too few are distinct."""
    if not bool(distances.any()):
        return (0.0, 0.0, 0.0)
    neighbours = min(settings.neighbours, points - 1)
    try:
        each = local_pca_dimension(distances, neighbours=neighbours, metric="precomputed").each
    except ValueError:
        return _NOTHING
    mean, low, high = bootstrap_mean(each.numpy(), seed=settings.seed)
    return float(mean), float(low), float(high)


def _at_half(distances: Tensor, half: Tensor) -> float:
    """Return the mean TwoNN dimension of one half and of the others."""
    rest = torch.ones(len(distances), dtype=torch.bool)
    rest[half] = False
    try:
        found = [
            two_nn_dimension(distances[some][:, some], metric="precomputed").dimension
            for some in (half, rest)
        ]
    except ValueError:  # a half may hold too few distinct latents where the whole does not
        return np.nan
    return float(np.mean(found))


def _omissions(reasons: dict[str, list[str]]) -> list[Omission]:
    """Return once per view and reason where TwoNN has no estimate."""
    found = []
    for view, levels in reasons.items():
        for reason in dict.fromkeys(filter(None, levels)):
            count = levels.count(reason)
            where = "" if count == len(levels) else f" at {count} of {len(levels)} noise levels"
            what = "the sampled latents" if view == "sample" else "the latents"
            found.append(Omission(f"TwoNN dimension of {what}{where}", reason))
    return found


def _measured(models: Sequence[ModelResult]) -> list[ModelResult]:
    """Return the views that have an estimate; analyses from before have none."""
    return [view for model in models if INTRINSIC.value in model.data for view in model.views]


def _entry(view: ModelResult) -> dict[str, Any]:
    if INTRINSIC.value not in view.data:
        return {}

    def at(level: float) -> dict[str, Any]:
        seen = view.at(level)
        return {
            "two-nn": {
                **view.estimate(INTRINSIC, level).to_json(),
                "at_half_the_images": plain(seen["intrinsic_dimension_half"]),
                "points": int(seen["intrinsic_points"]),
            },
            "local-pca": _local(view, level).to_json(),
        }

    return {"intrinsic_dimension": by_level(view, at)}


def _local(view: ModelResult, level: float) -> Any:
    return view.estimate(INTRINSIC, level, estimator="local-pca")


def _sentences(model: ModelResult) -> list[str]:
    found = model.views[0].estimate(INTRINSIC)
    if not np.isfinite(found.value):
        return ["The intrinsic dimension could not be estimated: too many latents are the same."]
    return [
        f"The clean latents lie about a set of intrinsic dimension {found.value:.1f} "
        f"[{found.low:.1f}, {found.high:.1f}] (two nearest neighbours)."
    ]


def _points(model: ModelResult, noisy: str) -> list[str]:
    return [
        _point(view, noisy)
        for view in _measured([model])
        if np.isfinite(view.estimate(INTRINSIC).value)
    ]


def _point(view: ModelResult, noisy: str) -> str:
    text = (
        f"Intrinsic dimension of the set of {view.what}s: {view.estimate(INTRINSIC).text()} on "
        "clean images by their two nearest neighbours"
    )
    if view.noisy is not None:
        text += f", {view.estimate(INTRINSIC, view.noisy).text()} at {noisy}"
    half = float(view.at(0.0)["intrinsic_dimension_half"])
    return (
        f"{text}; {number(half)} at half the images. Few images make it too low, and noise that "
        "reaches the latents raises it."
    )


def _tables(models: Sequence[ModelResult], noisy: str) -> list[Table]:
    rows = tuple(
        (
            view.label,
            *both(view, lambda view, level: view.estimate(INTRINSIC, level).text()),
            number(float(view.at(0.0)["intrinsic_dimension_half"])),
            *both(view, lambda view, level: _local(view, level).text()),
            f"{int(view.at(0.0)['intrinsic_points'])} of "
            f"{view.attrs.get('compared_images', view.data.sizes['sample'])}",
        )
        for view in _measured(models)
    )
    if not rows:
        return []
    return [
        Table(
            "Intrinsic dimension of the set of latents",
            (
                "Model",
                "TwoNN, clean",
                f"TwoNN, {noisy}",
                "TwoNN at half the images, clean",
                "Local PCA, clean",
                f"Local PCA, {noisy}",
                "Distinct latents, clean",
            ),
            rows,
            "Square brackets: 95 % intervals. Neither high nor low is better. TwoNN reads the "
            "dimension from the two nearest neighbours; a value that changes at half the images is "
            "not settled, and with few images it is too low where the dimension is high. Local PCA "
            "cannot exceed its 20 neighbours.",
            section="measured",
        )
    ]


def _card(view: ModelResult, level: float) -> list[Metric]:
    if INTRINSIC.value not in view.data:
        return []
    found = view.estimate(INTRINSIC, level)
    return [Metric("intrinsic_dimension_two_nn", "Intrinsic dimension (TwoNN)", found)]


MEASURE = Measure(
    "intrinsic_dimension",
    compute,
    Statement(
        "neither",
        "TwoNN: of its likelihood; local PCA: bootstrap over images",
        "distances between all compared images a level",
        ("image order", "shift", "scale", "rotation", "channel order", "mirroring"),
    ),
    readouts=(INTRINSIC,),
    view_entry=_entry,
    sentences=_sentences,
    points=_points,
    tables=_tables,
    card=_card,
    figures=(
        FigureRow(
            "intrinsic_dimension",
            "latentgeo.figures.intrinsic:IntrinsicDimensionDisplay",
            "Intrinsic dimension against the noise",
            "Dimension of the set of latents (flattened, Euclidean distances). Left: from the "
            "ratio of the two nearest neighbours' distances, band: 95 % interval of its "
            "likelihood. Right: directions that hold 95 % of the variance among 20 nearest "
            "neighbours, which "
            "is also the most that it can find; mean over images, band: 95 % bootstrap interval.",
            "Neither high nor low is better. Noise that reaches the latents fills new directions "
            "and raises the curve; a level curve means that the encoder takes the noise away.",
        ),
    ),
    meanings={
        "Intrinsic dimension": "How many numbers it takes to say where on the set of latents a "
        "latent lies, whatever the number of coordinates. Two estimates: from the ratio of the "
        "distances to the two nearest neighbours (TwoNN), and from the principal components of 20 "
        "neighbours. It rests on few images, which make it too low where it is high; noise that "
        "reaches the latents raises it. Neither high nor low is better."
    },
)
