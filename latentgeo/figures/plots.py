"""The figures and estimates of results as methods: ``found.plot.psnr(ax=ax)``."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from latentgeo.errors import InputError
from latentgeo.figures import reading
from latentgeo.figures._style import Curve, new_axes, style
from latentgeo.measures import figure_rows
from latentgeo.results import Analysis
from latentgeo.results.estimate import readouts_of
from latentgeo.results.levels import perturbation_label


class Plots:
    """What can be drawn of results.

    Every estimate is a method that draws it against the noise on ``ax``, a curve for each model:
    ``found.plot.hilbert_dimension(ax=ax, share=0.9)``. Every figure of the report is one that
    returns its Display: ``found.plot.spectra(axes=axes)``.

    Parameters
    ----------
    found : Analysis
        The results.
    """

    def __init__(self, found: Analysis) -> None:
        self._found = found

    def __dir__(self) -> list[str]:
        return sorted({*self._estimates(), *figure_rows(self._found.kind)})

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        rows = figure_rows(self._found.kind)
        if name in self._estimates():
            return lambda ax=None, **where: self._draw(name, ax, where)
        if name in rows:
            return lambda axes=None: rows[name].draw(self._found.tree).plot(axes)
        raise AttributeError(f"results have no plot {name!r}; they have {', '.join(dir(self))}")

    def _estimates(self) -> list[str]:
        every = [one for model in self._found.models for one in readouts_of(model.data).values()]
        levelled = [
            one.name
            for one in every
            for model in self._found.models
            if one.value in model.data and one.levels in model.data[one.value].dims
        ]
        return list(dict.fromkeys(levelled))

    def _draw(self, name: str, ax: Axes | None, where: dict[str, Any]) -> Axes:
        """Draw an estimate of every model that has it, over its noise levels."""
        if ax is not None and not isinstance(ax, Axes):
            raise InputError(
                f"ax is a {type(ax).__name__}; give one matplotlib Axes, as plt.subplots() returns"
            )
        tree, unit = self._found.tree, ""
        with style():
            ax = new_axes(1, 1, row_height=2.8, width=4.2)[0, 0] if ax is None else ax
            for model in self._found.models:
                readout = readouts_of(model.data).get(name)
                if readout is None:
                    continue
                unit = readout.unit
                levels = model.data[readout.levels].values.astype(np.float64)
                found = [model.estimate(readout, float(level), **where) for level in levels]
                values, low, high = np.array([(one.value, one.low, one.high) for one in found]).T
                drawn = reading.style_of(tree, model.marked)
                places = np.arange(len(levels), dtype=np.float64)
                Curve(model.marked, places, values, low, high, drawn).draw(ax)
                reading.set_noise_axis(ax, levels, perturbation_label(tree))
            ax.set_ylabel(f"{name.replace('_', ' ')}{f' ({unit})' * bool(unit)}")
            ax.legend()
        return ax
