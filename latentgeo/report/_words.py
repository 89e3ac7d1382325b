"""Numbers as words: spans, intervals, shares."""

from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr
from scipy.stats import binomtest

EN_DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
NONE = "\N{EM DASH}"


def number(value: float, digits: int = 1) -> str:
    """Write a number; a real minus sign, a dash for NaN, and infinity as a sign."""
    if np.isnan(value):
        return NONE
    if np.isinf(value):
        return "\N{INFINITY}"
    return f"{value:.{digits}f}".replace("-", MINUS)


def with_interval(value: float, ends: Sequence[float], digits: int = 1) -> str:
    """Write a number with its interval in square brackets, where it has one."""
    low, high = (float(end) for end in ends)
    if not (np.isfinite(low) and np.isfinite(high)):
        return number(value, digits)
    return f"{number(value, digits)} [{number(low, digits)}, {number(high, digits)}]"


def estimate(value: float | xr.DataArray, ends: xr.DataArray, digits: int = 1) -> str:
    """Write one value of an analysis with its interval; ``ends`` has the dimension bound."""
    return with_interval(
        float(value), [float(ends.sel(bound="low")), float(ends.sel(bound="high"))], digits
    )


def span(values: Iterable[float]) -> str:
    """Write the range of integers."""
    found = sorted({int(value) for value in values})
    return str(found[0]) if len(found) == 1 else f"{found[0]}{EN_DASH}{found[-1]}"


def share(count: int, total: int) -> str:
    """Write how many of how many, with the share and its 95 % interval (Wilson's)."""
    ends = binomtest(count, total).proportion_ci(confidence_level=0.95, method="wilson")
    return (
        f"{count} of {total} images ({100 * count / total:.0f} %, 95 % interval "
        f"{100 * ends.low:.0f}{EN_DASH}{100 * ends.high:.0f} %)"
    )


def triple(ranks: Sequence[int]) -> str:
    """Write a rank triple."""
    return "(" + ",\N{NO-BREAK SPACE}".join(str(rank) for rank in ranks) + ")"


def listed(parts: Sequence[str]) -> str:
    """Join words with commas and an "and"."""
    if len(parts) < 2:
        return "".join(parts)
    return ", ".join(parts[:-1]) + " and " + parts[-1]
