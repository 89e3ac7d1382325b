"""The command line that studies have in common."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from latentgeo import InputError


def run_command(
    name: str,
    description: str | None,
    scales: Mapping[str, Any],
    study: Callable[..., None],
    arguments: list[str] | None = None,
) -> int:
    """Run a study as a command.

    Parameters
    ----------
    name : str
        Of the study: its messages and its folder begin with it.
    description : str, optional
        Its first line is the command's.
    scales : mapping of str to dataclass
        The scales by name, each with its number of `seeds`; "laptop" is the default.
    study : callable
        Given the scale's name, the scale and the output folder, and by name `workers` and `device`.
    arguments : list of str, optional
        Those of the command; the process's if left out.

    Returns
    -------
    int
        0 when done, 2 for input that cannot be used.
    """
    chosen = _parse(name, description, scales, arguments)
    out = chosen.out or Path("results") / f"{name}-{chosen.scale}"
    scale = scales[chosen.scale]
    if chosen.seeds is not None:
        scale = replace(scale, seeds=chosen.seeds)
    try:
        study(chosen.scale, scale, out, workers=chosen.workers, device=chosen.device)
    except (InputError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    return 0


def count(text: str) -> int:
    """Read a whole number from 1, as an argument of a command."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def _parse(
    name: str,
    description: str | None,
    scales: Mapping[str, Any],
    arguments: list[str] | None,
) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--scale", default="laptop", choices=scales, help="default: laptop")
    parser.add_argument("--seeds", type=count, help="how many seeds; default: the scale's")
    parser.add_argument("--out", type=Path, help=f"default: results/{name}-…")
    parser.add_argument("--workers", type=count, default=os.cpu_count(), help="default: all cores")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    return parser.parse_args(arguments)
