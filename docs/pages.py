"""Pages of the site that are made from the code: measures, figures, commands, the reference."""

import inspect
import shutil
import tarfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

EXAMPLE = "example.tar.xz"
#: The packages whose public names are documented, in the order of the road that data take.
PACKAGES = (
    "latentgeo",
    "latentgeo.datasets",
    "latentgeo.models",
    "latentgeo.objectives",
    "latentgeo.training",
    "latentgeo.features",
    "latentgeo.checkpoints",
    "latentgeo.latents",
    "latentgeo.geometry",
    "latentgeo.metrics",
    "latentgeo.measures",
    "latentgeo.results",
    "latentgeo.figures",
    "latentgeo.report",
    "latentgeo.interpolation",
    "latentgeo.sharing",
    "latentgeo.settings",
)
_MARK = "<!-- made from the code -->"


def write_made_pages(sources: Path, out: Path) -> None:
    """Fill in what is made: into the laid out pages, and beside them."""
    docs = sources / "docs"
    _fill(docs / "measures.md", measures_table())
    _fill(docs / "commands.md", commands_text())
    _fill(docs / "gallery.md", gallery_text(docs, out))
    _fill(docs / "api.md", reference_text(docs / "api"))


def _fill(page: Path, text: str) -> None:
    """Put a text where a page has the mark."""
    before, after = page.read_text(encoding="utf-8").split(_MARK)
    page.write_text(before + text + after, encoding="utf-8")


def measures_table() -> str:
    """Return what every measure states of itself, by kind of results."""
    from latentgeo.measures import measures_of

    titles = {
        "analysis": "Of an analysis",
        "interpolation": "Of paths between images",
        "lines": "Of the lines benchmark",
    }
    parts, seen = [], set()
    for kind, title in titles.items():
        rows = [_measure_row(one) for one in measures_of(kind) if one.name not in seen]
        seen |= {one.name for one in measures_of(kind)}
        head = "| measure | better | interval | does not change under | cost | needs |"
        parts += [f"## {title}", "", head, "|---" * 6 + "|", *rows, ""]
    parts += ["## What the numbers mean", ""]
    for measure in {one.name: one for kind in titles for one in measures_of(kind)}.values():
        for name, meaning in measure.meanings.items():
            parts += [f"### {name}", "", meaning, ""]
    return "\n".join(parts)


def _measure_row(measure: Any) -> str:
    stated = measure.statement
    better = stated.direction.removesuffix(" is better")
    needs = ", ".join(measure.needs) or "–"
    same = ", ".join(stated.invariances) or "none stated"
    cells = (f"**{measure.headed}** (`{measure.name}`)", better, stated.interval, same, stated.cost)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in (*cells, needs)) + " |"


def commands_text() -> str:
    """Return every command with its arguments and options."""
    from typer.main import get_command

    from latentgeo.cli.running import app

    return "\n".join(_command("latentgeo", get_command(app)))


def _command(called: str, command: Any) -> Iterator[str]:
    """Yield a command as Markdown, and those below it."""
    context = command.make_context(called, [], resilient_parsing=True)
    for name, below in getattr(command, "commands", {}).items():
        yield from _command(f"{called} {name}", below)
    if getattr(command, "commands", {}):
        return
    yield from (f"## {called}", "", inspect.cleandoc(command.help or ""), "")
    yield from ("| option | what it does |", "|---|---|")
    for option in context.command.get_params(context):
        record = option.get_help_record(context)
        if record and option.name != "help":
            spelled, told = (" ".join(one.split()).replace("|", "\\|") for one in record)
            yield f"| `{spelled}` | {told} |"
    yield ""


def gallery_text(docs: Path, out: Path) -> str:
    """Redraw the saved example, and return each figure with its reading."""
    from latentgeo.figures import found_figures, undrawn
    from latentgeo.figures.catalogue import figure_rows
    from latentgeo.measures import read
    from latentgeo.pipeline import redraw

    with tarfile.open(docs / EXAMPLE) as packed:
        packed.extractall(docs, filter="data")
    folder = docs / "example"
    redraw(folder)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / "report.html", out / "report.html")
    parts = [
        '<a href="../report.html">The whole report</a> of this run, as `analyze` leaves it.',
        "",
    ]
    for place in (folder, folder / "interpolation"):
        tree, titles = (
            read(place).tree,
            figure_rows("interpolation" if place.name != "example" else "analysis"),
        )
        for one in found_figures(tree, place / "figures"):
            picture = (place / "figures" / f"{one.name}.svg").relative_to(docs)
            parts += [f"## {one.title}", "", f"![{one.title}]({picture})", ""]
            parts += [one.caption, "", f"**How to read it.** {one.how_to_read}", ""]
        for name, reason in undrawn(tree, but=_drawn(place)).items():
            row = titles[name]
            parts += [f"## {row.title}", "", f"Not drawn for this run: {reason}.", ""]
            parts += [f"**How to read it.** {row.how_to_read}", ""]
    return "\n".join(parts)


def _drawn(place: Path) -> list[str]:
    return [path.stem for path in (place / "figures").glob("*.svg")]


def reference_text(folder: Path) -> str:
    """Write a page for each package, and return their list."""
    folder.mkdir()
    lines = []
    for package in PACKAGES:
        module = import_module(package)
        (folder / f"{package}.rst").write_text("\n".join(_package(module)), encoding="utf-8")
        first = (module.__doc__ or "").strip().splitlines()[0]
        lines.append(f"- [{package}](api/{package}.rst): {first}")
    tree = "\n".join(f"api/{package}" for package in PACKAGES)
    return "\n".join([*lines, "", "```{toctree}", ":hidden:", "", tree, "```"])


def _package(module: Any) -> Iterator[str]:
    """Yield the lines of the page of a package."""
    names = [name for name in module.__all__ if _is_at_home(name, module)]
    yield from (module.__name__, "=" * len(module.__name__), "")
    yield from (inspect.cleandoc(module.__doc__ or ""), "")
    yield from (f".. currentmodule:: {module.__name__}", "")
    listed = [name for name in names if _is_documented(getattr(module, name))]
    for name in listed:
        first = inspect.getdoc(getattr(module, name)).splitlines()[0]
        yield f"- :py:obj:`{name}`: {first}"
    yield ""
    for name in names:
        yield from _entry(name, getattr(module, name))


def _is_at_home(name: str, module: Any) -> bool:
    """Tell whether a name is documented here: classes once, where they are from."""
    value = getattr(module, name)
    if not inspect.isclass(value) or name == "InputError":
        return name != "__version__"
    homes = [one for one in PACKAGES[1:] if value.__module__.startswith(f"{one}.")]
    return not homes or homes[0] == module.__name__


def _entry(name: str, value: Any) -> Iterator[str]:
    if inspect.isclass(value):
        yield from (f".. autoclass:: {name}", "   :members:", "")
    elif inspect.isfunction(value):
        yield from (f".. autofunction:: {name}", "")
    else:
        yield from (f".. py:data:: {name}", "")


def _is_documented(value: Any) -> bool:
    return inspect.isclass(value) or inspect.isfunction(value)
