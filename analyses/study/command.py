"""The command line of a study."""

import argparse
import os
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from latentgeo import InputError
from study.plan import Request, Study
from study.render import render
from study.run import carry_out


def run_command(study: Study, arguments: list[str] | None = None) -> int:
    """Run a study as a command.

    Parameters
    ----------
    study : Study
        What is run.
    arguments : list of str, optional
        Those of the command; the process's if left out.

    Returns
    -------
    int
        0 when done, 2 for input that cannot be used.
    """
    chosen = _parser(study).parse_args(arguments)
    try:
        if chosen.redraw is not None:
            print(f"study: {render(study, chosen.redraw)}")
        else:
            carry_out(study, request_of(study, chosen))
    except (InputError, OSError) as error:
        print(f"{study.name}: {error}", file=sys.stderr)
        return 2
    return 0


def request_of(study: Study, chosen: argparse.Namespace) -> Request:
    """Return what a command asks for."""
    scale = study.scales[chosen.scale]
    if getattr(chosen, "seeds", None) is not None:
        # A study may count the seeds of its parts apart.
        counts = [each.name for each in fields(scale) if each.name.endswith("seeds")]
        scale = replace(scale, **dict.fromkeys(counts, chosen.seeds))
    more = {flag.lstrip("-"): how.get("default") for flag, how in study.arguments.items()}
    asked = {name: getattr(chosen, name) for name in more}
    data: Any = asked.get("data", getattr(scale, "data", None))
    named = [study.name, *([data] if isinstance(asked.get("data"), str) else []), chosen.scale]
    named += [
        value
        for name, value in asked.items()
        if name != "data" and isinstance(value, str) and value != more[name]
    ]
    return Request(
        chosen.scale,
        scale,
        chosen.out or Path("results") / "-".join(named),
        getattr(chosen, "workers", 1),
        getattr(chosen, "device", "auto"),
        data,
        asked,
        getattr(chosen, "only", None) or (),
        getattr(chosen, "precision", "32-true"),
    )


def count(text: str) -> int:
    """Read a whole number from 1, as an argument of a command."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def _parser(study: Study) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(study.about or "").partition("\n")[0])
    workers = study.workers or os.cpu_count()
    common: dict[str, dict[str, Any]] = {
        "--seeds": {"type": count, "help": "how many seeds; default: the scale's"},
        "--workers": {"type": count, "default": workers, "help": f"processes; default: {workers}"},
        "--device": {"default": "auto", "help": "auto, cpu or cuda"},
        "--precision": {"default": "32-true", "help": "as of `latentgeo train`"},
        "--only": {"nargs": "+", "metavar": "MODEL", "help": "train and measure these alone"},
    }
    for flag, how in {**study.arguments, **(common if study.trains else {})}.items():
        parser.add_argument(flag, **how)
    default = f"default: {study.scale}"
    parser.add_argument("--scale", default=study.scale, choices=study.scales, help=default)
    parser.add_argument("--out", type=Path, help=f"default: results/{study.name}-…")
    parser.add_argument(
        "--redraw", type=Path, metavar="DIR", help="write the page and figures of results anew"
    )
    return parser
