"""What a command says at its end: what was found, where it lies, and what to type next."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from latentgeo.cli.app import say

if TYPE_CHECKING:
    from latentgeo.results import Analysis


def close(found: "Analysis", out: Path, *, as_json: bool, quiet: bool, more: str = "") -> None:
    """Print what was found in five lines, or as JSON.

    Parameters
    ----------
    found : Analysis
        The results.
    out : pathlib.Path
        Their folder.
    as_json : bool
        Print the summary as JSON and nothing else.
    quiet : bool
        Print the address of the report alone.
    more : str, default=""
        A further command that makes sense now.
    """
    report = out / "report.html"
    if as_json:
        say(json.dumps(found.summary, indent=2))
        return
    if not quiet:
        for line in _found(found):
            say(line)
        say(f"numbers: {out / 'summary.json'}")
    say(f"report: {report}")
    if not quiet:
        folder = shlex.quote(str(out))
        say(f"next: latentgeo open {folder}{f'   or: {more}' if more else ''}")


def _found(found: "Analysis") -> list[str]:
    """Return how well the models learned, and what differs between them."""
    from latentgeo.measures import difference, in_lines
    from latentgeo.measures.quality import learning

    models = found.models
    if found.kind != "analysis":
        return in_lines(found)
    told = [f"{model.label} {learning(model, models)}" for model in models]
    verdict = difference(models) or str(models[0].attrs["verdict"])
    return [f"models: {'; '.join(told)}", f"found: {verdict}"]
