"""How far noise rotates the subspace of the embedded latents: principal angles, and their null."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.geometry import angle_statistics, disjoint_angles, settled_word
from latentgeo.lazy import xr
from latentgeo.measures.embedding import Embedding, Grams, angles_of, padded
from latentgeo.measures.encoding import Encoding
from latentgeo.measures.hilbert_dimension import DIMENSION
from latentgeo.measures.measure import FigureRow, Measure, Metric, Statement, Tile, by_level
from latentgeo.metrics import jackknife_interval
from latentgeo.results import (
    Column,
    Estimate,
    ModelResult,
    Readout,
    Table,
    nearest_level,
    plain,
    table_of,
)
from latentgeo.results.words import NONE, mean_and_range, number
from latentgeo.settings import AnalysisSettings
from latentgeo.threads import side_by_side

_AT_ONCE = 4
"""Halves, whose Gram matrices take together what those of all images do."""
STATISTICS = ("smallest", "largest", "mean", "chordal")
ANGLE = Readout(
    "principal_angle",
    "principal_angle_statistic",
    "principal_angle_ci",
    of="at this n",
    settled="principal_angle_settled",
    unit="degree",
    at={"statistic": "mean"},
)
_LEAST = 0.5
"""Degrees that an angle may change by and has settled, however small it is."""
_DISJOINT = "disjoint clean sets"
_NULLS = {
    _DISJOINT: "resampling the images",
    "two draws": "drawing again from the posterior",
}


def compute(encoding: Encoding) -> xr.Dataset:
    """Compute the angles between clean and noisy subspaces, and those that chance gives."""
    return angle_variables(encoding.embeddings, encoding.redraw, encoding.halves, encoding.settings)


def angle_variables(
    embeddings: Sequence[Embedding],
    redraw: Grams | None,
    halves: Tensor,
    settings: AnalysisSettings,
) -> xr.Dataset:
    """Measure principal angles between clean and noisy subspaces, and what they mean by chance.

    The subspaces hold `settings.angle_share` of the centred variance of each set.

    Parameters
    ----------
    embeddings : sequence over views of Embedding
        From `embed`.
    redraw : Grams, optional
        Two draws of a stochastic posterior at the clean level, as if they were two levels.
    halves : torch.Tensor of shape (k, m // 2)
        Halves of the compared images. A clean half against itself made noisy is what is compared
        with the baseline: two disjoint clean halves.
    settings : AnalysisSettings
        Share of the variance.

    Returns
    -------
    xarray.Dataset
        In degrees.
    """
    share = settings.angle_share
    grams = [view.grams for view in embeddings]
    angles = torch.stack(padded([view.angles for view in embeddings]))
    statistic = _statistics(angles)
    halved = torch.stack([_half_statistics(view, halves, share) for view in grams])
    quarters = halves[:, : max(halves.shape[1] // 2, 1)]
    quartered = torch.stack([_half_statistics(view, quarters, share) for view in grams])
    images = embeddings[0].angle_images
    curve = torch.stack(
        [
            *(part[..., STATISTICS.index("mean")].nanmean(1) for part in (quartered, halved)),
            statistic[..., STATISTICS.index("mean")],
        ],
        dim=-1,
    )
    low, high = jackknife_interval(statistic.numpy(), halved.movedim(1, -1).numpy())
    null = {"disjoint clean sets": torch.stack([_null(view, settings) for view in grams])}
    if redraw is not None:
        mean = _half_statistics(redraw, halves, share)[:, 1, STATISTICS.index("mean")]
        filler = torch.full_like(mean, torch.nan)
        null["two draws"] = torch.stack([filler, mean])
    return xr.Dataset(
        {
            "principal_angle": (("view", "noise", "angle"), angles.numpy()),
            "principal_angle_statistic": (("view", "noise", "statistic"), statistic.numpy()),
            "principal_angle_ci": (
                ("view", "noise", "statistic", "bound"),
                _possible(np.stack([low, high], axis=-1), angles),
            ),
            "principal_angle_by_size": (("view", "noise", "angle_size"), curve.numpy()),
            "principal_angle_settled": (("view", "noise"), _words(curve, angles, images)),
            "principal_angle_split_mean": (
                ("view", "noise", "split"),
                halved[..., STATISTICS.index("mean")].movedim(1, -1).numpy(),
            ),
            "principal_angle_null_mean": (
                ("view", "null", "split"),
                torch.stack(list(null.values()), dim=1).numpy(),
            ),
        },
        coords={
            "statistic": list(STATISTICS),
            "null": list(null),
            "angle_size": [quarters.shape[1], halves.shape[1], images],
        },
    )


def _words(curve: Tensor, angles: Tensor, images: int) -> NDArray[np.object_]:
    """Say of each mean angle whether it has settled from half of the compared images to all.

    Subspaces whose dimension is bounded by n have angles that are bounded by it.
    """
    words = np.full(curve.shape[:2], "", dtype=object)
    for view, level in np.ndindex(words.shape):
        _, before, value = curve[view, level].tolist()
        if np.isfinite(value) and np.isfinite(before):
            bounded = int((~angles[view, level].isnan()).sum()) > (images - 1) / 2
            words[view, level] = (
                "bounded by n" if bounded else settled_word(value, before, least=_LEAST)
            )
    return words


def _statistics(angles: Tensor) -> Tensor:
    """Summarise angles (..., angle) in degrees; the chordal distance has no unit."""
    found = angle_statistics(torch.deg2rad(angles))
    degrees = [torch.rad2deg(value) for value in (found.smallest, found.largest, found.mean)]
    return torch.stack([*degrees, found.chordal], dim=-1)


def _half_statistics(view: Grams, halves: Tensor, share: float) -> Tensor:
    """Return the statistics of every half against itself made noisy: (halves, noise, statistic)."""

    def of_half(half: Tensor) -> Tensor:
        return _statistics(angles_of(view.of(half), share))

    return torch.stack(side_by_side(of_half, halves, min(torch.get_num_threads(), _AT_ONCE)))


def _null(view: Grams, settings: AnalysisSettings) -> Tensor:
    """Return the mean angle in degrees between disjoint clean halves: (halves,)."""
    angles = disjoint_angles(
        view.within[0],
        splits=settings.halves,
        share=settings.angle_share,
        seed=settings.seed,
    )
    return torch.rad2deg(torch.from_numpy(angles).nanmean(dim=-1))


def _possible(interval: NDArray[np.float64], angles: Tensor) -> NDArray[np.float64]:
    """Cut intervals to what is possible: angles to [0, 90], the chordal distance to [0, √d]."""
    largest = np.full(interval.shape, 90.0)
    number = (~angles.isnan()).sum(dim=-1, keepdim=True)
    largest[..., STATISTICS.index("chordal"), :] = number.sqrt().numpy()
    return interval.clip(0, largest)


def half_angles(view: ModelResult, level: float) -> NDArray[np.float64]:
    """Return the mean angle of a clean half to itself made noisy, per split, in degrees."""
    values: NDArray[np.float64] = view.at(level)["principal_angle_split_mean"].values
    return values


def nulls(view: ModelResult) -> dict[str, NDArray[np.float64]]:
    """Return the mean angle of the baseline pairs, per split, in degrees, where they exist."""
    values = view.data["principal_angle_null_mean"]
    found = {str(name): values.sel(null=name).values for name in values["null"].values}
    return {name: angles for name, angles in found.items() if np.isfinite(angles).any()}


def against_null(view: ModelResult) -> str:
    """Return how the angle under noise compares with what chance gives, in words.

    Parameters
    ----------
    view : ModelResult
        One model in one view, with a noisy level.

    Returns
    -------
    str
        A clause without a full stop.
    """
    found = nulls(view)
    if view.noisy is None or not found or not np.isfinite(half_angles(view, view.noisy)).any():
        return "nothing to compare"
    angle = float(np.nanmean(half_angles(view, view.noisy)))
    clauses = [
        f"{_beside(angle, found[name])} {deed} does"
        for name, deed in _NULLS.items()
        if name in found
    ]
    return "noise rotates the subspace " + ", and ".join(clauses)


def _beside(angle: float, null: NDArray[np.float64]) -> str:
    """Return whether an angle lies below, within or above the range of a null."""
    if angle < np.nanmin(null):
        return "less than"
    return "more than" if angle > np.nanmax(null) else "as much as"


def _entry(view: ModelResult) -> dict[str, Any]:
    null = view.data["principal_angle_null_mean"].dropna("null")
    return {
        "principal_angles_deg": by_level(
            view,
            lambda level: {
                str(name): view.estimate(ANGLE, level, statistic=name).to_json()
                for name in view.data["statistic"].values
                if name != "chordal"
            },
        ),
        "principal_angles_by_images_deg": by_level(view, lambda level: _by_images(view, level)),
        "principal_angles_null_deg": {
            "mean_angle_between": {
                str(name): _range(null.sel(null=name).values) for name in null["null"].values
            },
            "mean_angle_of_a_clean_half_to_itself_noisy": by_level(
                view, lambda level: _range(half_angles(view, level))
            ),
        },
    }


def _by_images(view: ModelResult, level: float) -> dict[str, Any]:
    curve = view.at(level)["principal_angle_by_size"]
    sizes = curve["angle_size"].values
    return {str(size): plain(value) for size, value in zip(sizes, curve.values, strict=True)}


def _range(values: np.ndarray) -> dict[str, Any]:
    ends = np.quantile(values, [0.025, 0.975])
    return {"mean": plain(values.mean()), "range95": plain(ends)}


def _sentences(model: ModelResult) -> list[str]:
    level = nearest_level(model.data["noise"].values)
    if level is None:
        return []
    view = model.views[0]
    compared = model.attrs["compared_images"]
    every = compared == model.data.sizes["sample"]
    half = "half the images" if every else f"half of {compared} images"
    if _DISJOINT not in nulls(view) or not np.isfinite(half_angles(view, level)).any():
        return [
            f"At noise {level:g} no angle between clean and noisy subspaces is defined: one of "
            "them has dimension 0."
        ]
    return [
        f"At noise {level:g} the mean principal angle between clean and noisy subspaces is "
        f"{half_angles(view, level).mean():.1f}° on {half}{_unsettled(view, level)}; two disjoint "
        f"clean halves differ by {nulls(view)[_DISJOINT].mean():.1f}°."
    ]


def _unsettled(view: ModelResult, level: float) -> str:
    """Return the word on an angle that depends on how many images there are, in brackets."""
    word = view.estimate(ANGLE, level).settled
    return "" if word in ("", "settled") else f" ({word})"


def _points(model: ModelResult, noisy: str) -> list[str]:
    return [
        _point(view, view.noisy, noisy)
        for view in model.views
        if view.noisy is not None and np.isfinite(view.estimate(ANGLE, view.noisy).value)
    ]


def _point(view: ModelResult, level: float, noisy: str) -> str:
    null = nulls(view).get(_DISJOINT)
    text = (
        f"Mean principal angle of the {view.what} at {noisy}: "
        f"{view.estimate(ANGLE, level).text()} degrees on all images"
    )
    if null is None:
        return f"{text}.{_shared_directions(view, level)}"
    return (
        f"{text}; on halves {number(float(np.nanmean(half_angles(view, level))))}, against "
        f"{number(float(np.nanmean(null)))} between two disjoint clean halves: "
        f"{against_null(view)}.{_shared_directions(view, level)}"
    )


def _shared_directions(view: ModelResult, noisy: float) -> str:
    """Warn where a short vector leaves the subspaces no room to differ."""
    if not view.is_vector:
        return ""
    numbers = int(view.attrs["latent_shape"][0])
    clean, moved = (int(view.estimate(DIMENSION, level).value) for level in (0.0, noisy))
    shared = clean + moved - numbers
    if shared <= 0:
        return ""
    return (
        f" In {numbers} dimensions, subspaces of dimension {clean} and {moved} always share at "
        f"least {shared} directions, so that many angles are necessarily 0."
    )


def _glance(noisy: str) -> Sequence[Column]:
    return [
        Column(
            "Mean angle on halves",
            lambda model, view: (
                NONE
                if view.noisy is None
                else mean_and_range(half_angles(view, view.noisy)) + _unsettled(view, view.noisy)
            ),
        ),
        Column("Baseline angle", lambda model, view: mean_and_range(nulls(view).get(_DISJOINT))),
    ]


def _tiles(model: ModelResult, models: Sequence[ModelResult]) -> Sequence[Tile]:
    view = model.views[0]
    found = nulls(view).get(_DISJOINT)
    if view.noisy is None or found is None:
        return []
    halves = half_angles(view, view.noisy)
    if not np.isfinite(halves).any():
        return []
    text = f"{number(float(np.nanmean(halves)))}°"
    beside = f"baseline {number(float(np.nanmean(found)))}°"
    word = view.estimate(ANGLE, view.noisy).settled
    if word in ("", "settled"):
        return [Tile("Angle", text, beside, estimate=_range_of(halves))]
    return [Tile("Angle", "not settled", f"{text}, {beside}", "open")]


def _range_of(halves: NDArray[np.float64]) -> Estimate:
    """Return a mean over halves with the range over them in place of an interval."""
    mean, low, high = (float(of(halves)) for of in (np.nanmean, np.nanmin, np.nanmax))
    return Estimate(mean, low, high, over="halves")


def _statistic(name: str) -> Column:
    return Column(
        f"{name.capitalize()} angle, all images (°)",
        lambda view, level: view.estimate(ANGLE, level, statistic=name).text(),
    )


def _card(view: ModelResult, level: float) -> list[Metric]:
    found = view.estimate(ANGLE, level)
    return [Metric("principal_angle_mean", "Mean principal angle (°)", found)]


def _tables(models: Sequence[ModelResult], noisy: str) -> list[Table]:
    """Return the table of the mean angle under noise beside what chance alone gives."""
    views = [view for model in models for view in model.views if view.noisy is not None]
    if not views:
        return []
    columns = (
        Column("Model", lambda view: view.label),
        Column(
            f"Clean half against the same half at {noisy}",
            lambda view: mean_and_range(half_angles(view, view.noisy)),
        ),
        Column(
            "Two disjoint clean halves", lambda view: mean_and_range(nulls(view).get(_DISJOINT))
        ),
        Column(
            "Two posterior draws of one clean half",
            lambda view: mean_and_range(nulls(view).get("two draws")),
        ),
        Column("In words", against_null),
    )
    return [
        table_of(
            "Principal angles beside their baseline",
            columns,
            [(view,) for view in views],
            "Mean principal angle in degrees, mean over random halves of the images with the range "
            "over halves in brackets.",
            section="controls",
        )
    ]


def _card_notes(model: ModelResult) -> list[str]:
    between = [
        f" {name.capitalize()}: {angles.mean():.1f}° on halves of the images."
        for name, angles in nulls(model.views[0]).items()
    ]
    text = "Principal angle: between the subspaces of clean and of noisy latents."
    return [text + "".join(between)]


MEASURE = Measure(
    "principal_angles",
    compute,
    Statement(
        "neither",
        "delete-half jackknife over images, about the angle at this number of images",
        "one singular value decomposition of the two subspaces per level",
        ("image order", "reflection"),
    ),
    heading="Principal angles",
    units={"principal_angle": "degree"},
    readouts=(ANGLE,),
    tiles=_tiles,
    view_entry=_entry,
    sentences=_sentences,
    points=_points,
    glance=_glance,
    glance_note="Angle in degrees: a clean half of the images against the same half with noise, "
    "mean and range over random halves; baseline: two disjoint clean halves.",
    by_level=tuple(_statistic(name) for name in ("smallest", "mean", "largest")),
    tables=_tables,
    card=_card,
    card_notes=_card_notes,
    figures=(
        FigureRow(
            "principal_angles",
            "latentgeo.figures.principal_angles:PrincipalAngleDisplay",
            "Principal angles between clean and noisy latents",
            "Above: all principal angles in the Hilbert space, one line per noise level. Below: "
            "their mean, for all images and for halves of them; the grey bands are the baseline, "
            "two halves of the clean images without noise.",
            "Compare the dashed line with the bands, which rest on the same number of images: "
            "below them, noise rotates the subspace less than resampling the images does.",
        ),
    ),
    meanings={
        "Principal angles": "Angles between the subspace of the clean latents and that of the "
        "noisy ones in the same Hilbert space: 0° if noise leaves the subspace unchanged, 90° for "
        "new directions. Angles depend on the number of images, so they are judged on halves, "
        "against two disjoint halves of clean images."
    },
)
