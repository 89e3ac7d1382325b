"""Histograms of the ranks of the unfoldings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator, MultipleLocator
from numpy.typing import NDArray

from latentgeo.figures import reading
from latentgeo.figures._display import Display, given_axes
from latentgeo.figures._style import (
    WIDTH,
    LineStyle,
    new_axes,
    plain_text,
    style,
    wrapped_text,
)
from latentgeo.lazy import xr
from latentgeo.results.levels import at_noise, level_text

_SHARES = (0.05, 0.25, 1.0)
_ROOM = 10  # digits that a panel can show side by side
_NARROWEST = 25  # bars of this share of a panel are seen where ranks lie far apart


class RankHistogramDisplay(Display):
    """Histograms of the ranks of S1, S2, …, clean and noisy, one row per model.

    Parameters
    ----------
    clean, noisy : mapping of str to numpy.ndarray of shape (samples, modes), int
        Ranks per image and mode, keyed by the name of the row; where models have fewer modes than
        others, their last panels stay empty. `noisy` is empty when the
        analysis has clean images only.
    styles : mapping of str to LineStyle
        The colour of each row.
    conditions : tuple of str
        What the clean and the noisy columns are called.
    left_out : sequence of str, default=()
        Models that have no ranks because their latents are vectors.
    alone : str, default=""
        Models whose images all have the same ranks, and which.

    Attributes
    ----------
    axes_ : numpy.ndarray of matplotlib.axes.Axes, shape (rows, modes or twice as many)
    figure_ : matplotlib.figure.Figure

    References
    ----------
    .. [1] Shrivastava, Rameshan and Agnihotri, "Latent Space Characterization of Autoencoder
       Variants", arXiv:2412.04755, 2024, figure 3.
    """

    def __init__(
        self,
        clean: Mapping[str, NDArray[np.int64]],
        noisy: Mapping[str, NDArray[np.int64]],
        *,
        styles: Mapping[str, LineStyle],
        conditions: tuple[str, str],
        left_out: Sequence[str] = (),
        alone: str = "",
    ) -> None:
        self.clean = clean
        self.noisy = noisy
        self.styles = styles
        self.conditions = conditions
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
    ) -> Self:
        """Read the ranks from an analysis.

        Parameters
        ----------
        tree : xarray.DataTree
            The analysis.
        noise : float, default=0.1
            The noise level that is shown beside the clean one; the nearest there is.
        views : sequence of str, default=("mean", "sample")
            Which latents: the posterior mean, a sample from the posterior. A model that lacks
            a view has no row for it.
        rule : {"spectrum", "float32-covariance"}, default="spectrum"
            The rank rule.

        Returns
        -------
        RankHistogramDisplay

        Raises
        ------
        NothingToDrawError
            When no model has latent tensors.
        """
        rows = reading.series(tree, views, "rank")
        rows, alone = _varying(rows, rule)
        levels = reading.noise_levels(tree)
        clean = {row.label: _ranks(row, rule, 0.0) for row in rows}
        if not (levels > 0).any():
            noisy, name = {}, ""
        else:
            level = reading.noisy_level(tree, noise)
            noisy = {row.label: _ranks(row, rule, level) for row in rows}
            name = level_text(tree, level)
        return cls(
            clean,
            noisy,
            styles={row.label: row.style for row in rows},
            conditions=("clean", name),
            left_out=reading.left_out(tree, "rank"),
            alone=alone,
        )

    def plot(self, axes: Any = None) -> Self:
        """Draw the histograms.

        Parameters
        ----------
        axes : array-like of matplotlib.axes.Axes of shape (rows, modes or twice as many), optional
            Where to draw; a figure of its own by default.

        Returns
        -------
        RankHistogramDisplay
            Itself, with ``axes_`` and ``figure_``.
        """
        blocks = [self.clean, self.noisy] if self.noisy else [self.clean]
        modes = max(ranks.shape[1] for ranks in self.clean.values())
        shape = (len(self.clean), modes * len(blocks))
        with style():
            if axes is None:
                self._keep(new_axes(*shape, row_height=0.88, extra=0.75))
                self._name_axes()
            else:
                self._keep(given_axes(axes, shape))
            for block, ranks in enumerate(blocks):
                for mode in range(modes):
                    self._plot_column(modes * block + mode, ranks, mode, self.conditions[block])
        return self

    def _plot_column(
        self, column: int, ranks: Mapping[str, NDArray[np.int64]], mode: int, condition: str
    ) -> None:
        """Draw one mode under one condition, models down."""
        limits = self._limits(mode)
        for row, (label, values) in enumerate(ranks.items()):
            ax = self.axes_[row, column]
            if mode >= values.shape[1]:
                ax.set_axis_off()
                continue
            width = max(0.85, (limits[1] - limits[0]) / _NARROWEST)
            _bars(ax, values[:, mode], self.styles[label].colour, width)
            ax.set_xlim(limits[0] - width / 2, limits[1] + width / 2)
            ax.xaxis.set_major_locator(_ticks(*limits))
            if row == 0:
                ax.set_title(f"$S_{mode + 1}$, {condition}")
            if row < len(ranks) - 1:
                ax.tick_params(labelbottom=False)
            if column == 0:
                ax.set_ylabel(wrapped_text(label), rotation=0, ha="right", va="center")
            else:
                ax.tick_params(labelleft=False)

    def _limits(self, mode: int) -> tuple[float, float]:
        """Return all panels of a mode one range, so that they compare by eye."""
        blocks = [*self.clean.values(), *self.noisy.values()]
        values = np.concatenate([block[:, mode] for block in blocks if mode < block.shape[1]])
        low, high = values.min(), values.max()
        margin = max(0.3, 0.04 * (high - low), (2.4 - (high - low)) / 2)
        return low - margin, high + margin

    def _name_axes(self) -> None:
        """Name the axes once for the whole figure, and say who is missing."""
        note = reading.left_out_note(self.left_out)
        if self.alone:
            note = (
                f"{note}\n{reading.filled(f'Same ranks everywhere: {self.alone}.', WIDTH)}".strip()
            )
        self.figure_.supxlabel("rank" + (f"\n{note}" if note else ""), fontsize=8)
        self.figure_.supylabel("share of images\n(square-root scale)", fontsize=8)


def _varying(rows: Sequence[reading.Series], rule: str) -> tuple[list[reading.Series], str]:
    """Return the series whose ranks differ between images or levels, and the others in words."""
    moving, alone = [], []
    for row in rows:
        ranks = row.data["rank"].sel(rule=rule).transpose(..., "mode")
        every = ranks.values.reshape(-1, ranks.sizes["mode"])
        if (every == every[0]).all():
            alone.append(f"{plain_text(row.label)} ({', '.join(map(str, every[0].tolist()))})")
        else:
            moving.append(row)
    if not moving:
        raise reading.NothingToDrawError(
            f"all images have the same ranks at every noise level: {'; '.join(alone)}"
        )
    return moving, "; ".join(alone)


def _ranks(row: reading.Series, rule: str, level: float) -> NDArray[np.int64]:
    """Return the ranks of one series as (samples, modes)."""
    chosen = at_noise(row.data["rank"].sel(rule=rule), level)
    ranks: NDArray[np.int64] = chosen.transpose("sample", "mode").values.astype(np.int64)
    return ranks


def _bars(ax: Axes, values: NDArray[np.int64], colour: str, width: float) -> None:
    """Draw a histogram over integers; the root keeps rare ranks visible beside a single one."""
    ranks, counts = np.unique(values, return_counts=True)
    ax.bar(ranks, counts / counts.sum(), width=width, color=colour)
    ax.set_yscale("function", functions=(_root, np.square))
    ax.set_ylim(0, 1.5)  # room above the bars for the range
    ax.set_yticks(_SHARES)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.0f} %"))
    text = f"{ranks[0]}" if len(ranks) == 1 else f"{ranks[0]}–{ranks[-1]}"
    ax.text(0.03, 0.97, text, transform=ax.transAxes, va="top", fontsize=7, color="#444444")


def _ticks(low: float, high: float) -> Locator:
    """Name every rank where there is room, else round ones."""
    digits = (high - low) * len(str(round(high)))
    return MultipleLocator(1) if digits < _ROOM else MaxNLocator(4, integer=True)


def _root(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the square root; matplotlib asks below zero too when it pads the limits."""
    root: NDArray[np.float64] = np.sqrt(np.maximum(share, 0))
    return root
