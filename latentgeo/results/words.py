"""Numbers as words: ranges, intervals, shares."""

from collections.abc import Iterable, Sequence

import numpy as np

EN_DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
NONE = "\N{EM DASH}"
ARROW = "\N{RIGHTWARDS ARROW}"


def number(value: float, digits: int = 1) -> str:
    """Format a number; a real minus sign, a dash for NaN, and infinity as a sign."""
    if np.isnan(value):
        return NONE
    if np.isinf(value):
        return "\N{INFINITY}"
    return f"{value:.{digits}f}".replace("-", MINUS)


def with_interval(value: float, ends: Sequence[float], digits: int = 1) -> str:
    """Format a number with its interval in square brackets, where it has one."""
    low, high = (float(end) for end in ends)
    if not (np.isfinite(low) and np.isfinite(high)):
        return number(value, digits)
    return f"{number(value, digits)} [{number(low, digits)}, {number(high, digits)}]"


def span(values: Iterable[float]) -> str:
    """Format the range of integers."""
    found = sorted({int(value) for value in values})
    return str(found[0]) if len(found) == 1 else f"{found[0]}{EN_DASH}{found[-1]}"


def share(count: int, total: int) -> str:
    """Format how many of how many, with the share and its 95 % interval (Wilson's)."""
    from scipy.stats import binomtest  # slow to import

    ends = binomtest(count, total).proportion_ci(confidence_level=0.95, method="wilson")
    return (
        f"{count} of {total} images ({100 * count / total:.0f} %, 95 % interval "
        f"{100 * ends.low:.0f}{EN_DASH}{100 * ends.high:.0f} %)"
    )


def mean_and_range(values: np.ndarray | None, digits: int = 1) -> str:
    """Format the mean of some values with their range, a dash where there are none."""
    if values is None or not np.isfinite(values).any():
        return NONE
    low, high = number(float(np.nanmin(values)), digits), number(float(np.nanmax(values)), digits)
    return f"{number(float(np.nanmean(values)), digits)} ({low}{EN_DASH}{high})"


def listed(parts: Sequence[str]) -> str:
    """Join words with commas and an "and"."""
    if len(parts) < 2:
        return "".join(parts)
    return ", ".join(parts[:-1]) + " and " + parts[-1]
