"""From what `study.json` holds to `study.md` and figures."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from statistics import mean, median
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from latentgeo import InputError
from latentgeo.files import write_text
from study.gather import Facts, Measure, interval_of
from study.plan import Study
from study.read import read_json

PAGES = Path(__file__).parents[1] / "pages"


def render(study: Study, folder: Path) -> Path:
    """Write `study.md` and the figures of what lies in `study.json`, without any run.

    Parameters
    ----------
    study : Study
        The study.
    folder : pathlib.Path
        Holds `study.json`.

    Returns
    -------
    pathlib.Path
        The page.
    """
    saved = folder / f"{study.stem}.json"
    if not saved.is_file():
        raise InputError(
            f"folder {str(folder)!r} holds no {saved.name}; give the folder that the study wrote"
        )
    found = read_json(saved)
    page = saved.with_suffix(".md")
    write_text(page, to_markdown(study, found))
    if study.draw is not None:
        study.draw(found, folder)
    return page


def to_markdown(study: Study, found: Facts) -> str:
    """Return the page of what `study.json` holds."""
    return fill(f"{study.page}.md", **{**found, "facts": found["provenance"], **study.show(found)})


def macro(page: str, name: str, *values: Any) -> list[str]:
    """Return the lines of a macro of a template, as of one of its tables."""
    return str(
        getattr(_environment().get_template(f"{page}.j2").module, name)(*values)
    ).splitlines()


def fill(page: str, **values: Any) -> str:
    """Return a template of `analyses/pages` with its values set."""
    return str(_environment().get_template(f"{page}.j2").render(values))


@cache
def _environment() -> Environment:
    """Return the pages' environment; a name that is missing in it is an error, not a gap."""
    environment = Environment(
        loader=FileSystemLoader(PAGES),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    helpers = (
        each,
        mean,
        median,
        named,
        number,
        format_interval,
        format_mean,
        table,
        where_from,
        with_ends,
    )
    environment.globals.update({helper.__name__: helper for helper in helpers})
    return environment


def format_mean(found: Facts | None, digits: int = 2, factor: float = 1) -> str:
    """Return a mean with its interval, of one seed over images; a dash where there is nothing."""
    if found is None:
        return "–"
    return with_ends(found["mean"], interval_of(found), f".{digits}f", factor)


def format_interval(found: Facts, digits: int = 2) -> str:
    """Return a mean with the ends of its own interval, `low` and `high`."""
    return with_ends(found["mean"], [found["low"], found["high"]], f".{digits}f")


def with_ends(
    mean: float | None, ends: Sequence[float | None] | None, form: str, factor: float = 1
) -> str:
    """Return a number with the ends of its interval, where it has them."""
    text = number(mean, form, factor)
    if ends is None or None in ends:
        return text
    low, high = (number(end, form, factor) for end in ends)
    return f"{text} [{low}, {high}]"


def number(value: float | None, form: str, factor: float = 1) -> str:
    """Return a number in a form; None, which is what JSON has for NaN, as nan."""
    return format(float("nan") if value is None else factor * value, form)


def each(values: Iterable[float | None], form: str) -> str:
    """Return numbers in a form, with commas."""
    return ", ".join(number(value, form) for value in values)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, a line for each row."""
    lines = (heads, ["---"] * len(heads), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def measures_table(
    measures: Mapping[str, Measure],
    models: Mapping[str, Facts],
    *,
    more: Iterable[Sequence[str]] = (),
) -> str:
    """Return a table with a row for each model and a column for each measure that any has."""
    shown = {name: how for name, how in measures.items() if any(name in m for m in models.values())}
    rows = [
        [
            named(model, found["sound"]),
            *(format_mean(found.get(name), how.digits, how.factor) for name, how in shown.items()),
        ]
        for model, found in models.items()
    ]
    return table(["model", *(how.label for how in shown.values())], [*rows, *more])


def named(name: str, sound: bool) -> str:
    """Return a model's name, with a dagger where not all its runs are sound."""
    return name if sound else f"{name} †"


def where_from(facts: Mapping[str, Any]) -> str:
    """Return how long training took, versions, machine and command."""
    versions, machine = facts["versions"], facts["machine"]
    return (
        f"{facts['seeds']} seeds. Training took {facts['training_seconds'] / 60:.0f} minutes, "
        f"added up over processes of one thread each, {facts['workers']} at a time. latentgeo "
        f"{versions['latentgeo']}, torch {versions['torch']}, {machine['cores']} cores "
        f"({machine['architecture']}); command: `{facts['command']}`."
    )
