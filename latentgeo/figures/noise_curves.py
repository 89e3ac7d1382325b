"""Hilbert dimension and PSNR against the noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from matplotlib.artist import Artist
from numpy.typing import NDArray

from latentgeo.figures import reading
from latentgeo.figures._display import Display, given_axes
from latentgeo.figures._style import (
    NULL_COLOUR,
    Curve,
    LineStyle,
    legend_height,
    new_axes,
    shared_legend,
    style,
)
from latentgeo.lazy import xr
from latentgeo.results.levels import perturbation_label

_BASELINE = "mean image (PSNR)"


class NoiseCurvesDisplay(Display):
    """Hilbert dimension and PSNR against the noise level, all models in one pair of panels.

    Parameters
    ----------
    dimension : sequence of Curve
        Dimension that holds `share` of the variance, with its interval; one per model and view.
    psnr : sequence of Curve
        Mean PSNR in dB against the clean image, with its interval; one per model that decodes.
    noise : numpy.ndarray of shape (levels,), float64
        The noise levels; the curves' x are positions in it.
    share : float
        Share of the variance that the dimension holds.
    baselines : sequence of float
        PSNR in dB of predicting the mean image; drawn as horizontal lines.
    noise_label : str
        Name of the horizontal axis.

    Attributes
    ----------
    axes_ : numpy.ndarray of matplotlib.axes.Axes, shape (2,)
    figure_ : matplotlib.figure.Figure

    References
    ----------
    .. [1] Shrivastava, Rameshan and Agnihotri, "Latent Space Characterization of Autoencoder
       Variants", arXiv:2412.04755, 2024, figure 4.
    """

    def __init__(
        self,
        dimension: Sequence[Curve],
        psnr: Sequence[Curve],
        *,
        noise: NDArray[np.float64],
        share: float,
        baselines: Sequence[float] = (),
        noise_label: str = "noise level",
    ) -> None:
        self.dimension = dimension
        self.psnr = psnr
        self.noise = noise
        self.share = share
        self.baselines = baselines
        self.noise_label = noise_label

    @classmethod
    def from_analysis(
        cls, tree: xr.DataTree, *, share: float = 0.95, views: Sequence[str] = reading.VIEWS
    ) -> Self:
        """Read the curves from an analysis.

        Parameters
        ----------
        tree : xarray.DataTree
            The analysis.
        share : float, default=0.95
            Share of the variance that the Hilbert dimension holds; the nearest there is.
        views : sequence of str, default=("mean", "sample")
            Which latents the dimension is drawn for.

        Returns
        -------
        NoiseCurvesDisplay
        """
        rows = reading.series(tree, views, "hilbert_dimension")
        held = float(rows[0].data["share"].sel(share=share, method="nearest"))
        found = reading.models(tree)
        return cls(
            [_dimension_curve(row, held) for row in rows],
            [
                _psnr_curve(label, data, reading.style_of(tree, label))
                for label, data in found.items()
                if "psnr_mean" in data
            ],
            noise=reading.noise_levels(tree),
            share=held,
            baselines=sorted(
                {
                    round(float(data["psnr_baseline_mean"]), 2)
                    for data in found.values()
                    if "psnr_baseline_mean" in data
                }
            ),
            noise_label=perturbation_label(tree),
        )

    def plot(self, axes: Any = None) -> Self:
        """Draw both panels.

        Parameters
        ----------
        axes : array-like of two matplotlib.axes.Axes, optional
            Where to draw; a figure of its own by default.

        Returns
        -------
        NoiseCurvesDisplay
            Itself, with ``axes_`` and ``figure_``.
        """
        with style():
            own = axes is None
            extra = legend_height([*(curve.label for curve in self.dimension), _BASELINE])
            self._keep(
                new_axes(1, 2, row_height=2.5, extra=extra)[0] if own else given_axes(axes, (2,))
            )
            handles = self._plot_dimension()
            handles += self._plot_psnr()
            if own:
                shared_legend(self.figure_, handles, [str(h.get_label()) for h in handles])
            else:
                self.axes_[0].legend()
        return self

    def _plot_dimension(self) -> list[Artist]:
        """Draw the left panel and give what the legend names."""
        ax = self.axes_[0]
        handles = [curve.draw(ax) for curve in self.dimension]
        ax.set_ylabel(f"Hilbert dimension ({100 * self.share:g} % of variance)")
        ax.set_ylim(bottom=0)
        reading.set_noise_axis(ax, self.noise, self.noise_label)
        return handles

    def _plot_psnr(self) -> list[Artist]:
        """Draw the right panel; its models are in the legend already, the baseline is not."""
        ax = self.axes_[1]
        if not self.psnr:
            ax.set_axis_off()
            ax.text(0.5, 0.5, "no PSNR: no model has a decoder", ha="center", fontsize=8)
            return []
        for curve in self.psnr:
            curve.draw(ax)
        lines = [
            ax.axhline(level, color=NULL_COLOUR, linestyle=(0, (1, 2)), label=_BASELINE)
            for level in self.baselines
        ]
        ax.set_ylabel("PSNR against the clean image (dB)")
        reading.set_noise_axis(ax, self.noise, self.noise_label)
        return list(lines[:1])


def _dimension_curve(row: reading.Series, share: float) -> Curve:
    """Read the dimension of the product, centred; what has not settled has no interval."""
    value = row.data["hilbert_dimension"].sel(part="product", share=share, centring="centred")
    interval = row.data["hilbert_dimension_ci"].sel(share=share)
    interval = interval.where(reading.has_settled(row.data.sel(share=share)))
    return level_curve(row.label, value, interval, row.style)


def _psnr_curve(label: str, data: xr.Dataset, drawn: LineStyle) -> Curve:
    """Read the mean PSNR; there is one per model, whatever the view."""
    return level_curve(label, data["psnr_mean"], data["psnr_ci"], drawn)


def level_curve(label: str, value: xr.DataArray, interval: xr.DataArray, drawn: LineStyle) -> Curve:
    """Place values over their noise level's position; infinities (equal images) are not drawn."""
    low, high, middle = (
        np.where(np.isfinite(part.values), part.values, np.nan).astype(np.float64)
        for part in (interval.sel(bound="low"), interval.sel(bound="high"), value)
    )
    return Curve(label, np.arange(len(middle), dtype=np.float64), middle, low, high, drawn)
