"""The tables of the report, as plain text ready to be set."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentgeo.figures import reading
from latentgeo.geometry import product_stratum_dimension
from latentgeo.report._words import EN_DASH, NONE, estimate, number, span
from latentgeo.report.facts import MODES, Model, Triple, View

_MOST_STRATA = 8


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
    """Set dimension, angles and PSNR of every model in one row per view.

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
        "Hilbert dimension, principal angle and PSNR",
        (
            "Model",
            "Learned",
            "Dimension, clean",
            f"Dimension, {noisy_name}",
            f"Mean angle, {noisy_name}",
            "Its null",
            "PSNR, clean",
            f"PSNR, {noisy_name}",
            "PSNR, mean image",
        ),
        tuple(_glance(model, view) for model in models for view in model.views),
        "Square brackets: 95 % intervals over images. Dimension: 95 % of the variance. Angle in "
        "degrees: a clean half of the images against itself made noisy, mean and range over "
        "random halves; its null: two disjoint clean halves. PSNR in dB.",
    )


def ranks_at_a_glance(models: Sequence[Model], noisy_name: str) -> Table:
    """Set ranks and number of strata of every model in one row per view.

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
        "Ranks S1, S2, S3 and strata",
        (
            "Model",
            "Latent",
            "Ranks, clean",
            f"Ranks, {noisy_name}",
            "Strata, clean",
            f"Strata, {noisy_name}",
            "Images that keep their stratum",
        ),
        tuple(
            _glance_at_ranks(model, view)
            for model in models
            if model.has_ranks
            for view in model.views
        ),
        "Ranges over images, under the spectrum rule.",
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
    rows = tuple(
        (
            model.label,
            str(model.data.attrs["latent_shape"][0]),
            *(str(_dead(model, level)) for level in _two_levels(model.views[0])),
        )
        for model in models
        if model.has_ranks
    )
    columns = ("Model", "Channels", "Dead, clean", f"Dead, {noisy_name}")
    width = max((len(row) for row in rows), default=len(columns))
    return Table(
        "Dead channels",
        columns[:width],
        rows,
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
        "yes" if model.learned else "NO",
        estimate(*view.dimension(0.0), 0),
        estimate(*view.dimension(noisy), 0) if noisy is not None else NONE,
        _mean_and_range(view.half_angles(noisy)) if noisy is not None else NONE,
        _mean_and_range(view.nulls().get("disjoint clean sets")),
        _psnr(view, 0.0),
        _psnr(view, noisy) if noisy is not None else NONE,
        number(float(view.data["psnr_baseline_mean"])),
    )


def _glance_at_ranks(model: Model, view: View) -> tuple[str, ...]:
    """Fill one row of the table of ranks."""
    if view.noisy is None:
        noisy = (NONE, NONE, NONE)
    else:
        total = view.data.sizes["sample"]
        kept = f"{view.kept()} of {total}"
        noisy = (_ranks(view.triples(view.noisy)), str(len(view.strata(view.noisy))), kept)
    clean = (_ranks(view.triples(0.0)), str(len(view.strata(0.0))))
    return (view.label, model.latent, clean[0], noisy[0], clean[1], noisy[1], noisy[2])


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


def _two_levels(view: View) -> list[float]:
    return [0.0] if view.noisy is None else [0.0, view.noisy]


def _ranks(triples: Sequence[Triple]) -> str:
    """Write the ranges of the three ranks."""
    return ", ".join(span(one[index] for one in triples) for index in range(len(MODES)))


def _jittered(model: Model) -> list[Triple]:
    """Give the rank triples of the clean latents with jitter."""
    ranks = reading.at_noise(model.data["rank_with_jitter"], 0.0).transpose("sample", "mode")
    return [tuple(row) for row in ranks.values.tolist()]


def _dead(model: Model, level: float) -> int:
    return int(reading.at_noise(model.data["dead_channels"].isel(view=0), level))


def _psnr(view: View, level: float) -> str:
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
