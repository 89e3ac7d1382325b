"""Transitions from clean to noisy strata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from latentgeo.figures import reading
from latentgeo.figures._display import Display, given_axes
from latentgeo.figures._style import ON_IMAGES, plain_text, style, wrapped_axes, wrapped_text
from latentgeo.lazy import xr
from latentgeo.results.levels import at_noise, level_text

_ACROSS = 3
_DARK = 0.55
_LEAST = 2  # cells to a side: images on one stratum before and after need no figure


@dataclass(frozen=True)
class TransitionTable:
    """Counts of images by clean and by noisy stratum.

    Parameters
    ----------
    label : str
        Model and view.
    rows, columns : tuple of str
        Clean and noisy strata, most frequent first; the last may be "other (k strata)".
    counts : numpy.ndarray of shape (rows, columns), int
        How many images go from the one to the other.
    kept : int
        How many images have the same ranks by mode clean and noisy, in all strata.
    """

    label: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: NDArray[np.int64]
    kept: int

    @property
    def total(self) -> int:
        """Number of images."""
        return int(self.counts.sum())


def transition_table(
    label: str, clean: NDArray[np.int64], noisy: NDArray[np.int64], *, most: int
) -> TransitionTable:
    """Count how images move from their clean stratum to their noisy one.

    Parameters
    ----------
    label : str
        Model and view.
    clean, noisy : numpy.ndarray of shape (samples, modes), int
        Ranks of the same images.
    most : int
        How many strata are named on either side; all others are pooled into one last entry.

    Returns
    -------
    TransitionTable
    """
    before, after = _names(clean), _names(noisy)
    rows, row_of = _capped(before, most)
    columns, column_of = _capped(after, most)
    counts = np.zeros((len(rows), len(columns)), dtype=np.int64)
    for one, other in zip(before, after, strict=True):
        counts[row_of[one], column_of[other]] += 1
    kept = sum(one == other for one, other in zip(before, after, strict=True))
    return TransitionTable(label, rows, columns, counts, kept)


class StratumTransitionDisplay(Display):
    """Clean stratum against noisy stratum, as a heat map per model.

    Parameters
    ----------
    tables : sequence of TransitionTable
        One per model and view.
    condition : str
        What the noisy side is called.
    left_out : sequence of str, default=()
        Models that are missing because their latents are vectors.
    alone : str, default=""
        Models whose images all lie on one stratum, clean and noisy, and which.

    Attributes
    ----------
    axes_ : numpy.ndarray of matplotlib.axes.Axes, shape (tables,)
    figure_ : matplotlib.figure.Figure
    """

    def __init__(
        self,
        tables: Sequence[TransitionTable],
        *,
        condition: str = "noisy",
        left_out: Sequence[str] = (),
        alone: str = "",
    ) -> None:
        self.tables = tables
        self.condition = condition
        self.left_out = left_out
        self.alone = alone

    @classmethod
    def from_analysis(
        cls,
        tree: xr.DataTree,
        *,
        noise: float = 0.1,
        views: Sequence[str] = reading.VIEWS,
        rule: str = "spectrum",
        most: int = 5,
    ) -> Self:
        """Count the transitions of an analysis.

        Parameters
        ----------
        tree : xarray.DataTree
            The analysis.
        noise : float, default=0.1
            The noise level; the nearest there is above 0.
        views : sequence of str, default=("mean", "sample")
            Which latents.
        rule : {"spectrum", "float32-covariance"}, default="spectrum"
            The rank rule.
        most : int, default=5
            How many strata are named on either side; the others are pooled and counted.

        Returns
        -------
        StratumTransitionDisplay

        Raises
        ------
        NothingToDrawError
            When no model has latent tensors, or the analysis has clean images only.
        """
        rows = reading.series(tree, views, "rank")
        level = reading.noisy_level(tree, noise)
        tables = [_table(row, rule, level, most) for row in rows]
        moving = [one for one in tables if max(one.counts.shape) >= _LEAST]
        if not moving:
            raise reading.NothingToDrawError(
                f"all images stay on a single stratum: {_lone(tables)}"
            )
        return cls(
            moving,
            condition=level_text(tree, level),
            left_out=reading.left_out(tree, "rank"),
            alone=_lone([one for one in tables if one not in moving]),
        )

    def plot(self, axes: Any = None) -> Self:
        """Draw one heat map per table.

        Parameters
        ----------
        axes : array-like of matplotlib.axes.Axes of shape (tables,), optional
            Where to draw; a figure of its own by default, wrapped after three tables.

        Returns
        -------
        StratumTransitionDisplay
            Itself, with ``axes_`` and ``figure_``.
        """
        count = len(self.tables)
        with style():
            if axes is None:
                longest = max(_LEAST, *(max(table.counts.shape) for table in self.tables))
                height = 1.0 + 0.24 * longest
                self._keep(
                    wrapped_axes(count, 2 if count == 4 else _ACROSS, row_height=height, extra=0.35)
                )
                inches = self.figure_.get_figwidth()
                note = reading.left_out_note(self.left_out, inches=inches)
                if self.alone:
                    note = (
                        f"{note}\n{reading.filled(f'One stratum: {self.alone}.', inches)}".strip()
                    )
                across = f"columns: stratum at {self.condition}"
                self.figure_.supxlabel(f"{across}\n{note}" if note else across, fontsize=8)
                self.figure_.supylabel("rows: stratum of the clean image", fontsize=8)
            else:
                self._keep(given_axes(axes, (count,)))
            for ax, table in zip(self.axes_, self.tables, strict=True):
                _plot_table(ax, table)
        return self


def _table(row: reading.Series, rule: str, level: float, most: int) -> TransitionTable:
    """Count the transitions of one series."""
    ranks = row.data["rank"].sel(rule=rule).transpose("noise", "sample", "mode")
    clean, noisy = (at_noise(ranks, at).values.astype(np.int64) for at in (0.0, level))
    return transition_table(row.label, clean, noisy, most=most)


def _lone(tables: Sequence[TransitionTable]) -> str:
    """Name models with the only stratum that their images lie on."""
    return "; ".join(f"{plain_text(one.label)} ({one.rows[0]})" for one in tables)


def _names(ranks: NDArray[np.int64]) -> list[str]:
    """Name each image's stratum by its ranks."""
    return [",".join(map(str, each)) for each in ranks.tolist()]


def _capped(names: Sequence[str], most: int) -> tuple[tuple[str, ...], dict[str, int]]:
    """Keep the most frequent names; a single leftover is named, not pooled."""
    ordered = [name for name, _ in Counter(sorted(names)).most_common()]
    kept = ordered if len(ordered) <= most + 1 else ordered[:most]
    position = {name: min(index, len(kept)) for index, name in enumerate(ordered)}
    pooled = len(ordered) - len(kept)
    return (*kept, f"other ({pooled})") if pooled else tuple(kept), position


def _plot_table(ax: Axes, table: TransitionTable) -> None:
    """Draw the counts as colours and as figures."""
    share = table.counts / table.total
    top = max(float(share.max()), 1e-9)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=top, aspect="auto")
    for (row, column), count in np.ndenumerate(table.counts):
        if count:
            colour = ON_IMAGES[bool(share[row, column] > _DARK * top)]
            ax.text(column, row, str(count), ha="center", va="center", fontsize=7, color=colour)
    ax.set_xticks(range(len(table.columns)), table.columns, rotation=90)
    ax.set_yticks(range(len(table.rows)), table.rows)
    ax.set_title(
        f"{wrapped_text(table.label, 28)}\n{table.kept} of {table.total} keep their stratum"
    )
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    ax.spines[:].set_visible(False)
