"""Which units of a latent carry something: variance, divergence from the prior, collapse."""

from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.analysis.settings import AnalysisSettings
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
    channels, *positions = latents["mean"].shape[2:]
    if not stochastic and positions != [1, 1]:
        return xr.Dataset()
    levels = [_measure(latents.isel(noise=at), halves) for at in range(latents.sizes["noise"])]
    variables = _variances(levels, stochastic)
    if stochastic:
        variables = variables.merge(_divergences(levels, int(np.prod(positions)), settings))
    return variables.assign_coords(unit=np.arange(channels))


def _measure(level: xr.Dataset, halves: Tensor) -> _Level:
    """Reduce the latents of one level to numbers per unit; only one level is in memory."""
    mean = _by_unit(level["mean"])
    largest = mean.abs().amax()
    spread = mean.amax(0) - mean.amin(0)
    centred = mean - mean.mean(0)
    share = torch.zeros(len(halves), len(mean), dtype=mean.dtype)
    share.scatter_(1, halves, 1 / halves.shape[1])
    divergence, posterior = mean.new_zeros(mean.shape[1], 0), mean.new_zeros(mean.shape[1])
    if "log_variance" in level:
        log_variance = _by_unit(level["log_variance"])
        variance = log_variance.exp()
        each = (mean.square() + variance - 1 - log_variance) / 2
        divergence, posterior = each.sum(-1).mT, variance.mean((0, 2))
    return _Level(
        _variance(centred, torch.full((1, len(mean)), 1 / len(mean)).to(mean))[0],
        _variance(centred, share),
        (spread <= _STILL * largest).all(-1),
        divergence,
        posterior,
    )


def _by_unit(values: xr.DataArray) -> Tensor:
    """Give latents (images, units, positions) in float64."""
    return torch.from_numpy(values.values).double().flatten(2)


def _variance(centred: Tensor, shares: Tensor) -> Tensor:
    """Give the variance over images that hold the shares (k, images): (k, units)."""
    flat = centred.flatten(1)
    variance = shares @ flat.square() - (shares @ flat).square()
    count = 1 / shares.amax(-1, keepdim=True)
    unbiased = variance.clamp_min(0) * count / (count - 1)
    return unbiased.reshape(len(shares), *centred.shape[1:]).mean(-1)


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
