"""The tables of the report, as plain text ready to be set."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from latentgeo.figures import reading
from latentgeo.geometry import product_stratum_dimension
from latentgeo.report._words import EN_DASH, NONE, estimate, number, span
from latentgeo.report.facts import MODES, Model, Triple, View

_MOST_STRATA = 8
_MOST_UNITS = 32
_MOST_NAMED = 10


@dataclass(frozen=True)
class Table:
    """A table of text.

    Parameters
    ----------
    caption : str
        What it shows.
    columns : tuple of str
        Heads of the columns.
    rows : tuple of tuple of str
        Cells; the first of a row is its head.
    note : str, default=""
        What a reader must know beside it.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    @property
    def anchor(self) -> str:
        """Its name inside the page: without spaces, and another one for every other caption."""
        return "table-" + quote(self.caption, safe="")

    def without_empty(self) -> "Table":
        """Drop the columns that hold a dash in every row, as the noisy ones of a clean analysis."""
        kept = [
            at
            for at in range(len(self.columns))
            if not self.rows or any(row[at] != NONE for row in self.rows)
        ]
        return Table(
            self.caption,
            tuple(self.columns[at] for at in kept),
            tuple(tuple(row[at] for at in kept) for row in self.rows),
            self.note,
        )


def at_a_glance(models: Sequence[Model], noisy_name: str) -> Table:
    """Set ranks, dimension, angles and PSNR of every model in one row per view.

    Parameters
    ----------
    models : sequence of Model
        The models of an analysis.
    noisy_name : str
        What the noisy level is called.

    Returns
    -------
    Table
    """
    return Table(
        "Ranks, Hilbert dimension, principal angle and PSNR",
        (
            "Model",
            "Latent",
            "Learned",
            "Ranks, clean",
            f"Ranks, {noisy_name}",
            "Dimension, clean",
            f"Dimension, {noisy_name}",
            f"Mean angle, {noisy_name}",
            "Its null",
            "PSNR, clean",
            f"PSNR, {noisy_name}",
            "PSNR, mean image",
        ),
        tuple(_glance(model, view) for model in models for view in model.views),
        "Square brackets: 95 % intervals over images. Ranks S1, S2, S3: ranges over images, under "
        "the spectrum rule; a vector has none. Dimension: 95 % of the variance, in the pseudo-log "
        "kernel for tensors and of the vectors themselves (a linear kernel) for vectors. Angle in "
        "degrees: a clean half of the images against itself made noisy, mean and range over "
        "random halves; its null: two disjoint clean halves. PSNR in dB; learned is unknown where "
        "a model has no decoder.",
    )


def strata_at_a_glance(models: Sequence[Model], noisy_name: str) -> Table:
    """Set the number of strata of every model in one row per view.

    Parameters
    ----------
    models : sequence of Model
        The models of an analysis; those with vector latents are passed over.
    noisy_name : str
        What the noisy level is called.

    Returns
    -------
    Table
    """
    return Table(
        "Strata",
        (
            "Model",
            "Strata, clean",
            f"Strata, {noisy_name}",
            "Images that keep their stratum",
        ),
        tuple(
            _glance_at_strata(view) for model in models if model.has_ranks for view in model.views
        ),
        "Number of different rank triples, under the spectrum rule.",
    )


def opened(models: Sequence[Model]) -> Table:
    """Say how the models that others trained see images, and whether these come back.

    Parameters
    ----------
    models : sequence of Model
        The models of an analysis; our own are passed over.

    Returns
    -------
    Table
    """
    return Table(
        "How models that others trained were opened",
        (
            "Model",
            "From",
            "What it makes of images in [0, 1]",
            "Where the latent is",
            "Round trip, as opened (dB)",
            "Under other codings (dB)",
            "Images' own mean (dB)",
        ),
        tuple(_opened(model) for model in models if "kind" in model.opened),
        "Round trip: PSNR of decode(encode(x)) on the first images. Noise is added before all of "
        "this, to the images of the data.",
    )


def intrinsic(models: Sequence[Model], noisy_name: str) -> Table:
    """Set the intrinsic dimensions of every model in one row per view.

    Parameters
    ----------
    models : sequence of Model
        The models of an analysis; those without an estimate are passed over.
    noisy_name : str
        What the noisy level is called.

    Returns
    -------
    Table
    """
    return Table(
        "Intrinsic dimension of the set of latents",
        (
            "Model",
            "TwoNN, clean",
            f"TwoNN, {noisy_name}",
            "TwoNN at half the images, clean",
            "Local PCA, clean",
            f"Local PCA, {noisy_name}",
            "Latents unlike all others, clean",
        ),
        tuple(
            _intrinsic(view)
            for model in models
            if "intrinsic_dimension" in model.data
            for view in model.views
        ),
        "Square brackets: 95 % intervals. Neither high nor low is better. TwoNN reads the "
        "dimension from the two nearest neighbours; a value that changes at half the images is "
        "not settled, and with few images it is too low where the dimension is high. Local PCA "
        "cannot exceed its 20 neighbours.",
    )


def decoder_metric(models: Sequence[Model]) -> Table:
    """Set the smoothness that was measured beside the one that the ranks let expect.

    Parameters
    ----------
    models : sequence of Model
        The models of an analysis; those whose decoder was not measured are passed over.

    Returns
    -------
    Table
    """
    measured = [model for model in models if "pullback_condition" in model.data]
    levels = measured[0].data["pullback_noise"].values if measured else np.zeros(1)
    names = ["clean", *(f"noise {float(level):g}" for level in levels[1:])]
    return Table(
        "The decoder's metric beside the strata",
        (
            "Model",
            *(f"Condition number, {name}" for name in names),
            *(f"Log-volume, {name}" for name in names),
            "Strata, clean",
            "Measured along",
        ),
        tuple(_metric(model) for model in measured),
        "Medians over images with exact 95 % intervals. Condition number: lower is more even, 1 is "
        "an isometry up to scale. Log-volume: of the volume element along these directions, in "
        "nats; it depends on the latent's unit, so compare levels and not models. Strata are "
        "inferred from the spectra of the latents, the metric is measured on the decoder: both "
        "can disagree.",
    )


def units(models: Sequence[Model], noisy_name: str) -> Table:
    """Count active and collapsed units of every model that has units.

    Parameters
    ----------
    models : sequence of Model
        The models of an analysis; deterministic tensors are passed over.
    noisy_name : str
        What the noisy level is called.

    Returns
    -------
    Table
    """
    return Table(
        "Active units and collapse",
        (
            "Model",
            "Units",
            "Active, clean",
            f"Active, {noisy_name}",
            "Collapsed or dead, clean",
            "Total divergence, clean (nats)",
            f"Total divergence, {noisy_name} (nats)",
        ),
        tuple(_units(model) for model in models if model.has_units),
        "Square brackets: 95 % intervals over images. A unit is a number of a vector or a channel "
        "of a tensor. With a stochastic posterior it is active if its mean varies over images "
        "with a variance above 0.01, and collapsed if the posterior is the prior: a divergence "
        "below 0.01 nats per position on 99 % of the images. A deterministic unit is active "
        "unless it is dead, with one value on all images.",
    )


def active_by_level(models: Sequence[Model]) -> Table:
    """Follow the number of active units and the divergence over the noise levels.

    Parameters
    ----------
    models : sequence of Model
        The models of an analysis; deterministic tensors are passed over.

    Returns
    -------
    Table
    """
    return Table(
        "Units at every noise level",
        ("Model", "Noise", "Active units", "Collapsed or dead", "Total divergence (nats)"),
        tuple(
            (model.label, f"{level:g}", *_units_at(model, level))
            for model in models
            if model.has_units
            for level in model.levels
        ),
        "Square brackets: 95 % intervals over images.",
    )


def each_unit(model: Model) -> Table:
    """List the units of one model on clean images, those that carry most first.

    Parameters
    ----------
    model : Model
        A model that has units.

    Returns
    -------
    Table
        At most 32 units.
    """
    clean = reading.at_noise(model.data, 0.0)
    carried = clean["unit_kl"] if "unit_kl" in clean else clean["unit_variance"]
    order = np.argsort(-carried.values, kind="stable")[:_MOST_UNITS]
    rest = carried.size - len(order)
    return Table(
        f"Units of {model.label}, clean images",
        ("Unit", "Divergence (nats)", "Variance of the mean", "Posterior variance", "It is"),
        tuple(_unit(clean.isel(unit=place)) for place in order),
        f"The {rest} units that carry less are in analysis.zarr." if rest else "",
    )


def by_level(models: Sequence[Model]) -> Table:
    """Give dimension, angles and PSNR at every noise level.

    Parameters
    ----------
    models : sequence of Model
        The models of an analysis.

    Returns
    -------
    Table
    """
    rows = tuple(
        (
            view.label,
            f"{level:g}",
            *(estimate(*view.dimension(level, share), 0) for share in (0.90, 0.95, 0.99)),
            estimate(*view.angle(level, "smallest")),
            estimate(*view.angle(level, "mean")),
            estimate(*view.angle(level, "largest")),
            _psnr(view, level),
        )
        for model in models
        for view in model.views
        for level in model.levels
    )
    return Table(
        "Every noise level",
        (
            "Model",
            "Noise",
            *(f"Dimension, {share} %" for share in (90, 95, 99)),
            *(f"{name} angle (°)" for name in ("Smallest", "Mean", "Largest")),
            "PSNR (dB)",
        ),
        rows,
        "Square brackets: 95 % intervals over images.",
    )


def strata(view: View, noisy_name: str) -> Table:
    """List the strata of one model, clean and noisy, with the dimension of each.

    Parameters
    ----------
    view : View
        One model in one view.
    noisy_name : str
        What the noisy level is called.

    Returns
    -------
    Table
        The most frequent strata; the others are pooled in a last row.
    """
    clean = view.strata(0.0)
    noisy = view.strata(view.noisy) if view.noisy is not None else Counter()
    ordered = [one for one, _ in Counter(sorted((clean + noisy).elements())).most_common()]
    shown = ordered if len(ordered) <= _MOST_STRATA + 1 else ordered[:_MOST_STRATA]
    rows = [
        (",".join(map(str, one)), str(_dimension(view, one)), str(clean[one]), str(noisy[one]))
        for one in shown
    ]
    if rest := ordered[len(shown) :]:
        name = f"other ({len(rest)} strata)"
        rows.append((name, NONE, str(_sum(clean, rest)), str(_sum(noisy, rest))))
    columns = ("Stratum", "Its dimension", "Images, clean", f"Images, {noisy_name}")
    width = 3 if view.noisy is None else 4
    return Table(view.label, columns[:width], tuple(row[:width] for row in rows))


def two_rules(models: Sequence[Model], noisy_name: str) -> Table:
    """Set the ranks under both rules beside each other.

    Parameters
    ----------
    models : sequence of Model
        The models of an analysis; those with vector latents are passed over.
    noisy_name : str
        What the noisy level is called.

    Returns
    -------
    Table
    """
    rows = tuple(
        (
            view.label,
            "clean" if level == 0 else noisy_name,
            _ranks(view.triples(level)),
            str(len(view.strata(level))),
            _ranks(view.triples(level, "float32-covariance")),
            str(len(view.strata(level, "float32-covariance"))),
        )
        for view in _ranked(models)
        for level in _two_levels(view)
    )
    return Table(
        "Ranks under two rules",
        (
            "Model",
            "Images",
            "S1, S2, S3: spectrum rule",
            "Strata",
            "S1, S2, S3: float32-covariance rule",
            "Strata",
        ),
        rows,
        "Spectrum: singular values of the centred unfolding in float64, cut at max(rows, "
        "columns) times the epsilon of the dtype that the latents were computed in. "
        "float32-covariance: the default of matrix_rank on the float32 covariance, which cuts "
        "the squares of the singular values and so much earlier.",
    )


def sample_or_mean(models: Sequence[Model]) -> Table:
    """Set the clean ranks of mean, sample and jittered latent beside each other.

    Parameters
    ----------
    models : sequence of Model
        The models of an analysis; those with vector latents are passed over.

    Returns
    -------
    Table
    """
    rows = tuple(
        (
            model.label,
            _ranks(model.views[0].triples(0.0)),
            _ranks(model.views[1].triples(0.0)) if len(model.views) > 1 else "deterministic",
            _ranks(_jittered(model)) if "rank_with_jitter" in model.data else NONE,
        )
        for model in models
        if model.has_ranks
    )
    return Table(
        "Mean, sample and jitter: ranks on clean images",
        ("Model", "Mean or latent", "Sample of the posterior", "Latent with jitter"),
        rows,
        "A sample has a density and so has full rank almost surely, whatever was learned; a "
        "little Gaussian jitter on any latent does the same. Only the first column is a "
        "statement about the model.",
    )


def dead_channels(models: Sequence[Model], noisy_name: str) -> Table:
    """Count the channels that never vary.

    Parameters
    ----------
    models : sequence of Model
        The models of an analysis; those with vector latents are passed over.
    noisy_name : str
        What the noisy level is called.

    Returns
    -------
    Table
    """
    return Table(
        "Dead channels",
        ("Model", "Channels", "Dead, clean", f"Dead, {noisy_name}"),
        tuple(_dead(model) for model in models if model.has_ranks),
        "A dead channel has one value on all images and at all positions; each lowers the rank "
        "that S3 can have where there are fewer channels than positions.",
    )


def nulls(models: Sequence[Model], noisy_name: str) -> Table:
    """Set the mean angle under noise beside what chance alone gives.

    Parameters
    ----------
    models : sequence of Model
        The models of an analysis.
    noisy_name : str
        What the noisy level is called.

    Returns
    -------
    Table
    """
    rows = tuple(
        (
            view.label,
            _mean_and_range(view.half_angles(view.noisy)),
            *(_mean_and_range(view.nulls().get(name)) for name in _NULLS),
            against_null(view),
        )
        for model in models
        for view in model.views
        if view.noisy is not None
    )
    return Table(
        "Principal angles against their null",
        (
            "Model",
            f"Clean half against itself at {noisy_name}",
            "Two disjoint clean halves",
            "Two posterior draws of one clean half",
            "In words",
        ),
        rows,
        "Mean principal angle in degrees, mean over random halves of the images with the range "
        "over halves in brackets.",
    )


def saturation(models: Sequence[Model]) -> Table:
    """Say whether the Hilbert dimension still grows with the number of images.

    Parameters
    ----------
    models : sequence of Model
        The models of an analysis.

    Returns
    -------
    Table
    """
    rows = tuple(_growth(view) for model in models for view in model.views)
    return Table(
        "Does the dimension depend on the number of images?",
        ("Model", "Dimension at fewer images", "At all images", "Highest possible", "Uncentred"),
        rows,
        "95 % of the variance, clean images. A dimension that still climbs measures the sample "
        "as much as the model.",
    )


def against_null(view: View) -> str:
    """Say in words how the angle under noise compares with what chance gives.

    Parameters
    ----------
    view : View
        One model in one view, with a noisy level.

    Returns
    -------
    str
        A clause without a full stop.
    """
    found = view.nulls()
    if view.noisy is None or not found:
        return "no null to compare with"
    angle = float(np.nanmean(view.half_angles(view.noisy)))
    clauses = [
        f"{_beside(angle, found[name])} {deed} does"
        for name, deed in _NULLS.items()
        if name in found
    ]
    return "noise turns the subspace " + ", and ".join(clauses)


_NULLS = {
    "disjoint clean sets": "exchanging the images",
    "two draws": "drawing again from the posterior",
}


def _beside(angle: float, null: NDArray[np.float64]) -> str:
    """Place an angle below, within or above the range of a null."""
    if angle < np.nanmin(null):
        return "less than"
    return "more than" if angle > np.nanmax(null) else "as much as"


def _glance(model: Model, view: View) -> tuple[str, ...]:
    """Fill one row of the first table."""
    noisy = view.noisy
    return (
        view.label,
        model.latent,
        {True: "yes", False: "NO", None: "unknown"}[model.learned],
        *(
            _both(view, lambda level: _ranks(view.triples(level)))
            if view.has_ranks
            else (NONE, NONE)
        ),
        *_both(view, lambda level: estimate(*view.dimension(level), 0)),
        _mean_and_range(view.half_angles(noisy)) if noisy is not None else NONE,
        _mean_and_range(view.nulls().get("disjoint clean sets")),
        *_both(view, lambda level: _psnr(view, level)),
        number(float(view.data["psnr_baseline_mean"])) if model.decodes else NONE,
    )


def _intrinsic(view: View) -> tuple[str, ...]:
    """Fill one row of the table of intrinsic dimensions."""
    compared = view.data.attrs.get("compared_images", view.data.sizes["sample"])
    clean = reading.at_noise(view.data, 0.0)
    return (
        view.label,
        *_both(view, lambda level: estimate(*view.intrinsic(level, "two-nn"))),
        number(float(clean["intrinsic_dimension_half"])),
        *_both(view, lambda level: estimate(*view.intrinsic(level, "local-pca"))),
        f"{int(clean['intrinsic_points'])} of {compared}",
    )


def _metric(model: Model) -> tuple[str, ...]:
    """Fill one row of the table of the decoder's metric."""
    data = model.data
    medians = [
        estimate(data[f"{name}_median"][level], data[f"{name}_ci"].isel(pullback_noise=level))
        for name in ("pullback_condition", "pullback_log_volume")
        for level in range(data.sizes["pullback_noise"])
    ]
    along = str(data["pullback_condition"].attrs["directions"])
    at = f"{along}, at {data.sizes['pullback_sample']} images"
    return (model.label, *medians, model.stratification or NONE, at)


def _units(model: Model) -> tuple[str, ...]:
    """Fill one row of the table of units."""
    view = model.views[0]
    collapsed = np.flatnonzero(reading.at_noise(model.data, 0.0)["unit_collapsed"].values)
    return (
        model.label,
        str(model.data.sizes["unit"]),
        *_both(view, lambda level: _units_at(model, level)[0]),
        _numbers(collapsed),
        *_both(view, lambda level: _units_at(model, level)[2]),
    )


def _units_at(model: Model, level: float) -> tuple[str, str, str]:
    """Say how many units are active and collapsed at a level, and the total divergence."""
    data = reading.at_noise(model.data, level)
    total = estimate(data["kl_total"], data["kl_total_ci"]) if "kl_total" in data else NONE
    active = estimate(data["active_units"], data["active_units_ci"], 0)
    return active, str(int(data["unit_collapsed"].sum())), total


def _unit(one: xr.Dataset) -> tuple[str, ...]:
    """Fill one row of the table of a model's units."""
    stochastic = "unit_kl" in one
    state = "active" if bool(one["unit_active"]) else "inactive"
    if bool(one["unit_collapsed"]):
        state = "collapsed" if stochastic else "dead"
    return (
        str(int(one["unit"])),
        estimate(one["unit_kl"], one["unit_kl_ci"], 3) if stochastic else NONE,
        f"{float(one['unit_variance']):.3g}",
        f"{float(one['unit_posterior_variance']):.3g}" if stochastic else NONE,
        state,
    )


def _numbers(units: NDArray[np.int64]) -> str:
    """Name units by their numbers while they are few."""
    if not len(units):
        return "none"
    named = ", ".join(str(unit) for unit in units[:_MOST_NAMED])
    return f"{len(units)}: {named}{', …' if len(units) > _MOST_NAMED else ''}"


def _opened(model: Model) -> tuple[str, ...]:
    """Fill one row of the table of foreign models."""
    card = model.opened.get("card", {})
    trip = model.opened.get("round_trip")
    layers = card.get("layers") or [card.get("encode") or "its encoder"]
    return (
        model.label,
        str(model.opened["kind"]),
        _settings(card.get("preprocessing", {})) or "nothing",
        ", ".join([*layers, _settings(card.get("posterior", {}))]).removesuffix(", "),
        number(trip["psnr_db"]) if trip else NONE,
        ", ".join(f"{name} {number(db)}" for name, db in trip["alternatives_db"].items())
        if trip
        else NONE,
        number(trip["baseline_db"]) if trip else NONE,
    )


def _settings(values: Mapping[str, Any]) -> str:
    """Say settings in a line, such as "size 32, range -1 to 1"."""
    return ", ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in values.items())


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(f"{part:g}" for part in value)
    return str(value)


def _glance_at_strata(view: View) -> tuple[str, ...]:
    """Fill one row of the table of strata."""
    return (
        view.label,
        *_both(view, lambda level: str(len(view.strata(level)))),
        NONE if view.noisy is None else f"{view.kept()} of {view.data.sizes['sample']}",
    )


def _growth(view: View) -> tuple[str, ...]:
    """Compare the dimension at the largest subset with that at all images."""
    clean = reading.at_noise(view.data, 0.0).sel(share=0.95, method="nearest")
    sizes = [int(size) for size in clean["size"].values]
    before = max((at for at, size in enumerate(sizes) if size <= sizes[-1] / 2), default=0)
    values = clean["hilbert_dimension_by_size"]
    uncentred = clean["hilbert_dimension"].sel(part="product", centring="uncentred")
    return (
        view.label,
        f"{float(values[before]):.0f} (at {sizes[before]} images)",
        f"{float(values[-1]):.0f} (at {sizes[-1]} images)",
        str(sizes[-1] - 1),
        f"{float(uncentred):.0f}",
    )


def _ranked(models: Sequence[Model]) -> list[View]:
    return [view for model in models if model.has_ranks for view in model.views]


def _both(view: View, say: Callable[[float], str]) -> tuple[str, str]:
    """Say something of the clean level and of the noisy one; a dash where there is none."""
    return say(0.0), NONE if view.noisy is None else say(view.noisy)


def _two_levels(view: View) -> list[float]:
    return [0.0] if view.noisy is None else [0.0, view.noisy]


def _ranks(triples: Sequence[Triple]) -> str:
    """Write the ranges of the three ranks."""
    return ", ".join(span(one[index] for one in triples) for index in range(len(MODES)))


def _jittered(model: Model) -> list[Triple]:
    """Give the rank triples of the clean latents with jitter."""
    ranks = reading.at_noise(model.data["rank_with_jitter"], 0.0).transpose("sample", "mode")
    return [tuple(row) for row in ranks.values.tolist()]


def _dead(model: Model) -> tuple[str, ...]:
    """Fill one row of the table of dead channels."""
    counts = model.data["dead_channels"].isel(view=0)
    channels = str(model.data.attrs["latent_shape"][0])
    said = _both(model.views[0], lambda level: str(int(reading.at_noise(counts, level))))
    return (model.label, channels, *said)


def _psnr(view: View, level: float) -> str:
    if "psnr_mean" not in view.data:
        return NONE
    data = reading.at_noise(view.data, level)
    return estimate(data["psnr_mean"], data["psnr_ci"])


def _mean_and_range(angles: NDArray[np.float64] | None) -> str:
    """Write the mean over the splits with their range."""
    if angles is None:
        return NONE
    low, high = number(float(np.nanmin(angles))), number(float(np.nanmax(angles)))
    return f"{number(float(np.nanmean(angles)))} ({low}{EN_DASH}{high})"


def _dimension(view: View, one: Triple) -> int:
    """Give the dimension of a stratum: rows, columns and channels are the sizes."""
    channels, rows, columns = (int(size) for size in view.data.attrs["latent_shape"])
    return int(product_stratum_dimension((rows, columns, channels), one))


def _sum(counts: Counter[Triple], some: Sequence[Triple]) -> int:
    return sum(counts[one] for one in some)
