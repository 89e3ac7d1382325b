"""Intrinsic dimension of the set of latents against the noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

from latentgeo.figures import reading
from latentgeo.figures._display import Display, given_axes
from latentgeo.figures._style import Curve, legend_height, new_axes, shared_legend, style
from latentgeo.figures.noise_curves import level_curve
from latentgeo.lazy import xr
from latentgeo.results.levels import perturbation_label

_NAMES = {"two-nn": "two nearest neighbours", "local-pca": "local principal components"}


class IntrinsicDimensionDisplay(Display):
    """Intrinsic dimension against the noise level, one panel per estimator.

    Parameters
    ----------
    curves : mapping of str to sequence of Curve
        Dimension with its interval, keyed by estimator; one curve per model and view, NaN where
        there is no estimate.
    noise : numpy.ndarray of shape (levels,), float64
        The noise levels; the curves' x are positions in it.
    noise_label : str
        Name of the horizontal axis.

    Attributes
    ----------
    axes_ : numpy.ndarray of matplotlib.axes.Axes, shape (estimators,)
    figure_ : matplotlib.figure.Figure

    References
    ----------
    .. [1] E. Facco, M. d'Errico, A. Rodriguez and A. Laio, "Estimating the intrinsic dimension of
       datasets by a minimal neighborhood information", Scientific Reports 7 (2017).
    """

    def __init__(
        self,
        curves: Mapping[str, Sequence[Curve]],
        *,
        noise: NDArray[np.float64],
        noise_label: str = "noise level",
    ) -> None:
        self.curves = curves
        self.noise = noise
        self.noise_label = noise_label

    @classmethod
    def from_analysis(cls, tree: xr.DataTree, *, views: Sequence[str] = reading.VIEWS) -> Self:
        """Read the curves from an analysis.

        Parameters
        ----------
        tree : xarray.DataTree
            The analysis.
        views : sequence of str, default=("mean", "sample")
            Which latents.

        Returns
        -------
        IntrinsicDimensionDisplay

        Raises
        ------
        NothingToDrawError
            When the analysis holds no intrinsic dimension.
        """
        rows = reading.series(tree, views, "intrinsic_dimension")
        return cls(
            {
                str(estimator): [_curve(row, str(estimator)) for row in rows]
                for estimator in rows[0].data["estimator"].values
            },
            noise=reading.noise_levels(tree),
            noise_label=perturbation_label(tree),
        )

    def plot(self, axes: Any = None) -> Self:
        """Draw one panel per estimator.

        Parameters
        ----------
        axes : array-like of matplotlib.axes.Axes of shape (estimators,), optional
            Where to draw; a figure of its own by default.

        Returns
        -------
        IntrinsicDimensionDisplay
            Itself, with ``axes_`` and ``figure_``.
        """
        count = len(self.curves)
        first = next(iter(self.curves.values()))
        with style():
            if axes is None:
                extra = legend_height([curve.label for curve in first])
                self._keep(new_axes(1, count, row_height=2.5, extra=extra)[0])
            else:
                self._keep(given_axes(axes, (count,)))
            for ax, (estimator, curves) in zip(self.axes_, self.curves.items(), strict=True):
                for curve in curves:
                    curve.draw(ax)
                ax.set_title(_NAMES.get(estimator, estimator))
                self._scale(ax)
                reading.set_noise_axis(ax, self.noise, self.noise_label)
            self.axes_[0].set_ylabel("intrinsic dimension")
            if axes is None:
                shared_legend(self.figure_, *self.axes_[0].get_legend_handles_labels())
        return self

    def _scale(self, ax: Axes) -> None:
        """Return the panels one scale, on which a sample's dimension leaves room for the others."""
        ends = [
            end[np.isfinite(end) & (end > 0)]
            for curves in self.curves.values()
            for curve in curves
            for end in (curve.low, curve.high)
        ]
        values = np.concatenate([np.array([1.0, 10.0]), *ends])
        ax.set_ylim(0.9 * values.min(), 1.15 * values.max())
        ax.set_yscale("log")  # after its limits, for a dimension of 0 has no place on it
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _curve(row: reading.Series, estimator: str) -> Curve:
    """Read one estimator's dimension with its interval."""
    chosen = row.data.sel(estimator=estimator)
    return level_curve(
        row.label, chosen["intrinsic_dimension"], chosen["intrinsic_dimension_ci"], row.style
    )
