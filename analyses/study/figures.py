"""Figures that studies share."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from study.gather import interval_of


def draw_rows(
    ax: Axes,
    found: Mapping[str, Mapping[str, Any]],
    label: str,
    colour: str,
    shift: float = 0.0,
) -> None:
    """Draw numbers with their intervals, a row for each name, each seed as a tick.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to.
    found : mapping
        Name to what `over_seeds` gave.
    label : str
        Of the legend.
    colour : str
        Of all rows.
    shift : float
        How far below its place a row lies.
    """
    for place, each in enumerate(found.values()):
        low, high = interval_of(each) or (each["mean"], each["mean"])
        reach = np.abs(np.array([[low], [high]]) - each["mean"])
        named = label if place == 0 else None
        at = place + shift
        ax.errorbar(each["mean"], at, xerr=reach, fmt="o", color=colour, label=named)
        ticks = np.full(len(each["seeds"]), at)
        ax.plot(each["seeds"], ticks, "|", color=colour, markersize=9)


def draw_reported(
    ax: Axes, figures: Mapping[int, float], label: str, colour: str, shift: float = 0.0
) -> None:
    """Draw reported figures as crosses into the rows of `draw_rows`, by their place."""
    places = [place + shift for place in figures]
    ax.plot(list(figures.values()), places, "x", color=colour, alpha=0.7, label=label)


def name_rows(ax: Axes, names: list[str]) -> None:
    """Name the rows, the first on top."""
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
