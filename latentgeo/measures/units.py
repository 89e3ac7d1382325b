"""Which units of a latent carry something: variance, divergence from the prior, collapse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.lazy import xr
from latentgeo.measures.embedding import draw_halves
from latentgeo.measures.encoding import Encoding
from latentgeo.measures.latents import LatentReader, is_vector, reader_of
from latentgeo.measures.measure import FigureRow, Measure, Metric, Statement, both, by_level
from latentgeo.metrics import bootstrap_mean, jackknife_interval
from latentgeo.results import Column, ModelResult, Readout, Table, plain, table_of
from latentgeo.results.words import NONE
from latentgeo.settings import AnalysisSettings

ACTIVE_VARIANCE = 0.01
COLLAPSED_NATS = 0.01
_COLLAPSED_SHARE = 0.99
ACTIVE = Readout("active_units", "active_units", "active_units_ci")
DIVERGENCE = Readout("kl_total", "kl_total", "kl_total_ci", unit="nat")
_MOST_UNITS = 32
_MOST_NAMED = 10
_STILL = 1e-6  # of the largest value: the last bits of float32 are no variation


class _Level(NamedTuple):
    """Unit by unit, at one noise level."""

    variance: Tensor  # (units,)
    halves: Tensor  # (halves, units), the variance on random halves
    still: Tensor  # (units,) bool, never varies
    divergence: Tensor  # (units, images), nats; no images where there is no posterior
    posterior_variance: Tensor  # (units,)


def compute(encoding: Encoding) -> xr.Dataset:
    """Compute what each unit carries."""
    halves = draw_halves(encoding.samples, encoding.settings)
    return unit_variables(encoding.held, halves, encoding.settings)


def unit_variables(latents: xr.Dataset, halves: Tensor, settings: AnalysisSettings) -> xr.Dataset:
    r"""Measure each unit of a latent: a number of a vector, or a channel of a tensor.

    The divergence is that of the posterior from a standard normal prior,
    :math:`\frac{1}{2}\sum(\mu^2 + \sigma^2 - 1 - \log \sigma^2)`, in nats, summed over the
    positions of a channel and averaged over images. Variances are means over positions.

    Parameters
    ----------
    latents : xarray.Dataset
        From `latentgeo.encode`: `mean`, and `log_variance` where the posterior is stochastic.
    halves : torch.Tensor of shape (k, n // 2)
        Random halves of the images behind the interval of the number of active units.
    settings : AnalysisSettings
        Seed of the bootstrap.

    Returns
    -------
    xarray.Dataset
        Over (noise, unit): `unit_variance`, the variance of the mean over images; `unit_active`
        and `unit_collapsed`. Stochastic: a unit is active if that variance is above 0.01 [1]_,
        and collapsed if its divergence is below 0.01 nats (per position) on 99 % of the images
        [2]_; with `unit_kl`, `unit_kl_ci` and `unit_posterior_variance`, and over noise `kl_total`
        and `kl_total_ci`. Deterministic: a unit is active unless it has one value on all images,
        and dead, which stands as collapsed, if it has. Over noise `active_units` with
        `active_units_ci`, a delete-half jackknife. Empty for a deterministic tensor, whose dead
        channels are counted with the ranks.

    References
    ----------
    .. [1] Y. Burda, R. Grosse and R. Salakhutdinov, "Importance Weighted Autoencoders",
       ICLR 2016, section 5.2.
    .. [2] J. Lucas, G. Tucker, R. Grosse and M. Norouzi, "Don't Blame the ELBO! A Linear VAE
       Perspective on Posterior Collapse", NeurIPS 2019, definition 1.
    """
    stochastic = "log_variance" in latents
    mean = reader_of(latents["mean"])
    if not stochastic and not is_vector(mean.shape):
        return xr.Dataset()
    log_variance = reader_of(latents["log_variance"]) if stochastic else None
    levels = [_measure(mean, log_variance, level, halves) for level in range(mean.levels)]
    variables = _variances(levels, stochastic)
    if stochastic:
        variables = variables.merge(_divergences(levels, int(np.prod(mean.shape[1:])), settings))
    return variables.assign_coords(unit=np.arange(mean.shape[0]))


def _measure(
    mean: LatentReader, log_variance: LatentReader | None, level: int, halves: Tensor
) -> _Level:
    """Reduce the latents of one level to numbers per unit, shard by shard."""
    share = torch.zeros(1 + len(halves), mean.samples, dtype=torch.float64)
    share[0] = 1 / mean.samples
    share[1:].scatter_(1, halves, 1 / halves.shape[1])
    centre, still = _centre_and_still(mean, level)
    first, second = (torch.zeros(len(share), centre.numel(), dtype=torch.float64) for _ in "12")
    divergence, posterior = [], torch.zeros(len(centre), dtype=torch.float64)
    for shard in mean.shards():
        values = _by_unit(mean, level, shard)
        flat = (values - centre).flatten(1)
        first += share[:, shard] @ flat
        second += share[:, shard] @ flat.square()
        if log_variance is not None:
            logarithm = _by_unit(log_variance, level, shard)
            variance = logarithm.exp()
            each = (values.square() + variance - 1 - logarithm) / 2
            divergence.append(each.sum(-1).mT)
            posterior += variance.mean(-1).sum(0) / mean.samples
    count = 1 / share.amax(-1, keepdim=True)
    unbiased = (second - first.square()).clamp_min(0) * count / (count - 1)
    by_unit = unbiased.reshape(len(share), *centre.shape).mean(-1)
    none = posterior.new_zeros(len(centre), 0)
    return _Level(
        by_unit[0],
        by_unit[1:],
        still,
        torch.cat(divergence, dim=1) if divergence else none,
        posterior,
    )


def _by_unit(reader: LatentReader, level: int, images: slice) -> Tensor:
    """Return latents (images, units, positions) in float64."""
    return reader.read(level, images).double().flatten(2)


def _centre_and_still(reader: LatentReader, level: int) -> tuple[Tensor, Tensor]:
    """Return the mean over images (units, positions), and which units never vary."""
    total, lowest, highest = [], [], []
    for shard in reader.shards():
        values = _by_unit(reader, level, shard)
        total.append(values.sum(0))
        lowest.append(values.amin(0))
        highest.append(values.amax(0))
    low, high = torch.stack(lowest).amin(0), torch.stack(highest).amax(0)
    largest = torch.maximum(low.abs(), high.abs()).amax()
    still = (high - low <= _STILL * largest).all(-1)
    return torch.stack(total).sum(0) / reader.samples, still


def _variances(levels: list[_Level], stochastic: bool) -> xr.Dataset:
    variance = torch.stack([level.variance for level in levels])
    still = torch.stack([level.still for level in levels])
    halves = torch.stack([level.halves for level in levels])  # noise, halves, units
    if stochastic:
        active, halved = variance > ACTIVE_VARIANCE, halves > ACTIVE_VARIANCE
        variables = {}
    else:
        active, halved = ~still, (halves > 0) & ~still[:, None]
        variables = {"unit_collapsed": (("noise", "unit"), still.numpy())}
    low, high = jackknife_interval(active.sum(-1).numpy(), halved.sum(-1).numpy())
    interval = np.stack([low, high], axis=-1).clip(0, active.shape[-1])
    return xr.Dataset(
        {
            "unit_variance": (("noise", "unit"), variance.numpy()),
            "unit_active": (("noise", "unit"), active.numpy()),
            "active_units": ("noise", active.sum(-1).numpy()),
            "active_units_ci": (("noise", "bound"), interval),
            **variables,
        },
        coords={"bound": ["low", "high"]},
    )


def _divergences(levels: list[_Level], positions: int, settings: AnalysisSettings) -> xr.Dataset:
    each = torch.stack([level.divergence for level in levels])  # noise, unit, image
    by_unit = bootstrap_mean(each.numpy(), seed=settings.seed)
    total = bootstrap_mean(each.sum(1).numpy(), seed=settings.seed)
    collapsed = (each < COLLAPSED_NATS * positions).double().mean(-1) >= _COLLAPSED_SHARE
    return xr.Dataset(
        {
            "unit_kl": (("noise", "unit"), by_unit.mean),
            "unit_kl_ci": (("noise", "unit", "bound"), _ends(by_unit.low, by_unit.high)),
            "unit_posterior_variance": (
                ("noise", "unit"),
                torch.stack([level.posterior_variance for level in levels]).numpy(),
            ),
            "unit_collapsed": (("noise", "unit"), collapsed.numpy()),
            "kl_total": ("noise", total.mean),
            "kl_total_ci": (("noise", "bound"), _ends(total.low, total.high)),
        },
        coords={"bound": ["low", "high"]},
    )


def _ends(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([low, high], axis=-1)


def _have_units(models: Sequence[ModelResult]) -> list[ModelResult]:
    """Return the models whose units were counted: vectors and stochastic tensors."""
    return [model for model in models if ACTIVE.value in model.data]


def _entry(model: ModelResult) -> dict[str, Any]:
    if not _have_units([model]):
        return {}
    by_noise = by_level(model, lambda level: _entry_at(model, level))
    return {"units": {"number": int(model.data.sizes["unit"]), "by_noise": by_noise}}


def _entry_at(model: ModelResult, level: float) -> dict[str, Any]:
    seen = model.at(level)
    found: dict[str, Any] = {
        "active": model.estimate(ACTIVE, level).to_json(),
        "collapsed": np.flatnonzero(seen["unit_collapsed"].values).tolist(),
        "variance": plain(seen["unit_variance"]),
    }
    if DIVERGENCE.value in seen:
        found["kl_nats"] = plain(seen["unit_kl"])
        found["posterior_variance"] = plain(seen["unit_posterior_variance"])
        found["kl_total_nats"] = model.estimate(DIVERGENCE, level).to_json()
    return found


def _sentences(model: ModelResult) -> list[str]:
    if not _have_units([model]):
        return []
    clean = model.data.isel(noise=0)
    what = "units" if model.is_vector else "channels"
    collapsed = int(clean["unit_collapsed"].sum())
    text = f"{int(clean['active_units'])} of {model.data.sizes['unit']} {what} are active on clean "
    if DIVERGENCE.value not in model.data:
        return [f"{text}images, {collapsed or 'none'} {'is' if collapsed < 2 else 'are'} dead."]
    total = model.estimate(DIVERGENCE)
    return [
        f"{text}images, {collapsed or 'none'} {'has' if collapsed < 2 else 'have'} collapsed onto "
        f"the prior; the divergence from it is {total.value:.1f} nats "
        f"[{total.low:.1f}, {total.high:.1f}] per image."
    ]


def _points(model: ModelResult, noisy: str) -> list[str]:
    if not _have_units([model]):
        return []
    text = (
        f"Active units: {model.estimate(ACTIVE).text(0)} of {model.data.sizes['unit']} on clean "
        "images"
    )
    count = int(model.at(0.0)["unit_collapsed"].sum())
    if DIVERGENCE.value not in model.data:
        return [f"{text}; {count or 'none'} never vary."]
    return [
        f"{text}; {count or 'none'} collapsed onto the prior. Divergence from the prior: "
        f"{model.estimate(DIVERGENCE).text()} nats per image."
    ]


def _tables(models: Sequence[ModelResult], noisy: str) -> list[Table]:
    counted = _have_units(models)
    if not counted:
        return []
    return [_overview(counted, noisy), _over_levels(counted), *map(_each_unit, counted)]


def _overview(models: Sequence[ModelResult], noisy: str) -> Table:
    rows = tuple(
        (
            model.label,
            str(model.data.sizes["unit"]),
            *both(model, _active),
            _numbers(np.flatnonzero(model.at(0.0)["unit_collapsed"].values)),
            *both(model, _divergence),
        )
        for model in models
    )
    return Table(
        "Active units and collapse",
        (
            "Model",
            "Units",
            "Active, clean",
            f"Active, {noisy}",
            "Collapsed or dead, clean",
            "Total divergence, clean (nats)",
            f"Total divergence, {noisy} (nats)",
        ),
        rows,
        "Square brackets: 95 % intervals over images. A unit is a component of a vector or a "
        "channel of a tensor. With a stochastic posterior it is active if its mean varies over "
        "images "
        "with a variance above 0.01, and collapsed if the posterior is the prior: a divergence "
        "below 0.01 nats per position on 99 % of the images. A deterministic unit is active "
        "unless it is dead, with one value on all images.",
        section="measured",
    )


def _over_levels(models: Sequence[ModelResult]) -> Table:
    columns = (
        Column("Model", lambda model, level: model.label),
        Column("Noise", lambda model, level: f"{level:g}"),
        Column("Active units", _active),
        Column(
            "Collapsed or dead",
            lambda model, level: str(int(model.at(level)["unit_collapsed"].sum())),
        ),
        Column("Total divergence (nats)", _divergence),
    )
    return table_of(
        "Units at every noise level",
        columns,
        [(model, level) for model in models for level in model.levels],
        "Square brackets: 95 % intervals over images.",
        section="measured, details",
    )


def _each_unit(model: ModelResult) -> Table:
    """List the units of one model on clean images, those that carry most first."""
    clean = model.at(0.0)
    carried = clean["unit_kl"] if "unit_kl" in clean else clean["unit_variance"]
    order = np.argsort(-carried.values, kind="stable")[:_MOST_UNITS]
    rest = carried.size - len(order)
    return Table(
        f"Units of {model.label}, clean images",
        ("Unit", "Divergence (nats)", "Variance of the mean", "Posterior variance", "Status"),
        tuple(_unit(clean.isel(unit=unit)) for unit in order),
        f"The {rest} units that carry less are in analysis.zarr." if rest else "",
        section="measured, details",
    )


def _unit(one: xr.Dataset) -> tuple[str, ...]:
    stochastic = "unit_kl" in one
    state = "active" if bool(one["unit_active"]) else "inactive"
    if bool(one["unit_collapsed"]):
        state = "collapsed" if stochastic else "dead"
    return (
        str(int(one["unit"])),
        Readout("unit_kl", "unit_kl", "unit_kl_ci").read(one).text(3) if stochastic else NONE,
        f"{float(one['unit_variance']):.3g}",
        f"{float(one['unit_posterior_variance']):.3g}" if stochastic else NONE,
        state,
    )


def _active(model: ModelResult, level: float) -> str:
    return model.estimate(ACTIVE, level).text(0)


def _divergence(model: ModelResult, level: float) -> str:
    if DIVERGENCE.value not in model.data:
        return NONE
    return model.estimate(DIVERGENCE, level).text()


def _numbers(units: NDArray[np.int64]) -> str:
    """Name units by their numbers while they are few."""
    if not len(units):
        return "none"
    named = ", ".join(str(unit) for unit in units[:_MOST_NAMED])
    return f"{len(units)}: {named}{', …' if len(units) > _MOST_NAMED else ''}"


def _card(view: ModelResult, level: float) -> list[Metric]:
    if not _have_units([view]):
        return []
    name = f"Active units of {view.data.sizes['unit']}"
    return [Metric("active_units", name, view.estimate(ACTIVE, level), 0)]


MEASURE = Measure(
    "units",
    compute,
    Statement(
        "neither",
        "active units: delete-half jackknife; divergences: bootstrap, both over images",
        "linear in n and in the size of a latent",
        ("image order", "reflection"),
    ),
    heading="Active units",
    units={"kl": "nat", "unit_kl": "nat"},
    readouts=(ACTIVE, DIVERGENCE),
    entry=_entry,
    sentences=_sentences,
    points=_points,
    tables=_tables,
    card=_card,
    figures=(
        FigureRow(
            "units",
            "latentgeo.figures.units:UnitsDisplay",
            "Information carried by each unit",
            "Clean images. Units are the components of a vector, or the channels of a tensor whose "
            "posterior is stochastic. Left: Kullback-Leibler divergence of the posterior from a "
            "standard normal prior, with its 95 % bootstrap interval over images, summed over the "
            "positions of a channel. Right: variance of the latent, or of the posterior's mean, "
            "over images; dashed: 0.01, above which a stochastic unit is active.",
            "Hatched units carry nothing: the posterior is the prior, or the unit has one value on "
            "all images. The model uses the others.",
        ),
    ),
    meanings={
        "Active and collapsed units": "A unit is one component of a vector, or one channel of a "
        "tensor. The divergence (Kullback-Leibler, in nats) of its posterior from a standard "
        "normal prior says how much information it carries about the image; a collapsed unit "
        "carries none. More "
        "active units are neither better nor worse."
    },
)
