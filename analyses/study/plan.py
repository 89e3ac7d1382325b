"""What a study is, what a command asks of it, and the runs that it consists of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latentgeo.models import Autoencoder, choose_device, load_model
from study.gather import Facts, Measure
from study.judge import Reported


@dataclass(frozen=True)
class Model:
    """A model of a study.

    Attributes
    ----------
    recipe : str
        As for `latentgeo.train`.
    options : dict
        What differs from the recipe's defaults.
    summary : str
        What it is, for tables.
    reported : Reported, optional
        What was reported of it.
    """

    recipe: str
    options: dict[str, Any] = field(default_factory=dict)
    summary: str = ""
    reported: Reported | None = None


@dataclass(frozen=True)
class Run:
    """One model at one seed; without a model it is measured and not trained.

    Attributes
    ----------
    name : str
        Of the model.
    seed : int
        Seeds training and measures.
    scale : dataclass
        How large the study is.
    out : pathlib.Path
        The study's folder.
    device, data : str
        As for `latentgeo.train`.
    model : Model, optional
        What is trained.
    group : str
        A folder between `runs` and the seed, where a study trains a model in several ways.
    precision : str
        As for `latentgeo.train`.
    """

    name: str
    seed: int
    scale: Any
    out: Path
    device: str
    data: str
    model: Model | None = None
    group: str = ""
    precision: str = "32-true"

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.out / "runs" / self.group / f"seed-{self.seed}" / self.name

    @property
    def options(self) -> dict[str, Any]:
        """The options of its model."""
        return {} if self.model is None else self.model.options

    def trained(self) -> Autoencoder:
        """Return the trained model, ready to be evaluated."""
        return load_model(self.folder).eval().to(choose_device(self.device))


@dataclass(frozen=True)
class Request:
    """What a command asks for: the study's scale, folder, processes, device, data, and the rest.

    Of a study's models, `only` names those to train and measure; all where it is empty.
    """

    scale_name: str
    scale: Any
    out: Path
    workers: int
    device: str
    data: str
    more: Mapping[str, Any] = field(default_factory=dict)
    only: Sequence[str] = ()
    precision: str = "32-true"

    def run(self, name: str, seed: int, model: Model | None, group: str = "") -> Run:
        """Return a run of this request."""
        where = self.out, self.device, self.data
        return Run(name, seed, self.scale, *where, model, group, self.precision)

    def runs(self, models: Mapping[str, Model], group: str = "") -> list[Run]:
        """Return a run for each model and seed; each model once before any a second time."""
        seeds = range(self.scale.seeds) if models else ()  # without models a scale has none
        return [
            self.run(name, seed, model, group) for seed in seeds for name, model in models.items()
        ]


@dataclass(frozen=True)
class Study:
    """A study: models, measures, claims.

    Attributes
    ----------
    name : str
        Its messages and its folder begin with it.
    about : str, optional
        The command's description is its first line.
    scales : mapping of str to dataclass
        Each with its number of `seeds`, its `data` unless the command asks for them, and the
        names of its `models` where it may have a few alone.
    settings : callable
        A run to settings of `latentgeo.train`.
    show : callable
        What `study.json` holds to what the page's template sets besides.
    page : str
        The template in `analyses/pages` that `study.md` is made of.
    models : mapping of str to Model
        What is trained, by name.
    runs : callable, optional
        A request to its runs; the scale's models at every seed if left out.
    measure : callable, optional
        A run to what is measured of it, JSON-ready.
    measured : str
        The file of a run folder that holds that.
    measures : mapping of str to Measure
        The numbers of a run.
    gather : callable, optional
        A request and its runs to what `study.json` holds beside the provenance, or None where
        there is nothing to say; if left out, `measures` of "models" over seeds.
    prepare : callable, optional
        What is done with a request before any run.
    facts : callable, optional
        A request to what is particular to its provenance.
    draw : callable, optional
        Draws what `study.json` holds into a folder.
    picture : callable, optional
        Draws what a request's runs make into a folder.
    arguments : mapping of str to dict
        Further arguments of the command by their flag, as for `argparse`.
    adapt : callable, optional
        A request to what is done in its place.
    trains : bool
        Whether the command has seeds, processes and a device.
    scale : str
        The default scale.
    workers : int, optional
        How many processes are the default; all cores if left out.
    folder, stem : str
        Where in the output folder, and under which name, JSON, page and figures go.
    """

    name: str
    about: str | None
    scales: Mapping[str, Any]
    settings: Callable[[Run], Facts]
    show: Callable[[Facts], Facts]
    page: str
    models: Mapping[str, Model] = field(default_factory=dict)
    runs: Callable[[Request], Sequence[Run]] | None = None
    measure: Callable[[Run], Facts] | None = None
    measured: str = "measures.json"
    measures: Mapping[str, Measure] = field(default_factory=dict)
    gather: Callable[[Request, Sequence[Run]], Facts | None] | None = None
    prepare: Callable[[Request], object] | None = None
    facts: Callable[[Request], Facts] | None = None
    draw: Callable[[Facts, Path], None] | None = None
    picture: Callable[[Request, Sequence[Run], Path], None] | None = None
    arguments: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    adapt: Callable[[Request], Request] | None = None
    trains: bool = True
    scale: str = "laptop"
    workers: int | None = None
    folder: str = "study"
    stem: str = "study"

    def runs_of(self, request: Request) -> Sequence[Run]:
        """Return the runs of a request."""
        if self.runs is not None:
            return self.runs(request)
        names = getattr(request.scale, "models", self.models)
        return request.runs({name: self.models[name] for name in names})
