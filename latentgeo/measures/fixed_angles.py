"""Principal angles of fixed dimension, matched with their null, and what subspaces hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentgeo.geometry import angles_by_dimension, held_out_variance, matched_angles
from latentgeo.geometry.resampling import DIMENSIONS
from latentgeo.lazy import xr
from latentgeo.measures.embedding import Grams
from latentgeo.measures.encoding import Encoding
from latentgeo.measures.measure import FigureRow, Measure, Statement, by_level
from latentgeo.metrics import jackknife_interval
from latentgeo.results import Column, ModelResult, Readout, Table, nearest_level, plain, table_of
from latentgeo.results.words import mean_and_range, number
from latentgeo.settings import AnalysisSettings

SAME = Readout(
    "principal_angle_of_dimension",
    "fixed_angle",
    "fixed_angle_ci",
    unit="degree",
    at={"subspace_dimension": 5},
)
APART = Readout(
    "principal_angle_to_other_images",
    "fixed_angle_apart_mean",
    unit="degree",
    at={"subspace_dimension": 5},
)
REDRAWN = Readout(
    "principal_angle_of_another_draw",
    "fixed_angle_redrawn",
    unit="degree",
    at={"subspace_dimension": 5},
    levels="second_draw_noise",
)
HELD = Readout("held_out_variance", "held_out_variance_mean", at={"subspace": "5"})
_SHARE = "share"


class _View(NamedTuple):
    """Degrees, and shares, of one view."""

    same: NDArray[np.float64]  # (noise, d)
    interval: NDArray[np.float64]  # (noise, d, bound)
    apart: NDArray[np.float64]  # (noise, split, d)
    held: NDArray[np.float64]  # (split, d + 1)


def compute(encoding: Encoding) -> xr.Dataset:
    """Measure angles between subspaces of 1 to 20 dimensions, and the variance that they hold.

    Returns
    -------
    xarray.Dataset
        In degrees: `fixed_angle` (view, noise, subspace_dimension) between the clean and the noisy
        images with `fixed_angle_ci`; `fixed_angle_apart` (…, split, …) of one half, made noisy,
        against the other half clean (level 0: the baseline angle), and its mean over splits;
        `fixed_angle_redrawn` (second_draw_noise, subspace_dimension), where the posterior is
        stochastic, between two draws of the same images, the second one clean or noisy.
        `held_out_variance` (view, split, subspace): share of the variance of one half that the
        subspace of the other holds, the last one that of `settings.angle_share`.
    """
    settings = encoding.settings
    views = [_measure(view.grams, settings) for view in encoding.embeddings]
    apart = np.stack([view.apart for view in views])
    held = np.stack([view.held for view in views])
    by_dimension = ("view", "noise", "subspace_dimension")
    found = xr.Dataset(
        {
            "fixed_angle": (by_dimension, np.stack([view.same for view in views])),
            "fixed_angle_ci": (
                (*by_dimension, "bound"),
                np.stack([view.interval for view in views]),
            ),
            "fixed_angle_apart": (("view", "noise", "split", "subspace_dimension"), apart),
            "fixed_angle_apart_mean": (by_dimension, apart.mean(axis=2)),
            "held_out_variance": (("view", "split", "subspace"), held),
            "held_out_variance_mean": (("view", "subspace"), held.mean(axis=1)),
        },
        coords={
            "subspace_dimension": list(DIMENSIONS),
            "subspace": [*map(str, DIMENSIONS), _SHARE],
            "bound": ["low", "high"],
        },
    )
    if encoding.redraw is None:
        return found
    again = _degrees(encoding.redraw)
    return found.assign(
        fixed_angle_redrawn=(("second_draw_noise", "subspace_dimension"), again)
    ).assign_coords(second_draw_noise=encoding.redrawn_noise)


def _measure(grams: Grams, settings: AnalysisSettings) -> _View:
    splits, seed = settings.halves, settings.seed
    clean = grams.within[0]
    matched = matched_angles(clean, grams.cross, grams.within[1:], splits=splits, seed=seed)
    null = np.rad2deg(matched.clean)[None]
    # Clean images against themselves need no measurement where there are so many dimensions.
    itself = np.where(np.isnan(null), np.nan, 0.0)
    same = np.concatenate([itself[0, :1], _degrees(grams)])
    halved = np.concatenate([itself, np.rad2deg(matched.same)])
    low, high = jackknife_interval(same, np.moveaxis(halved, 1, -1))
    held = held_out_variance(clean, share=settings.angle_share, splits=splits, seed=seed)
    return _View(
        same,
        np.stack([low, high], axis=-1).clip(0, 90),
        np.concatenate([null, np.rad2deg(matched.noisy)]),
        held,
    )


def _degrees(grams: Grams) -> NDArray[np.float64]:
    """Return the mean angles between the first level and each other one: (level, dimension)."""
    found = angles_by_dimension(grams.within[0], grams.cross, grams.within[1:])
    return np.asarray(np.rad2deg(found))


def _measured(models: Sequence[ModelResult]) -> list[ModelResult]:
    return [view for model in models if SAME.value in model.data for view in model.views]


def _dimensions(view: ModelResult) -> list[int]:
    return [int(d) for d in view.data["subspace_dimension"].values]


def _apart(view: ModelResult, level: float, dimension: int) -> NDArray[np.float64]:
    """Return the angles of one half at a level to the other half clean, per split, in degrees."""
    found: NDArray[np.float64] = (
        view.at(level)["fixed_angle_apart"].sel(subspace_dimension=dimension).values
    )
    return found


def _held(view: ModelResult, subspace: str) -> NDArray[np.float64]:
    """Return the share of held-out variance, per split, in percent."""
    held: NDArray[np.float64] = view.data["held_out_variance"].sel(subspace=subspace).values
    return 100 * held


def _redrawn(view: ModelResult, level: float, dimension: int) -> float:
    """Return the angle between two draws of the posterior; NaN where there is none."""
    if view.view != "sample" or REDRAWN.value not in view.data:
        return np.nan
    return view.estimate(REDRAWN, level, subspace_dimension=dimension).value


def _view_entry(view: ModelResult) -> dict[str, Any]:
    if SAME.value not in view.data:
        return {}

    def at(level: float) -> dict[str, Any]:
        return {
            str(d): {
                **view.estimate(SAME, level, subspace_dimension=d).to_json(),
                "to_other_clean_images": _mean(_apart(view, level, d)),
            }
            for d in _dimensions(view)
        }

    entry: dict[str, Any] = {
        "principal_angles_of_dimension_deg": by_level(view, at),
        "held_out_variance": {
            str(name): _mean(_held(view, str(name)) / 100) for name in view.data["subspace"].values
        },
    }
    if view.view == "sample" and REDRAWN.value in view.data:
        entry["principal_angles_of_another_draw_deg"] = {
            f"{level:g}": {str(d): plain(_redrawn(view, level, d)) for d in _dimensions(view)}
            for level in map(float, view.data["second_draw_noise"].values)
        }
    return entry


def _mean(values: NDArray[np.float64]) -> float | None:
    mean: float | None = plain(float(values.mean()))
    return mean


def _shown(view: ModelResult) -> int | None:
    """Return the dimension that words are about: 5, or the largest below that there is."""
    there = [d for d in _dimensions(view) if d <= 5 and np.isfinite(_apart(view, 0.0, d)).all()]
    return max(there, default=None)


def _sentences(model: ModelResult) -> list[str]:
    views = _measured([model])
    if not views or _shown(views[0]) is None:
        return []
    view = views[0]
    share = 100 * _angle_share(view)
    held = (
        f"The subspace that holds {share:.0f} % of the variance of half of the images captures "
        f"{_held(view, _SHARE).mean():.0f} % of that of the other half."
    )
    level = nearest_level(model.data["noise"].values)
    return [held] if level is None else [held, _matched(view, level, f"noise {level:g}")]


def _angle_share(view: ModelResult) -> float:
    return AnalysisSettings.model_validate_json(view.attrs["settings"]).angle_share


def _matched(view: ModelResult, level: float, at: str) -> str:
    d = _shown(view)
    if d is None or not np.isfinite(_apart(view, level, d)).all():
        return f"At {at} no angle between subspaces is defined: that of noisy images is a point."
    dimensions = f"{d} dimension{'s' * (d > 1)}"
    text = (
        f"Subspaces of {dimensions} of noisy images ({at}) and of other clean "
        f"images differ by {number(_apart(view, level, d).mean())}°, those of clean images and of "
        f"other clean images by {number(_apart(view, 0.0, d).mean())}°"
    )
    again = [_redrawn(view, one, d) for one in (0.0, level)]
    if np.isfinite(again).all():
        text += (
            f"; those of two draws of the same clean images by {number(again[0])}°, and by "
            f"{number(again[1])}° where the second draw is of the noisy ones"
        )
    return f"{text}."


def _points(model: ModelResult, noisy: str) -> list[str]:
    return [
        f"{view.what.capitalize()}: {_lowered(_matched(view, view.noisy, noisy))}"
        for view in _measured([model])
        if view.noisy is not None and _shown(view) is not None
    ]


def _lowered(text: str) -> str:
    return text[0].lower() + text[1:]


def _angled(view: ModelResult) -> list[int]:
    """Return the dimensions in which the clean and the noisy set have subspaces."""
    if view.noisy is None:
        return []
    found = {d: view.estimate(SAME, view.noisy, subspace_dimension=d) for d in _dimensions(view)}
    return [d for d, angle in found.items() if np.isfinite(angle.value)]


def _tables(models: Sequence[ModelResult], noisy: str) -> list[Table]:
    views = [view for view in _measured(models) if _angled(view)]
    if not views:
        return []

    def apart(at_noise: bool) -> Any:
        return lambda view, d: mean_and_range(_apart(view, view.noisy if at_noise else 0.0, d))

    def redrawn(at_noise: bool) -> Any:
        return lambda view, d: number(_redrawn(view, view.noisy if at_noise else 0.0, d))

    columns = (
        Column("Model", lambda view, d: view.label),
        Column("Dimensions", lambda view, d: str(d)),
        Column(
            f"All images, clean against {noisy}",
            lambda view, d: view.estimate(SAME, view.noisy, subspace_dimension=d).text(),
        ),
        Column(f"One half at {noisy} against the other clean", apart(True)),
        Column("Both halves clean", apart(False)),
        Column("Two draws of the same clean images", redrawn(False)),
        Column(f"Two draws, the second at {noisy}", redrawn(True)),
        Column(
            "Variance of the other half captured (%)",
            lambda view, d: mean_and_range(_held(view, str(d))),
        ),
    )
    return [
        table_of(
            "Principal angles of subspaces of fixed dimension",
            columns,
            [(view, d) for view in views for d in _angled(view)],
            _note(views),
            section="measured",
        )
    ]


def _note(views: Sequence[ModelResult]) -> str:
    held = "; ".join(f"{view.label} {mean_and_range(_held(view, _SHARE))}" for view in views)
    return (
        "Mean principal angle in degrees. Square brackets: 95 % interval; parentheses: range over "
        "random halves, which is not a confidence interval. The effect of the noise is the "
        "difference between the two columns of halves, whose images are disjoint in both. Two "
        "draws of a posterior have independent noise; the other columns of a sample share theirs. "
        f"The subspace of {100 * _angle_share(views[0]):.0f} % of the variance of one half holds "
        f"of the other half (%): {held}."
    )


MEASURE = Measure(
    "fixed_angles",
    compute,
    Statement(
        "neither",
        "delete-half jackknife over images, about the angle at this number of images; ranges over "
        "halves beside the matched pairs",
        "one eigendecomposition on half of the compared images per level and split",
        ("reflection",),
    ),
    heading="Subspaces of fixed dimension",
    units={"fixed_angle": "degree"},
    readouts=(SAME, APART, REDRAWN, HELD),
    view_entry=_view_entry,
    sentences=_sentences,
    points=_points,
    tables=_tables,
    figures=(
        FigureRow(
            "fixed_angles",
            "latentgeo.figures.fixed_angles:FixedAnglesDisplay",
            "Principal angles at fixed dimension, and captured variance",
            "Mean principal angle between leading subspaces of 1 to 20 dimensions, at {noisy}: "
            "clean images against the same images with noise (solid), and one half with noise "
            "against the other half without (dashed); grey: both halves clean, mean and "
            "range over random halves. Last panel: share of the variance of one half that the "
            "subspace of the other half captures.",
            "The effect of the noise is how far the dashed line lies above the grey one. Where a "
            "subspace captures little of the other half's variance, its angles describe these "
            "images, not the latent space.",
        ),
    ),
    meanings={
        "Angles at fixed dimension": "Subspaces that hold a fixed share of the variance gain "
        "dimensions as the number of images grows, and most of these belong to single images. "
        "Subspaces of 1 to 20 dimensions are comparable across sample sizes and with published "
        "results. The held-out variance says how much of a subspace generalises to other images."
    },
)
