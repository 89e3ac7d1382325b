"""What was measured of several models, with typed access."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentgeo.errors import InputError
from latentgeo.files import check_free, folder_in_place, kept
from latentgeo.lazy import xr
from latentgeo.results.estimate import Readout, readouts_of
from latentgeo.results.model import ModelResult, models_of

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = ("model", "view", "noise", "measure", "statistic", "value", "low", "high", "settled")


@dataclass(frozen=True)
class Analysis:
    """What `analyze`, `compare`, `interpolate` or `lines` found.

    ``found["vae"]`` returns the `ModelResult` of a model; iterating yields the names.

    Parameters
    ----------
    tree : xarray.DataTree
        Every number: one child per model.
    summary : dict
        What `summary.json` holds.
    """

    tree: xr.DataTree
    summary: dict[str, Any]

    @property
    def kind(self) -> str:
        """What was measured: "analysis" of latents, or paths: "interpolation" or "lines"."""
        return str(self.tree.attrs.get("kind", "analysis"))

    @property
    def models(self) -> list[ModelResult]:
        """The models in the order in which they were asked for."""
        return models_of(self.tree)

    @property
    def provenance(self) -> dict[str, Any]:
        """Time, command, versions, machine, hashes and settings."""
        found: dict[str, Any] = json.loads(self.tree.attrs["provenance"])
        return found

    def __getitem__(self, label: str) -> ModelResult:
        found = {model.label: model for model in self.models}
        if label not in found:
            raise InputError(
                f"there is no model {label!r} in these results; expected one of "
                f"{', '.join(map(repr, found))}"
            )
        return found[label]

    def __iter__(self) -> Iterator[str]:
        return iter(model.label for model in self.models)

    def __len__(self) -> int:
        return len(self.tree.children)

    def __contains__(self, label: object) -> bool:
        return label in self.tree.children

    @property
    def plot(self) -> Any:
        """Its figures and estimates, drawn: ``found.plot.psnr(ax=ax)``; see `Plots`."""
        # By name: results know nothing of figures, as they know nothing of matplotlib.
        return import_module("latentgeo.figures.plots").Plots(self)

    def save(self, folder: str | Path, *, force: bool = False) -> Path:
        """Write numbers, summary, figures and report, as `analyze` does; `read` takes them back.

        Parameters
        ----------
        folder : str or pathlib.Path
            A folder to be made.
        force : bool, default=False
            Replace what it holds.

        Returns
        -------
        pathlib.Path
            The folder.

        Raises
        ------
        InputError
            When the folder is not free.
        """
        target = Path(folder)
        check_free(target, holds="an analysis", force=force)
        with kept(target), folder_in_place(target) as place:
            import_module("latentgeo.report").write_results(self, place)
        return target

    def to_xarray(self) -> xr.DataTree:
        """Return every number, one data set per model, as it is saved."""
        return self.tree

    def to_dataframe(self) -> pd.DataFrame:
        """Return every estimate as one row of a tidy table.

        Returns
        -------
        pandas.DataFrame
            Columns model, view, noise (NaN for a measure that is not taken per level), measure,
            statistic (further coordinates, as "share=0.95"), value, low and high (ends of the 95 %
            interval, NaN where there is none), and settled: a word on numbers that depend on how
            many images there are.
        """
        import pandas as pd

        rows = [
            row
            for model in self.models
            for readout in readouts_of(model.data).values()
            for row in _rows(model, readout)
        ]
        return pd.DataFrame(rows, columns=list(_COLUMNS))

    def _repr_html_(self) -> str:
        """Return tiles and the first table as HTML, for notebooks; of paths, the models."""
        if self.kind == "analysis":
            return str(import_module("latentgeo.report").landing(self))
        rows = "".join(
            f"<tr><th>{escape(model.label)}</th><td>{_LEARNED[model.learned]}</td>"
            f"<td style='text-align:left'>{escape(str(model.attrs.get('verdict', '')))}</td></tr>"
            for model in self.models
            if "learned" in model.attrs
        )
        head = (
            f"<p><b>{escape(self.kind.capitalize())}</b> of {len(self)} "
            f"model{'s' * (len(self) != 1)} on {escape(str(self.tree.attrs.get('data', '')))}</p>"
        )
        columns = "<tr><th>Model</th><th>Learned</th><th>Verdict</th></tr>"
        return f"{head}<table>{columns}{rows}</table>" if rows else head


_LEARNED = {True: "yes", False: "no", None: "unknown"}


def _rows(model: ModelResult, readout: Readout) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of one estimate, over every coordinate that it has."""
    names = [str(name) for name in model.data[readout.value].dims]
    for values in product(*(model.data[name].values for name in names)):
        where = dict(zip(names, values, strict=True))
        one = readout.read(model.data, **where)
        statistic = ", ".join(
            f"{name}={value}"
            for name, value in where.items()
            if name not in ("view", readout.levels)
        )
        yield (
            model.label,
            str(where.get("view", "mean")),
            float(where.get(readout.levels, np.nan)),
            readout.name,
            statistic,
            one.value,
            one.low,
            one.high,
            one.settled,
        )
