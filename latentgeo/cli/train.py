"""`latentgeo train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentgeo import processes
from latentgeo.cli.app import Force, Quiet, app, say
from latentgeo.cli.options import Form, Spelling, command, read_pairs
from latentgeo.errors import InputError

if TYPE_CHECKING:
    from latentgeo.settings import TrainSettings

TRAINING = Form(
    "settings",
    "latentgeo.settings:TrainSettings",
    {
        "recipe": Spelling(argument="RECIPE"),
        "options": Spelling(
            "--option", read=lambda pairs: read_pairs(pairs, "option", "widths=[16,32,64]")
        ),
    },
)


@command(app, TRAINING)
def train(
    settings: "TrainSettings",
    out: Annotated[Path, typer.Option("--out", "-o", help="The run folder to create.")],
    seeds: Annotated[
        str | None,
        typer.Option(
            help="Train these seeds at once, a run folder of each in --out: 0,1,2 or 0-7."
        ),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=[VALUES]",
            help="Train at these values of a setting or an option at once; may be repeated.",
        ),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Log to TensorBoard too.")
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Print a time profile, and write a trace.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Resume an interrupted run.")] = False,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Train an autoencoder and write a run folder."""
    from latentgeo.training import train, train_together

    given = settings.model_dump(exclude_unset=True)
    how: dict[str, Any] = {"out": out, "resume": resume, "force": force, "progress": not quiet}
    if seeds is not None or sweep:
        seed = given.pop("seed", 0)
        if (seeds is not None and seed) or tensorboard or profile:
            raise InputError(
                "--seeds and --sweep train several runs at once; leave out --tensorboard and "
                "--profile, which watch one, and --seed beside --seeds"
            )
        several = [seed] if seeds is None else _read_seeds(seeds)
        swept = read_pairs(sweep or [], "sweep", "kl_weight=[0.5,1,4]")
        for folder in train_together(**given, seeds=several, sweep=swept, **how):
            say(f"run: {folder}")
        return
    folder = train(**given, tensorboard=tensorboard, profile=profile, **how)
    if profile and processes.is_rank_zero():
        say((folder / "profile" / "summary.txt").read_text(encoding="utf-8"), nl=False)
    say(f"run: {folder}")


def _read_seeds(text: str) -> list[int]:
    """Read the seeds of a list or a range, as in 0,1,2 or 0-2."""
    try:
        first, dash, last = text.partition("-")
        if dash:
            return list(range(int(first), int(last) + 1))
        return [int(seed) for seed in text.split(",")]
    except ValueError:
        raise InputError(
            f"seeds {text!r} are not whole numbers; expected some with commas, as in 0,1,2, or a "
            "range, as in 0-7"
        ) from None
