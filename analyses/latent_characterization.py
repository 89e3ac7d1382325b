"""Latent spaces of CAE, DAE and VAE under noise: train, analyse, compare with the paper.

    python analyses/latent_characterization.py                                  # bundled digits
    python analyses/latent_characterization.py --data mnist --scale laptop
    python analyses/latent_characterization.py --data mnist --scale paper

An independent re-implementation, from the abstract and the captions, of "Latent Space
Characterization of Autoencoder Variants" (arXiv 2412.04755). What is already there is kept and
what was interrupted goes on, so the same command finishes a study that was cut off.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from characterization_tables import compare_with_paper, draw_over_seeds, gather, to_markdown

from latentgeo import InputError, analyze, train
from latentgeo.datasets import load as load_images
from latentgeo.files import write_json, write_text
from latentgeo.provenance import provenance
from latentgeo.training import RunFolder

NOISE = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


@dataclass(frozen=True)
class Scale:
    """How large a study is; all of it is written into its results."""

    widths: tuple[int, int, int]
    epochs: int
    batch_size: int
    train_samples: int | None
    seeds: int
    samples: int
    controls: bool = False


@dataclass(frozen=True)
class Variant:
    """A model of the study: its recipe and what differs from the recipe's defaults."""

    recipe: str
    options: dict[str, Any] = field(default_factory=dict)


SCALES = {
    "smoke": Scale((4, 8, 16), epochs=1, batch_size=32, train_samples=128, seeds=1, samples=24),
    "demo": Scale((8, 16, 64), epochs=12, batch_size=32, train_samples=None, seeds=1, samples=300),
    "laptop": Scale(
        (16, 32, 64),
        epochs=2,
        batch_size=64,
        train_samples=20_000,
        seeds=3,
        samples=300,
        controls=True,
    ),
    "paper": Scale(
        (32, 64, 128),
        epochs=30,
        batch_size=128,
        train_samples=None,
        seeds=5,
        samples=300,
        controls=True,
    ),
}
MODELS = {"cae": Variant("cae"), "dae": Variant("dae"), "vae": Variant("vae")}
CONTROLS = {
    # Without the last ReLU no latent value is cut off at zero: does that decide the ranks?
    "cae-linear": Variant("cae", {"latent_activation": "linear"}),
    # The paper's VAE reconstructs as well as its CAE: does a weak divergence decide that?
    "vae-weak": Variant("vae", {"kl_weight": 0.01, "kl_warmup": 0.0}),
}


def main(arguments: list[str] | None = None) -> int:
    """Run the study; 0 when done, 2 for input that cannot be used."""
    chosen = _parse(arguments)
    out = chosen.out or Path("results") / f"latent-characterization-{chosen.data}-{chosen.scale}"
    try:
        run_study(chosen.data, chosen.scale, out, seeds=chosen.seeds, device=chosen.device)
    except (InputError, OSError) as error:
        print(f"latent_characterization: {error}", file=sys.stderr)
        return 2
    return 0


def run_study(
    data: str, scale_name: str, out: Path, *, seeds: int | None = None, device: str = "auto"
) -> None:
    """Train every model at every seed, analyse each seed, and set the whole beside the paper."""
    start = time.perf_counter()
    scale = SCALES[scale_name]
    if seeds is not None:
        scale = replace(scale, seeds=seeds)
    load_images(data)  # data that cannot be had is an error now, not after the first training
    models = MODELS | CONTROLS if scale.controls else MODELS
    summaries = []
    for seed in range(scale.seeds):
        folders = [
            _train(name, variant, data, scale, seed, out / "runs" / f"seed-{seed}", device)
            for name, variant in models.items()
        ]
        place = out / f"seed-{seed}"
        summaries.append(_analyze(folders, data, scale, seed, place, device))
        print(f"report: {place / 'report.html'}")
    if scale.controls:
        seconds = {
            "training_seconds": _training_seconds(out / "runs"),
            "seconds_of_this_command": round(time.perf_counter() - start),
        }
        _conclude(summaries, data, scale_name, scale, out / "study", seconds)


def _train(
    name: str, variant: Variant, data: str, scale: Scale, seed: int, runs: Path, device: str
) -> Path:
    run = RunFolder(runs / name)
    if run.finished:
        return run.path
    begun = run.state.is_file()
    return train(
        variant.recipe,
        data=data,
        out=run.path,
        options={"widths": scale.widths, **variant.options},
        epochs=scale.epochs,
        batch_size=scale.batch_size,
        train_samples=scale.train_samples,
        schedule="cosine",
        seed=seed,
        device=device,
        resume=begun,
        force=not begun,  # cut off before the first state was saved: nothing to lose
    )


def _analyze(
    folders: list[Path], data: str, scale: Scale, seed: int, place: Path, device: str
) -> dict[str, Any]:
    summary = place / "summary.json"
    if not summary.exists():
        analyze(
            folders,
            data=data,
            noise=NOISE,
            samples=scale.samples,
            seed=seed,
            out=place,
            device=device,
            progress=True,
        )
    found: dict[str, Any] = json.loads(summary.read_text(encoding="utf-8"))
    return found


def _conclude(
    summaries: list[dict[str, Any]],
    data: str,
    scale_name: str,
    scale: Scale,
    out: Path,
    seconds: dict[str, int],
) -> None:
    """Write what the seeds say together: numbers, a table beside the paper's, a figure."""
    gathered = gather(summaries)
    comparison = compare_with_paper(gathered)
    facts = provenance(
        data=data,
        scale=scale_name,
        **asdict(scale),
        noise=list(NOISE),
        **seconds,
    )
    write_json(
        out / "study.json", {"provenance": facts, "models": gathered, "comparison": comparison}
    )
    write_text(out / "study.md", to_markdown(gathered, comparison, facts))
    draw_over_seeds(gathered, out)
    print(f"study: {out / 'study.md'}")


def _training_seconds(runs: Path) -> int:
    """Add up the wall time of all runs, over all commands that worked on them."""
    written = (path.read_text(encoding="utf-8") for path in runs.glob("*/*/provenance.json"))
    return round(sum(json.loads(text)["seconds"] for text in written))


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default="digits", help="a data set's name (default: digits)")
    parser.add_argument("--scale", default="demo", choices=SCALES, help="default: demo")
    parser.add_argument("--seeds", type=_count, help="how many seeds; default: the scale's")
    parser.add_argument("--out", type=Path, help="default: results/latent-characterization-…")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
