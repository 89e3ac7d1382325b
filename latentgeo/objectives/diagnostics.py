"""Diagnostics of codes: whether they vary and are used, and the warning where they are not."""

from collections.abc import Mapping

import torch
from torch import Tensor

from latentgeo.objectives.priors import Prior

# Below this share of the prior's variance the codes say next to nothing.
_COLLAPSED = 0.05
# As many directions as any data has.
_FEW = 10


def code_variance(codes: Tensor, prior: Prior) -> Tensor:
    """Return the variance of a batch's codes, summed over their numbers, as a share of the prior's.

    Parameters
    ----------
    codes : torch.Tensor of shape (b, …)
        Codes.
    prior : Prior
        What they are to follow.

    Returns
    -------
    torch.Tensor
        A scalar: 1 where they follow it, 0 where all are one.
    """
    variance = codes.flatten(1).var(dim=0, correction=0).sum()
    return 2 * variance / prior.spread


def diagnose_collapse(code: str, found: Mapping[str, float], prior: Prior) -> str | None:
    """Return a warning of one line where the codes have collapsed, else None.

    Codes of many numbers may follow the prior in as many directions as the data has and still
    vary little in the sum, so they need no more than the variance of a few numbers.

    Parameters
    ----------
    code : str
        Which code.
    found : mapping of str to float
        Has "code_variance".
    prior : Prior
        What the codes are to follow.

    Returns
    -------
    str or None
        What is wrong, and what to try.
    """
    variance = found.get("code_variance", 1.0)
    if variance >= _COLLAPSED * min(1, _FEW / prior.dimension):
        return None
    return (
        f"the codes ({code}) have collapsed: their variance is {variance:.2%} of the prior's; "
        "try a smaller weight of the prior's term, or a lower learning rate"
    )


def active_categories(category: Tensor) -> Tensor:
    """Return how many categories a batch uses: the exponential of the entropy of their shares.

    Parameters
    ----------
    category : torch.Tensor of shape (b, K)
        Probabilities; an image counts for its most probable category.

    Returns
    -------
    torch.Tensor
        A scalar from 1 (all images in one) to K (as many in each).
    """
    shares = torch.bincount(category.argmax(dim=1), minlength=category.shape[1]) / len(category)
    return torch.exp(torch.special.entr(shares).sum())
