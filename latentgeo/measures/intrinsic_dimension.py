"""Intrinsic dimension of the set of latents, from each latent's nearest neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.geometry import (
    local_pca_dimension,
    point_distances,
    two_nn_dimension,
)
from latentgeo.lazy import xr
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
_NOT_COVERED = "†"


class _Estimate(NamedTuple):
    """Both estimates (value, low, high), TwoNN on half the latents, and what could not be done."""

    values: NDArray[np.float64]
    half: float
    points: int
    copies: int
    is_local: bool
    reason: str


def compute(encoding: Encoding) -> xr.Dataset:
    """Estimate the dimension of the set of latents of the compared images."""
    levels = {name: encoding.levels_of(reader) for name, reader in encoding.few.items()}
    return intrinsic_variables(levels, encoding.halves, encoding.settings, encoding.source_dtype)


def intrinsic_variables(
    views: Mapping[str, Iterable[Tensor]],
    halves: Tensor,
    settings: AnalysisSettings,
    source_dtype: str,
) -> xr.Dataset:
    """Estimate the dimension of the set of latents at every level, by two estimators.

    Points are the latents themselves, flattened, with Euclidean distances. "two-nn" reads the
    dimension from the ratio of each latent's two smallest distances, its interval is a likelihood
    interval; "local-pca" counts the directions that hold 95 % of the variance among each
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
    source_dtype : str
        What the latents were computed in: those that are apart by its rounding are copies.

    Returns
    -------
    xarray.Dataset
        `intrinsic_dimension` and `intrinsic_dimension_ci`, `intrinsic_dimension_half` (TwoNN,
        mean over two disjoint halves), `intrinsic_points`, the distinct latents that TwoNN rests
        on, `intrinsic_copies`, those that both set aside, and `intrinsic_is_local`: whether the
        likelihood interval of TwoNN covers the dimension of the set. NaN where there is no
        estimate; the attribute `omitted` says why.
    """
    found = [
        [_estimate(level, halves[0], settings, source_dtype) for level in view]
        for view in views.values()
    ]
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
            "intrinsic_copies": (
                ("view", "noise"),
                np.array([[one.copies for one in view] for view in found]),
            ),
            "intrinsic_is_local": (
                ("view", "noise"),
                np.array([[one.is_local for one in view] for view in found]),
            ),
        },
        coords={"view": list(views), "estimator": list(ESTIMATORS), "bound": ["low", "high"]},
    )
    reasons = {
        view: [one.reason for one in levels] for view, levels in zip(views, found, strict=True)
    }
    return with_omissions(variables, _omissions(reasons))


def _estimate(
    latents: Tensor, half: Tensor, settings: AnalysisSettings, source_dtype: str
) -> _Estimate:
    """Estimate the dimension of one set of latents (n, ...)."""
    distances = point_distances(latents)
    around = local_pca_dimension(
        distances,
        neighbours=min(settings.neighbours, len(distances) - 1),
        metric="precomputed",
        source_dtype=source_dtype,
    )
    mean, low, high = bootstrap_mean(around.distinct.numpy(), seed=settings.seed)
    local = float(mean), float(low), float(high)
    try:
        found = two_nn_dimension(distances, metric="precomputed", source_dtype=source_dtype)
    except ValueError as error:
        nothing = np.array([_NOTHING, local])
        return _Estimate(nothing, np.nan, 0, around.copies, False, str(error))
    half_way = _at_half(distances, half, source_dtype)
    values = np.array([found[:3], local])
    return _Estimate(values, half_way, found.points, found.copies, found.is_local, "")


def _at_half(distances: Tensor, half: Tensor, source_dtype: str) -> float:
    """Return the mean TwoNN dimension of one half and of the others."""
    rest = torch.ones(len(distances), dtype=torch.bool)
    rest[half] = False
    try:
        found = [
            two_nn_dimension(
                distances[some][:, some], metric="precomputed", source_dtype=source_dtype
            ).dimension
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
                "copies": int(seen["intrinsic_copies"]),
                "interval_covers": bool(seen["intrinsic_is_local"]),
            },
            "local-pca": {
                **_local(view, level).to_json(),
                "copies": int(seen["intrinsic_copies"]),
            },
        }

    return {"intrinsic_dimension": by_level(view, at)}


def _local(view: ModelResult, level: float) -> Any:
    return view.estimate(INTRINSIC, level, estimator="local-pca")


def _two_nn(view: ModelResult, level: float) -> str:
    """Format TwoNN's estimate with its interval, marked where this need not cover."""
    found = view.estimate(INTRINSIC, level)
    covers = not np.isfinite(found.value) or _covers(view, level)
    return found.text() if covers else f"{found.text()}{_NOT_COVERED}"


def _copies(view: ModelResult, level: float) -> int:
    """Return the number of latents set aside as copies; an older analysis did not count them."""
    return int(view.at(level).get("intrinsic_copies", 0))


def _covers(view: ModelResult, level: float) -> bool:
    """Return whether TwoNN's interval covers, which an older analysis did not ask."""
    return bool(view.at(level).get("intrinsic_is_local", True))


def _sentences(model: ModelResult) -> list[str]:
    view = model.views[0]
    found = view.estimate(INTRINSIC)
    copies = _copies(view, 0.0)
    aside = [f"{copies} duplicate latents were set aside."] if copies else []
    if not np.isfinite(found.value):
        few = "The intrinsic dimension could not be estimated: too many latents are identical."
        return [few, *aside]
    text = (
        f"The clean latents lie near a set of intrinsic dimension {found.value:.1f} (two nearest "
        f"neighbours, likelihood interval [{found.low:.1f}, {found.high:.1f}])"
    )
    if not _covers(view, 0.0):
        text += "; read it as a lower bound; the interval need not cover the true dimension"
    return [f"{text}.", *aside]


def _points(model: ModelResult, noisy: str) -> list[str]:
    return [
        _point(view, noisy)
        for view in _measured([model])
        if np.isfinite(view.estimate(INTRINSIC).value)
    ]


def _point(view: ModelResult, noisy: str) -> str:
    text = (
        f"Intrinsic dimension of the set of {view.what}s: {_two_nn(view, 0.0)} on "
        "clean images by their two nearest neighbours (likelihood interval)"
    )
    if view.noisy is not None:
        text += f", {_two_nn(view, view.noisy)} at {noisy}"
    half = float(view.at(0.0)["intrinsic_dimension_half"])
    return (
        f"{text}; {number(half)} at half the images. Too few images bias it downwards, and noise "
        "that reaches the latents raises it."
    )


def _tables(models: Sequence[ModelResult], noisy: str) -> list[Table]:
    rows = tuple(
        (
            view.label,
            *both(view, _two_nn),
            number(float(view.at(0.0)["intrinsic_dimension_half"])),
            *both(view, lambda view, level: _local(view, level).text()),
            f"{_copies(view, 0.0)} of "
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
                "Duplicates set aside, clean",
            ),
            rows,
            "Square brackets: 95 % intervals, TwoNN's a likelihood interval. Neither high nor low "
            "is better. TwoNN estimates the dimension from the distances to the two nearest "
            "neighbours; a value that changes when half of the images are used has not settled. "
            f"{_NOT_COVERED}: neighbours are so far away that the boundary of the set matters; "
            "read the value as a lower bound. In simulations of 300 and 1000 points the interval "
            "covered dimension 2 in 91 to 96 %, 5 in 51 to 96 %, 10 in 2 to 94 % and 20 in 0 to "
            "85 % of the sets. "
            "Local PCA cannot exceed its 20 neighbours. Duplicates are latents that equal an "
            "earlier one up to rounding; neither estimate uses them, as points or as neighbours.",
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
        "TwoNN: likelihood interval; local PCA: bootstrap over distinct latents",
        "distances between all compared images per level",
        ("image order", "shift", "scale", "rotation", "channel order", "reflection"),
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
            "ratio of the two nearest neighbours' distances, band: 95 % likelihood "
            "interval. Right: directions that hold 95 % of the variance among 20 nearest "
            "neighbours (20 is also the upper bound); mean over images, band: 95 % bootstrap "
            "interval.",
            "Neither high nor low is better. Noise that reaches the latents fills new directions "
            "and raises the curve; a flat curve means that the encoder removes the noise.",
        ),
    ),
    meanings={
        "Intrinsic dimension": "How many numbers locate a latent within the set of latents, "
        "regardless of the number of coordinates. Two estimates: from the ratio of the "
        "distances to the two nearest neighbours (TwoNN), and from the principal components of 20 "
        "neighbours. With few images, high dimensions are underestimated; noise that reaches the "
        "latents raises the estimate. Neither high nor low is better."
    },
)
