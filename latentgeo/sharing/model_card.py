"""The model card: what a model is, and what was measured of it."""

import math
from functools import cache
from typing import Any, NamedTuple

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from latentgeo.datasets import names
from latentgeo.figures import FigureFile
from latentgeo.foreign import printable
from latentgeo.measures import Measure, Metric, measures_of
from latentgeo.models import RECIPES, Autoencoder
from latentgeo.results import ModelResult, level_key, plain
from latentgeo.sharing.portable import portable

CARD = "README.md"
_NONE = "–"
_TASK = "image-feature-extraction"

Facts = dict[str, Any]


class Measured(NamedTuple):
    """What an analysis found of one model.

    Attributes
    ----------
    model : ModelResult
        What was measured of it.
    others : list of str
        Names of the other models of the analysis.
    summary : dict
        What its `summary.json` holds.
    figures : tuple of FigureFile
        Its figures, which show all of its models.
    """

    model: ModelResult
    others: list[str]
    summary: Facts
    figures: tuple[FigureFile, ...]

    @property
    def facts(self) -> Facts:
        """What the summary says of this model."""
        found: Facts = self.summary["models"][self.model.label]
        return found

    @property
    def notes(self) -> list[str]:
        """What a reader must know of each measure."""
        return [
            note for measure in measures_of("analysis") for note in measure.card_notes(self.model)
        ]


def model_card(
    name: str, model: Autoencoder, measured: Measured | None, licence: str | None
) -> str:
    """Write the card of a model.

    Parameters
    ----------
    name : str
        Name of the model.
    model : Autoencoder
        The model, with its provenance.
    measured : Measured or None
        What an analysis found; the card says how to make one where there is none.
    licence : str or None
        As the hub names it.

    Returns
    -------
    str
        Markdown under a front matter in YAML, as on the Hugging Face hub.
    """
    trained = portable(model.provenance)
    header = yaml.safe_dump(
        _metadata(name, model, trained, measured, licence), sort_keys=False, allow_unicode=True
    )
    body = _template().render(
        name=name,
        model=model,
        what=_sentence(RECIPES[model.config.recipe].summary),
        shape="×".join(map(str, model.latent_shape)),
        images="×".join(map(str, model.config.image_shape)),
        options=model.config.options,
        data=_data(model, trained),
        trained=trained,
        learned=_learned(trained, measured),
        measured=measured,
        table=None if measured is None else _table(measured.model),
        licence=licence,
        code=_code,
        ours=_Ours,
        number=_number,
    )
    return f"---\n{header}---\n{body}"


@cache
def _template() -> Any:
    """Load the card's template; a name that is missing in it is an error, not a gap."""
    environment = Environment(  # noqa: S701 - it makes Markdown, and _escaped escapes for that
        finalize=_escaped,
        loader=PackageLoader("latentgeo.sharing"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("model_card.md.j2")


def _learned(trained: Facts, measured: Measured | None) -> bool | None:
    """Return whether the model has learned, by the analysis or else by the run; None if unknown."""
    judged = trained.get("learned") if measured is None else measured.facts["learned"]
    return None if judged is None else bool(judged)


def _data(model: Autoencoder, trained: Facts) -> str:
    """Return arguments of `latentgeo.encode` for images that the model takes."""
    name, (_, rows, _) = trained.get("data", {}).get("name"), model.config.image_shape
    if name not in names():
        return f'"folder/of/images", size={rows}'
    resized = names()[name].image_shape != tuple(model.config.image_shape)
    return f'"{name}", size={rows}' if resized else f'"{name}"'


def _metadata(
    name: str,
    model: Autoencoder,
    trained: Facts,
    measured: Measured | None,
    licence: str | None,
) -> Facts:
    """Return the front matter."""
    recipe = model.config.recipe
    data = trained.get("data", {}).get("name")
    found: Facts = {"library_name": "latentgeo"}
    if licence is not None:
        found["license"] = licence
    found["pipeline_tag"] = _TASK
    found["tags"] = ["latentgeo", "autoencoder", recipe, "latent-space"]
    if data in names():  # the name of a folder of images means nothing to others
        found["datasets"] = [data]
    if measured is not None:
        results = _results(measured)
        found["metrics"] = list(dict.fromkeys(metric["type"] for metric in results["metrics"]))
        found["model-index"] = [{"name": name, "results": [results]}]
    return found


def _results(measured: Measured) -> Facts:
    """Return the numbers as the hub's model index takes them.

    Who reads the index does not read the warning in the card: of a model that has not learned
    it holds no geometry.
    """
    data, model = _line(str(measured.summary["data"])), measured.model
    shown = [
        measure for measure in _in_order() if model.learned is not False or measure.shown_unlearned
    ]
    return {
        "task": {"type": _TASK, "name": "Geometry of the latent space"},
        "dataset": {
            "type": data,
            "name": data,
            "args": {"samples": measured.summary["samples"], "seed": measured.summary["seed"]},
        },
        "metrics": [
            {
                "type": metric.key,
                "value": metric.estimate.value,
                "name": f"{metric.name}, {measured.summary['perturbation']} {level_key(level)}",
                "args": {"noise": level, "ci95": metric.estimate.to_json()["ci95"]},
            }
            for level in model.levels
            for measure in shown
            for metric in measure.card(model.views[0], level)
            if metric.key and plain(metric.estimate.value) is not None
        ],
    }


def _in_order() -> list[Measure]:
    """Return the measures, those first that say whether the others mean anything."""
    return sorted(measures_of("analysis"), key=lambda measure: not measure.shown_unlearned)


def _table(model: ModelResult) -> list[list[str]]:
    """Return the numbers as rows of text, the head first."""
    view = model.views[0]
    rows = {
        level: [metric for measure in _in_order() for metric in measure.card(view, level)]
        for level in model.levels
    }
    head = ["Noise", *(metric.name for metric in rows[model.levels[0]])]
    return [head, *([level_key(level), *map(_text, metrics)] for level, metrics in rows.items())]


def _text(metric: Metric) -> str:
    """Format a number with its interval, or with a word where it has not settled."""
    if metric.shown or math.isnan(metric.estimate.value):
        return metric.shown or _NONE
    return metric.estimate.text(metric.digits)


class _Ours(str):
    """A text of our own, in which Markdown takes effect."""


def _escaped(value: Any) -> Any:
    """Keep a text in its cell and on its line, and Markdown or HTML in it from taking effect."""
    if not isinstance(value, str) or isinstance(value, _Ours):
        return value
    line = _line(value)
    for mark in "\\`*_[]<>|#":
        line = line.replace(mark, f"\\{mark}")
    return line


def _code(value: Any) -> _Ours:
    """Return a text that is set as code: what ends code or a cell is replaced."""
    return _Ours(_line(str(value)).replace("`", "'").replace("|", "/"))


def _line(text: str) -> str:
    return printable(" ".join(text.split()))


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _number(value: float | None, digits: int = 1) -> str:
    return _NONE if value is None else f"{value:.{digits}f}"
