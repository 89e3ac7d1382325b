"""Ranks along paths: whether they cross strata, and how flat the latents between are."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.geometry import path_ranks
from latentgeo.geometry.rank import RankRule
from latentgeo.interpolation.variables import against_the_ends, along_steps, middle, per_pair

MODES = ["S1", "S2", "S3"]
#: Rank rules, the one that every count is under first.
RULES: tuple[RankRule, ...] = ("spectrum", "float32-covariance")


class Strata(NamedTuple):
    """Ranks along paths.

    Attributes
    ----------
    variables : dict
        For a data set.
    causes : dict of str to numpy.ndarray of shape (pairs,)
        What they say of each path, in words.
    crossed : numpy.ndarray of shape (pairs, steps - 1)
        Whether the triple of ranks changes from one step to the next.
    """

    variables: dict[str, Any]
    causes: dict[str, NDArray[np.float64]]
    crossed: NDArray[np.bool_]

    def at_crossings(self, moved: NDArray[np.float64], seed: int) -> dict[str, Any]:
        """Compare how far images move where a path crosses with elsewhere on it.

        Parameters
        ----------
        moved : numpy.ndarray of shape (pairs, steps - 1)
            From each step to the next.
        seed : int
            Seeds the bootstrap over pairs.

        Returns
        -------
        dict
            Variables `crossed` and `step_at_crossings`: the ratio of the means less 1; NaN for
            paths that cross nowhere or everywhere, and those whose images stand still elsewhere.
        """
        at, elsewhere = (_mean_where(moved, here) for here in (self.crossed, ~self.crossed))
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(elsewhere > 0, at / elsewhere - 1, np.nan)
        return {
            "crossed": (("pair", "gap"), self.crossed),
            **per_pair("step_at_crossings", ratio, seed),
        }


def measure_strata(path: Tensor, source_dtype: str, seed: int) -> Strata | None:
    """Measure ranks and spectra along paths, under both rules.

    Parameters
    ----------
    path : torch.Tensor of shape (pairs, steps, C, H, W)
        Latents along each path.
    source_dtype : str
        What they were computed in.
    seed : int
        Seeds the bootstrap over pairs.

    Returns
    -------
    Strata or None
        None where the latents are vectors, which have no modes to unfold.
    """
    if tuple(path.shape[-2:]) == (1, 1):
        return None
    latents = path.double().numpy()
    found = {rule: path_ranks(latents, rule, source_dtype=source_dtype) for rule in RULES}
    ranks = np.stack([one.ranks for one in found.values()])
    spectra = found[RULES[0]].singular_values
    effective = np.stack([_effective_rank(values) for values in spectra], axis=-1)
    flatness = effective.mean(axis=-1)
    first = ranks[0]
    crossings = {rule: one.crossings.astype(np.float64) for rule, one in found.items()}
    variables = {
        "mode": ("mode", MODES),
        "rule": ("rule", list(RULES)),
        "rank": (("rule", "pair", "step", "mode"), ranks),
        **{
            f"singular_value_{mode.lower()}": (
                ("pair", "step", f"direction_{mode.lower()}"),
                values,
            )
            for mode, values in zip(MODES, spectra, strict=True)
        },
        **{
            name: value
            for at, mode in enumerate(MODES)
            for name, value in along_steps(f"rank_{mode.lower()}", first[..., at], seed).items()
        },
        **along_steps("effective_rank", flatness, seed),
        **per_pair("crossings", crossings[RULES[0]], seed),
        **per_pair("crossings_float32_covariance", crossings[RULES[1]], seed),
    }
    causes = {
        "crossings, rule spectrum": crossings[RULES[0]],
        "crossings, rule float32-covariance": crossings[RULES[1]],
        "rank lost at the middle, rule spectrum": _lost(ranks[0]),
        "rank lost at the middle, rule float32-covariance": _lost(ranks[1]),
        "effective rank lost at the middle": -against_the_ends(flatness),
    }
    return Strata(variables, causes, (first[:, 1:] != first[:, :-1]).any(axis=-1))


def _lost(ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give by how much the sum of the triple (pairs, steps, 3) is lower than at the ends."""
    total = ranks.sum(axis=-1).astype(np.float64)
    lost: NDArray[np.float64] = total[:, [0, -1]].mean(axis=1) - middle(total)
    return lost


def _effective_rank(values: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Give the exponential of the entropy of singular values (..., k), of a zero matrix 0.

    O. Roy and M. Vetterli, "The effective rank", EUSIPCO 2007, definition 1.
    """
    total = values.sum(axis=-1, keepdims=True)
    shares = np.divide(values, total, out=np.zeros_like(values), where=total > 0)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    rank: NDArray[np.float64] = np.where(total[..., 0] > 0, np.exp(-(shares * logs).sum(-1)), 0.0)
    return rank


def _mean_where(values: NDArray[np.float64], here: NDArray[np.bool_]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: NDArray[np.float64] = (values * here).sum(axis=1) / here.sum(axis=1)
    return mean
