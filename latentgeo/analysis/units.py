"""Which units of a latent carry something: variance, divergence from the prior, collapse."""

from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.analysis.settings import AnalysisSettings
from latentgeo.analysis.views import View, is_vector, view_of
from latentgeo.metrics import bootstrap_mean, jackknife_interval

ACTIVE_VARIANCE = 0.01
COLLAPSED_NATS = 0.01
_COLLAPSED_SHARE = 0.99
_STILL = 1e-6  # of the largest value: the last bits of float32 are no variation


class _Level(NamedTuple):
    """Unit by unit, at one noise level."""

    variance: Tensor  # (units,)
    halves: Tensor  # (halves, units), the variance on random halves
    still: Tensor  # (units,) bool, never varies
    divergence: Tensor  # (units, images), nats; no images where there is no posterior
    posterior_variance: Tensor  # (units,)


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
    mean = view_of(latents["mean"])
    if not stochastic and not is_vector(mean.shape):
        return xr.Dataset()
    log_variance = view_of(latents["log_variance"]) if stochastic else None
    levels = [_measure(mean, log_variance, level, halves) for level in range(mean.levels)]
    variables = _variances(levels, stochastic)
    if stochastic:
        variables = variables.merge(_divergences(levels, int(np.prod(mean.shape[1:])), settings))
    return variables.assign_coords(unit=np.arange(mean.shape[0]))


def _measure(mean: View, log_variance: View | None, level: int, halves: Tensor) -> _Level:
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


def _by_unit(view: View, level: int, images: slice) -> Tensor:
    """Give latents (images, units, positions) in float64."""
    return view.read(level, images).double().flatten(2)


def _centre_and_still(view: View, level: int) -> tuple[Tensor, Tensor]:
    """Give the mean over images (units, positions), and which units never vary."""
    total, lowest, highest = [], [], []
    for shard in view.shards():
        values = _by_unit(view, level, shard)
        total.append(values.sum(0))
        lowest.append(values.amin(0))
        highest.append(values.amax(0))
    low, high = torch.stack(lowest).amin(0), torch.stack(highest).amax(0)
    largest = torch.maximum(low.abs(), high.abs()).amax()
    still = (high - low <= _STILL * largest).all(-1)
    return torch.stack(total).sum(0) / view.samples, still


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
