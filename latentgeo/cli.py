"""The command line: each command parses, calls one library function, says where the result is.

Libraries are imported inside the commands, so that `latentgeo --help` answers at once.
"""

import errno
import json
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from latentgeo import processes
from latentgeo._opening_options import opening_options, read_pairs
from latentgeo.errors import InputError, ProcessesError, TrainingDivergedError

app = typer.Typer(
    name="latentgeo",
    help="Measure the shape of a latent space.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Data = Annotated[
    str,
    typer.Option(
        help="A data set's name (see `latentgeo datasets`), a folder of images, or a text."
    ),
]
Noise = Annotated[
    str, typer.Option(metavar="LEVELS", help="Levels of perturbation, with commas: 0,0.05,0.1.")
]
Perturb = Annotated[str, typer.Option("--perturbation", help="What the levels are levels of.")]
Samples = Annotated[str, typer.Option(help="How many test images, or all.")]
Seed = Annotated[int, typer.Option(help="Seeds the choice of images and every draw.")]
Size = Annotated[
    int | None,
    typer.Option(help="Resize the images to this many pixels; cut sentences at this many words."),
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what the output folder holds.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]
Checkpoint = Annotated[
    Path | None,
    typer.Argument(help="A run folder, or a folder or file of a model that others trained."),
]
Checkpoints = Annotated[
    list[Path] | None,
    typer.Argument(help="Run folders, or folders or files of models that others trained."),
]
PathsOut = Annotated[
    Path, typer.Option(help="The folder for the results; one of `analyze` gets a section more.")
]
Steps = Annotated[int, typer.Option(help="Images on each path, both ends included.")]
ImageShape = Annotated[
    str | None,
    typer.Option(metavar="C,H,W", help="Shape of the images, where the checkpoint has none."),
]


_SHARED = ("train", "encode", "analyze")
_BENCHMARK = ("mean_distance", "smoothness_paper", "smoothness_corrected", "shortest_arc_rate")

card = typer.Typer(help="Cards: how to open a model that others trained.", no_args_is_help=True)
app.add_typer(card, name="card")


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.")
    ] = False,
) -> None:
    if version:
        from latentgeo import __version__

        typer.echo(f"latentgeo {__version__}")
        raise typer.Exit
    if processes.count() > 1 and context.invoked_subcommand not in _SHARED:
        raise InputError(
            f"`latentgeo {context.invoked_subcommand}` is the work of one process, and torchrun "
            f"started {processes.count()}; only {', '.join(_SHARED)} can share theirs"
        )


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="What to train (see `latentgeo models`).")],
    data: Data,
    out: Annotated[Path, typer.Option(help="The run folder to make.")],
    backbone: Annotated[str, typer.Option(help="The nets (see `latentgeo models`).")] = "sctc",
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="An option of the recipe or the backbone; may be repeated."
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 30,
    batch_size: Annotated[int, typer.Option(help="Images per step.")] = 128,
    learning_rate: Annotated[float, typer.Option(help="Adam's step size at its highest.")] = 1e-3,
    beta1: Annotated[
        float, typer.Option(help="Adam's memory of the gradient; 0.5 with an adversary.")
    ] = 0.9,
    schedule: Annotated[str, typer.Option(help="constant, cosine or steps.")] = "constant",
    gradient_clip: Annotated[float | None, typer.Option(help="Largest gradient norm.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many epochs without a better validation.")
    ] = None,
    train_samples: Annotated[int | None, typer.Option(help="Use only so many images.")] = None,
    size: Size = None,
    seed: Seed = 0,
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
    device: Device = "auto",
    precision: Annotated[str, typer.Option(help="32-true, bf16-mixed, 16-mixed …")] = "32-true",
    probe: Annotated[
        bool, typer.Option("--probe", help="Train a softmax layer on the latents beside it.")
    ] = False,
    probe_rate: Annotated[float, typer.Option(help="Adam's step size for that layer.")] = 1e-4,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Log to TensorBoard too.")
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Say where the time went, and leave a trace.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run.")
    ] = False,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Train an autoencoder and leave a run folder."""
    from latentgeo.training import train, train_together

    settings: dict[str, Any] = {
        "data": data,
        "out": out,
        "backbone": backbone,
        "options": read_pairs(option or [], "option", "widths=[16,32,64]"),
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "beta1": beta1,
        "schedule": schedule,
        "gradient_clip": gradient_clip,
        "patience": patience,
        "train_samples": train_samples,
        "size": size,
        "device": device,
        "precision": precision,
        "probe": probe,
        "probe_rate": probe_rate,
        "resume": resume,
        "force": force,
        "progress": not quiet,
    }
    if seeds is not None or sweep:
        if (seeds is not None and seed) or tensorboard or profile:
            raise InputError(
                "--seeds and --sweep train several runs at once; leave out --tensorboard and "
                "--profile, which watch one, and --seed beside --seeds"
            )
        several = [seed] if seeds is None else _seeds(seeds)
        chosen = read_pairs(sweep or [], "sweep", "kl_weight=[0.5,1,4]")
        for folder in train_together(recipe, seeds=several, sweep=chosen, **settings):
            typer.echo(f"run: {folder}")
        return
    folder = train(recipe, seed=seed, tensorboard=tensorboard, profile=profile, **settings)
    if profile and processes.is_rank_zero():
        typer.echo((folder / "profile" / "summary.txt").read_text(encoding="utf-8"), nl=False)
    typer.echo(f"run: {folder}")


@app.command()
def features(
    data: Data,
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 5,
    seed: Annotated[int, typer.Option(help="Seeds weights and order of images.")] = 0,
    device: Device = "auto",
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Train a small classifier, in whose features the quality of samples is measured."""
    from latentgeo.features import load_features, train_classifier

    folder = train_classifier(
        data, out=out, epochs=epochs, seed=seed, device=device, force=force, progress=not quiet
    )
    found = load_features(folder)
    typer.echo(f"features: {folder} ({found.name}; {found.accuracy:.2%} of test images right)")


@app.command()
@opening_options
def encode(
    data: Data,
    out: Annotated[Path, typer.Option(help="The zarr folder to make, or to continue.")],
    opening: dict[str, Any],
    checkpoint: Checkpoint = None,
    noise: Noise = "0",
    perturbation: Perturb = "gaussian",
    samples: Annotated[
        int | None, typer.Option(help="How many test images; all if left out.")
    ] = None,
    size: Size = None,
    draws: Annotated[int, typer.Option(help="Samples of a stochastic posterior per image.")] = 1,
    batch_size: Annotated[int, typer.Option(help="Images per pass.")] = 128,
    seed: Seed = 0,
    device: Device = "auto",
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Write a model's latents of a data set under a sweep of noise."""
    from latentgeo.files import check_free
    from latentgeo.latents import encode, select_images
    from latentgeo.pipeline import open_for

    if force:  # what is opened here does not tell `encode` where it was read from
        check_free(out, holds="latents", force=True, reads=(checkpoint, data, *opening.values()))
    images = select_images(data, samples, seed, size)
    encode(
        open_for(images, _one(checkpoint, opening), opening),
        images,
        noise=_levels(noise),
        perturbation=perturbation,
        draws=draws,
        batch_size=batch_size,
        seed=seed,
        out=out,
        device=device,
        force=force,
        progress=not quiet,
    )
    typer.echo(f"latents: {out}")


@app.command()
@opening_options
def analyze(
    data: Data,
    out: Annotated[Path, typer.Option(help="The folder for the results.")],
    opening: dict[str, Any],
    checkpoint: Checkpoints = None,
    noise: Noise = "0,0.01,0.02,0.05,0.1,0.2,0.3,0.5",
    perturbation: Perturb = "gaussian",
    samples: Samples = "300",
    size: Size = None,
    seed: Seed = 0,
    tsne: Annotated[bool, typer.Option(help="Draw the t-SNE maps (the slowest part).")] = True,
    device: Device = "auto",
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Measure ranks, dimension, angles and PSNR; write figures, a summary and a report."""
    from latentgeo.pipeline import analyze

    analyze(
        checkpoint or _alone(opening),
        data=data,
        noise=_levels(noise),
        perturbation=perturbation,
        samples=_count(samples),
        size=size,
        seed=seed,
        tsne=tsne,
        opening=opening,
        out=out,
        device=device,
        force=force,
        progress=not quiet,
    )
    typer.echo(f"report: {out / 'report.html'}")


@app.command()
@opening_options
def interpolate(
    data: Data,
    out: PathsOut,
    opening: dict[str, Any],
    checkpoint: Checkpoints = None,
    pairs: Annotated[int, typer.Option(help="Pairs of test images; no image is in two.")] = 64,
    steps: Steps = 11,
    path: Annotated[str, typer.Option(help="linear or spherical.")] = "linear",
    geodesics: Annotated[
        int, typer.Option(help="Pairs between which geodesics are looked for (slow).")
    ] = 6,
    real: Annotated[
        int, typer.Option(help="Training images that decoded ones are compared with, at most.")
    ] = 10_000,
    features: Annotated[
        Path | None,
        typer.Option(help="What `latentgeo features` made: compare in it instead of in pixels."),
    ] = None,
    size: Size = None,
    seed: Seed = 0,
    device: Device = "auto",
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Decode paths between images; measure realism, ranks and geodesics along them."""
    from latentgeo.interpolation import interpolate_images

    interpolate_images(
        checkpoint or _alone(opening),
        data=data,
        pairs=pairs,
        steps=steps,
        path=path,  # type: ignore[arg-type] # what it is not is refused there
        geodesics=geodesics,
        real=real,
        features=features,
        size=size,
        seed=seed,
        opening=opening,
        out=out,
        device=device,
        force=force,
        progress=not quiet,
    )
    typer.echo(f"report: {out / 'report.html'}")


@app.command()
@opening_options
def lines(
    out: PathsOut,
    opening: dict[str, Any],
    checkpoint: Checkpoints = None,
    pairs: Annotated[int, typer.Option(help="Pairs of test lines.")] = 256,
    steps: Steps = 16,
    references: Annotated[
        int, typer.Option(help="Lines that decoded ones are compared with.")
    ] = 10_000,
    style: Annotated[str, typer.Option(help="How lines are drawn: paper or smooth.")] = "paper",
    seed: Seed = 0,
    device: Device = "auto",
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Score how models interpolate between lines, where the right answer is known."""
    from latentgeo.interpolation import score_lines

    found = score_lines(
        checkpoint or _alone(opening),
        pairs=pairs,
        steps=steps,
        references=references,
        style=style,
        seed=seed,
        opening=opening,
        out=out,
        device=device,
        force=force,
        progress=not quiet,
    )
    for label, child in found.tree.children.items():
        said = (f"{name.replace('_', ' ')} {float(child[name]):.4g}" for name in _BENCHMARK)
        typer.echo(f"{label}: {', '.join(said)}")
    typer.echo(f"report: {out / 'report.html'}")


@app.command()
def figures(
    folder: Annotated[
        Path, typer.Argument(help="A folder that `analyze`, `interpolate` or `lines` made.")
    ],
) -> None:
    """Draw the figures and the report anew from saved results."""
    from latentgeo.pipeline import redraw

    redraw(folder)
    typer.echo(f"report: {folder / 'report.html'}")


@app.command()
def compare(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR DIR...", help="Folders that `analyze` made.")
    ],
    out: Annotated[Path, typer.Option(help="The folder for the joined results.")],
    force: Force = False,
) -> None:
    """Join saved analyses into one report, without computing anything again."""
    from latentgeo.comparison import compare

    compare(folders, out=out, force=force)
    typer.echo(f"report: {out / 'report.html'}")


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    to: Annotated[Path, typer.Option(help="The folder to make.")],
    analysis: Annotated[
        Path | None, typer.Option(help="A folder that `analyze` made, for the model card.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Of the weights, as the hub names it: mit, cc-by-4.0 …")
    ] = None,
    force: Force = False,
) -> None:
    """Write a model with a card that holds its geometry, as the Hugging Face hub has them."""
    from latentgeo.sharing import export

    folder = export(run, to, analysis=analysis, licence=licence, force=force)
    typer.echo(f"model: {folder}")


@app.command()
def push(
    folder: Annotated[Path, typer.Argument(help="What `export` made.")],
    repository: Annotated[str, typer.Argument(metavar="USER/NAME", help="Where it goes.")],
    private: Annotated[
        bool, typer.Option("--private", help="Make a repository that only you see.")
    ] = False,
    revision: Annotated[str | None, typer.Option(help="A branch; main if left out.")] = None,
) -> None:
    """Upload an exported model to the Hugging Face hub."""
    from latentgeo.sharing import push_to_hub

    typer.echo(f"commit: {push_to_hub(folder, repository, private=private, revision=revision)}")


@app.command()
def pull(
    repository: Annotated[str, typer.Argument(metavar="USER/NAME", help="What is fetched.")],
    to: Annotated[Path, typer.Option(help="The folder to make.")],
    revision: Annotated[
        str | None, typer.Option(help="A branch, a tag or a commit; main if left out.")
    ] = None,
    force: Force = False,
) -> None:
    """Fetch a model from the Hugging Face hub, its weights as safetensors only."""
    from latentgeo.sharing import from_hub

    typer.echo(f"model: {from_hub(repository, revision=revision, to=to, force=force)}")


@app.command()
def sentences(
    run: Annotated[Path, typer.Argument(help="A run folder of a model that trained on a text.")],
    samples: Annotated[int, typer.Option(help="Draw so many sentences of the prior.")] = 0,
    reconstruct: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="A sentence to encode and decode.")
    ] = None,
    interpolate: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="TEXT TEXT", help="Walk from one sentence to another."),
    ] = None,
    steps: Annotated[int, typer.Option(help="Sentences on the way, with both ends.")] = 7,
    arithmetic: Annotated[
        tuple[str, str, str] | None,
        typer.Option(metavar="A B C", help="Decode the vector of A, less B, with C."),
    ] = None,
    code: Annotated[
        str, typer.Option(help="Vectors: latent, or code for the second of a swae.")
    ] = "latent",
    seed: Annotated[int, typer.Option(help="Seeds the samples.")] = 0,
) -> None:
    """Print what a model of sentences says: samples, reconstructions, ways, arithmetic."""
    from latentgeo.checkpoints import open_checkpoint
    from latentgeo.models import (
        add_sentences,
        interpolate_sentences,
        reconstruct_sentences,
        sample_sentences,
    )

    if not (samples or reconstruct or interpolate or arithmetic):
        raise InputError(
            "nothing was asked for; give --samples, --reconstruct, --interpolate or --arithmetic"
        )
    model = open_checkpoint(run)
    said = sample_sentences(model, samples, seed=seed) if samples else []
    if reconstruct:
        said += reconstruct_sentences(model, reconstruct, code=code)
    if interpolate:
        said += interpolate_sentences(model, *interpolate, steps=steps, code=code)
    if arithmetic:
        said.append(add_sentences(model, *arithmetic, code=code))
    typer.echo("\n".join(said))


@app.command()
def models() -> None:
    """List the recipes and the backbones."""
    from latentgeo.models import BACKBONES, RECIPES

    _list("recipe", {name: recipe.summary for name, recipe in RECIPES.items()})
    _list("backbone", {name: backbone.summary for name, backbone in BACKBONES.items()})


@app.command()
def datasets() -> None:
    """List the data sets."""
    from latentgeo.datasets import PERTURBATIONS, names

    _list("data set", {name: info.summary for name, info in names().items()})
    _list("perturbation", {name: kind.summary for name, kind in PERTURBATIONS.items()})


@app.command()
@opening_options
def info(
    opening: dict[str, Any],
    checkpoint: Checkpoint = None,
    image_shape: ImageShape = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a checkpoint is, where it comes from, and how well it learned."""
    from latentgeo.checkpoints import info

    facts = info(_one(checkpoint, opening), image_shape=_shape(image_shape), **opening)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        _list(None, {name: _plain(value) for name, value in facts.items()})


@card.command("init")
@opening_options
def card_init(
    opening: dict[str, Any],
    checkpoint: Annotated[Path, typer.Argument(help="The folder or the file of weights.")],
    image_shape: Annotated[
        str, typer.Option(metavar="C,H,W", help="Shape of the images that it takes.")
    ],
    force: Force = False,
) -> None:
    """Look into a model and write its card, `latentgeo.yaml`, beside the weights."""
    from latentgeo.checkpoints import init_card

    shape = _shape(image_shape)
    written, layers = init_card(checkpoint, image_shape=shape, force=force, **opening)
    for layer in layers:
        mark = "*" if layer.latent else " "
        typer.echo(f"{mark} {layer.name}  {'x'.join(map(str, layer.shape))}  {layer.module}")
    typer.echo(f"card: {written} (* looks like a latent; it lists the layers too)")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 when done, 2 for input that cannot be used.

    Parameters
    ----------
    arguments : list of str, optional
        The arguments; those of the process when left out.
    """
    warnings.showwarning = _show_warning
    try:
        with processes.rank_zero_speaks():
            code = app(args=arguments, standalone_mode=False)
    except typer.TyperException as error:
        code = _refuse(error.format_message(), 2)
    except (InputError, ProcessesError, TrainingDivergedError) as error:
        code = _refuse(str(error), 2)
    except OSError as error:
        code = _refuse(_plain_os_error(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        code = _refuse(
            "interrupted; the same command with --resume goes on with a training run", 130
        )
    sys.exit(code or 0)


def _refuse(message: str, code: int) -> int:
    line = " ".join(message.split())
    processes.tell_launcher(line)
    if processes.is_rank_zero():
        typer.echo(f"latentgeo: {line}", err=True)
    return code


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    typer.echo(f"latentgeo: warning: {' '.join(str(message).split())}", err=True)


def _plain_os_error(error: OSError) -> str:
    where = f" {str(error.filename)!r}" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return (
            f"the disk is full, writing{where} stopped; what was there before is whole, "
            "free some space and repeat"
        )
    return f"cannot use{where}: {error.strerror or error}"


def _count(text: str) -> int | None:
    """Give a number of images, None for all."""
    if text == "all":
        return None
    try:
        return int(text)
    except ValueError:
        raise InputError(
            f"samples {text!r} cannot be used: expected a whole number or all"
        ) from None


def _seeds(text: str) -> list[int]:
    """Give the seeds of a list or a range, as 0,1,2 or 0-2."""
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


def _levels(text: str) -> list[float]:
    try:
        return [float(level) for level in text.split(",")]
    except ValueError:
        raise InputError(
            f"noise {text!r} is not a list of numbers; expected levels with commas, as in 0,0.1"
        ) from None


def _one(checkpoint: Path | None, opening: dict[str, Any]) -> Path | None:
    """Give the checkpoint: the argument, the file of --weights, or None where code is enough."""
    if checkpoint is None:
        (checkpoint,) = _alone(opening).values()
    return checkpoint


def _alone(opening: dict[str, Any]) -> dict[str, Path | None]:
    """Name what is meant where no checkpoint was given as an argument."""
    if "weights" in opening:
        path = Path(opening.pop("weights"))
        return {path.stem: path}
    if "model" in opening:
        return {str(opening["model"]).rpartition(":")[2]: None}
    raise InputError("no checkpoint was given; give a folder or a file, or --model and --weights")


def _shape(text: str | None) -> Any:
    if text is None:
        return None
    try:
        channels, rows, columns = map(int, text.split(","))
    except ValueError:
        raise InputError(f"image shape {text!r} is not C,H,W; expected as in 3,64,64") from None
    if min(channels, rows, columns) < 1:
        raise InputError(f"image shape {text!r} holds a number below 1; expected as in 3,64,64")
    return channels, rows, columns


def _list(title: str | None, rows: dict[str, str]) -> None:
    width = max(map(len, rows))
    if title:
        typer.echo(f"{title}s")
    for name, text in rows.items():
        typer.echo(f"  {name:<{width}}  {text}")


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
