"""The application, what its commands share, and what holds before any of them runs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentgeo import processes
from latentgeo.cli.options import Form, Spelling, read_pairs
from latentgeo.cli.streams import answers
from latentgeo.errors import InputError
from latentgeo.foreign import printable

if TYPE_CHECKING:
    from latentgeo.checkpoints import Card

app = typer.Typer(
    name="latentgeo",
    help="Measure the shape of a latent space.",
    pretty_exceptions_enable=False,
)

Data = Annotated[
    str,
    typer.Option(
        help="A data set's name (see `latentgeo datasets`), a folder of images, a file of arrays "
        "or Parquet, or a text."
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what the output folder holds.")]
Quiet = Annotated[
    bool,
    typer.Option("--quiet/--verbose", "-q/-v", help="No progress bars, one closing line."),
]
Json = Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")]
Checkpoint = Annotated[
    Path | None,
    typer.Argument(help="A run folder, or a folder or file of a third-party model."),
]
Checkpoints = Annotated[
    list[Path] | None,
    typer.Argument(help="Run folders, or folders or files of third-party models."),
]
PathsOut = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        help="The folder for the results; the report in a folder of `analyze` gains a section.",
    ),
]

_SHARED = ("train", "encode", "analyze")


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from latentgeo import __version__

        say(f"latentgeo {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit
    if processes.count() > 1 and context.invoked_subcommand not in _SHARED:
        raise InputError(
            f"`latentgeo {context.invoked_subcommand}` is the work of one process, and torchrun "
            f"started {processes.count()}; only {', '.join(_SHARED)} can share theirs"
        )


def _card_of(values: dict[str, Any]) -> "Card":
    from latentgeo.checkpoints import Card
    from latentgeo.settings import LAYOUTS

    posterior = values.get("posterior", {})
    if posterior.get("layout", "auto") not in LAYOUTS:
        named = posterior.pop("layout").split(",")
        posterior["items"] = tuple(int(name) if name.isdigit() else name for name in named)
    return Card.of(**values)


#: How a checkpoint that others made is opened, on the command line of all that open one.
OPENING = Form(
    "opening",
    "latentgeo.settings:CardSettings",
    {
        "latentgeo": None,  # the version of files
        "image_shape": None,  # the data says it, or an option where there is none
        "model": Spelling(metavar="MODULE:FACTORY"),
        "arguments": Spelling(
            "--argument", read=lambda pairs: read_pairs(pairs, "argument", "latent_dim=10")
        ),
        "preprocessing.size": Spelling("--input-size", "N or H,W"),
        "preprocessing.range": Spelling(metavar="LOW,HIGH"),
        "posterior.layout": Spelling(
            "--posterior",
            "LAYOUT or INDICES",
            more="Or the indices, from 0, of the mean and the spread, as in 1,2, where an encoder "
            "returns several outputs.",
        ),
        "posterior.channels": Spelling("--latent-channels"),
        "posterior.items": None,  # the places of --posterior
        "trust_code": Spelling("--trust-code"),
        "strict": Spelling("--strict/--allow-mismatch"),
    },
    "Third-party models",
    _card_of,
)


def one_checkpoint(checkpoint: Path | None, opening: "Card") -> Path | None:
    """Return the checkpoint: the argument, the file of --weights, or None if code is enough."""
    if checkpoint is None:
        (checkpoint,) = named_by_options(opening).values()
    return checkpoint


def named_by_options(opening: "Card") -> dict[str, Path | None]:
    """Return what is meant, by its name, where no checkpoint was given as an argument."""
    if opening.weights is not None:
        path = Path(opening.weights)
        return {path.stem: path}
    if opening.model is not None:
        return {opening.model.rpartition(":")[2]: None}
    raise InputError("no checkpoint was given; give a folder or a file, or --model and --weights")


def read_shape(text: str) -> tuple[int, int, int]:
    """Read the shape of images from C,H,W."""
    try:
        channels, rows, columns = map(int, text.split(","))
    except ValueError:
        raise InputError(f"image shape {text!r} is not C,H,W; expected as in 3,64,64") from None
    if min(channels, rows, columns) < 1:
        raise InputError(f"image shape {text!r} holds a number below 1; expected as in 3,64,64")
    return channels, rows, columns


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text that may come from a file, and so could hold a terminal's commands."""
    typer.echo(printable(text), None if err else answers(), err=err, nl=nl)


def print_rows(title: str | None, rows: dict[str, Any]) -> None:
    """Print names and what belongs to them, values as JSON."""
    width = max(map(len, rows))
    if title:
        say(f"{title}s")
    for name, value in rows.items():
        say(f"  {name:<{width}}  {value if isinstance(value, str) else json.dumps(value)}")


def print_facts(title: str, facts: dict[str, Any], *, as_json: bool) -> None:
    """Print what is known of one thing, nested facts indented, or as JSON."""
    if as_json:
        say(json.dumps(facts, indent=2))
        return
    say(title)
    for name, value in facts.items():
        if isinstance(value, dict):
            print_rows(
                f"  {name.removesuffix('s')}", {f"  {key}": one for key, one in value.items()}
            )
        else:
            say(f"  {name:<10}{value}")
