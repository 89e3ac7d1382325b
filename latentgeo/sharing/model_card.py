"""The model card: what a model is, and what was measured of it."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from latentgeo.datasets import names
from latentgeo.figures import FigureFile
from latentgeo.models import RECIPES, Autoencoder
from latentgeo.sharing.portable import portable

CARD = "README.md"
_NONE = "–"
_TASK = "image-feature-extraction"

Facts = dict[str, Any]


class Measured(NamedTuple):
    """What an analysis found of one model.

    Attributes
    ----------
    label : str
        Name of the model in the analysis.
    summary : dict
        What its `summary.json` holds.
    figures : tuple of FigureFile
        Its figures, which show all of its models.
    """

    label: str
    summary: Facts
    figures: tuple[FigureFile, ...]

    @property
    def model(self) -> Facts:
        """What the summary says of this model."""
        found: Facts = self.summary["models"][self.label]
        return found

    @property
    def others(self) -> list[str]:
        """Names of the other models of the analysis."""
        return [label for label in self.summary["models"] if label != self.label]


class Metric(NamedTuple):
    """One number of the card at one noise level.

    Attributes
    ----------
    type : str
        Its name in the metadata.
    name : str
        Its name for readers, the head of its column.
    value : float or None
    interval : list of float or None
        95 %.
    digits : int
        Decimals that are shown.
    """

    type: str
    name: str
    value: float | None
    interval: list[float | None]
    digits: int = 1

    @property
    def text(self) -> str:
        """The value, with its interval in square brackets where it has one."""
        if self.value is None:
            return _NONE
        if None in self.interval:
            return f"{self.value:.{self.digits}f}"
        low, high = (f"{end:.{self.digits}f}" for end in self.interval)
        return f"{self.value:.{self.digits}f} [{low}, {high}]"


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
        escaped=_escaped,
        number=_number,
    )
    return f"---\n{header}---\n{body}"


@cache
def _template() -> Any:
    """Load the card's template; a name that is missing in it is an error, not a gap."""
    environment = Environment(  # noqa: S701 - it makes Markdown, and _escaped escapes for that
        loader=PackageLoader("latentgeo.sharing"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("model_card.md.j2")


def _learned(trained: Facts, measured: Measured | None) -> bool | None:
    """Say whether the model has learned: by the analysis, or else by the run; None if unknown."""
    judged = trained.get("learned") if measured is None else measured.model["learned"]
    return None if judged is None else bool(judged)


def _data(model: Autoencoder, trained: Facts) -> str:
    """Give arguments of `latentgeo.encode` for images that the model takes."""
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
    """Give the front matter."""
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
    """Give the numbers as the hub's model index takes them.

    Who reads the index does not read the warning in the card: of a model that has not learned
    it holds no geometry.
    """
    data = str(measured.summary["data"])
    unlearned = measured.model["learned"] is False
    return {
        "task": {"type": _TASK, "name": "Geometry of the latent space"},
        "dataset": {
            "type": data,
            "name": data,
            "args": {"samples": measured.summary["samples"], "seed": measured.summary["seed"]},
        },
        "metrics": [
            {
                "type": metric.type,
                "value": metric.value,
                "name": f"{metric.name}, {measured.summary['perturbation']} {level}",
                "args": {"noise": float(level), "ci95": metric.interval},
            }
            for level, metrics in _by_level(measured.model).items()
            for metric in metrics
            if metric.value is not None and (metric.type == "psnr" or not unlearned)
        ],
    }


def _table(model: Mapping[str, Any]) -> list[list[str]]:
    """Give the numbers as rows of text, the head first."""
    by_level = _by_level(model)
    head = ["Noise", *(metric.name for metric in next(iter(by_level.values())))]
    rows = [[level, *(metric.text for metric in metrics)] for level, metrics in by_level.items()]
    if "strata" not in model:
        return [head, *rows]
    strata = [_stratum(model["strata"][level]) for level in by_level]
    return [
        [*head, "Most frequent ranks (S1, S2, S3)"],
        *([*row, stratum] for row, stratum in zip(rows, strata, strict=True)),
    ]


def _by_level(model: Mapping[str, Any]) -> dict[str, list[Metric]]:
    return {level: list(_metrics(model, level)) for level in model["hilbert_dimension"]}


def _metrics(model: Mapping[str, Any], level: str) -> Iterator[Metric]:
    """Give what the card shows of a noise level."""
    if model["psnr_db"] is not None:
        psnr = model["psnr_db"][level]
        yield Metric("psnr", "PSNR (dB)", psnr["mean"], psnr["ci95"])
    dimension = model["hilbert_dimension"][level]["0.95"]
    yield Metric(
        "hilbert_dimension_95", "Hilbert dimension", dimension["value"], dimension["ci95"], 0
    )
    if "intrinsic_dimension" in model:
        intrinsic = model["intrinsic_dimension"][level]["two-nn"]
        yield Metric(
            "intrinsic_dimension_two_nn",
            "Intrinsic dimension (TwoNN)",
            intrinsic["value"],
            intrinsic["ci95"],
        )
    angle = model["principal_angles_deg"][level]["mean"]
    yield Metric("principal_angle_mean", "Mean principal angle (°)", angle["value"], angle["ci95"])
    if "units" in model:
        active = model["units"]["by_noise"][level]["active"]
        yield Metric(
            "active_units",
            f"Active units of {model['units']['number']}",
            active["value"],
            active["ci95"],
            0,
        )


def _stratum(strata: Mapping[str, int]) -> str:
    """Name the most frequent rank triple, and how many images have it."""
    triple, count = max(strata.items(), key=lambda item: item[1])
    return f"({triple.replace(',', ', ')}), {count} of {sum(strata.values())} images"


def _escaped(text: str) -> str:
    """Keep a text in its cell and on its line, and Markdown or HTML in it from taking effect."""
    line = " ".join(str(text).split())
    for mark in "\\`*_[]<>|#":
        line = line.replace(mark, f"\\{mark}")
    return line


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _number(value: float | None, digits: int = 1) -> str:
    return _NONE if value is None else f"{value:.{digits}f}"
