"""Is the geometry cheaper than the network? MNIST images, 8 noise levels, a 32/64/128 CAE.

    python benchmarks/analysis.py [--data mnist] [--samples 300 1000] [--out benchmarks/results]

Times, on one machine and in one run: the encoder and decoder passes alone; the geometry (all of
the analysis but t-SNE and drawing); `latentgeo analyze` from the shell, start to end. The weights
are fresh ones after one epoch on 2,000 images: the time does not depend on how well they learned.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from machine import describe_machine

from latentgeo import encode, load, train
from latentgeo.datasets import load as load_images
from latentgeo.files import write_text
from latentgeo.latents import Sweep, make_sweep
from latentgeo.measures import AnalysisSettings, analyze_latents
from latentgeo.measures.quality import mean_image_psnr
from latentgeo.models import Autoencoder
from latentgeo.provenance import provenance

NOISE = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
REPEATS = 3


def main() -> None:
    """Measure and write one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--samples", type=int, nargs="+", default=[300, 1000])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    before = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        run = train("cae", data=chosen.data, out=Path(folder) / "cae", epochs=1, train_samples=2000)
        seconds = {
            samples: measure(run, chosen.data, samples, Path(folder) / "analysis")
            for samples in chosen.samples
        }
    table = to_table(seconds, chosen.data, before)
    write_text(chosen.out / "analysis.md", table)
    print(table)


def measure(run: Path, data: str, samples: int, out: Path) -> dict[str, list[float]]:
    """Return the seconds of each piece of work, once per repeat."""
    model = load(run)
    images = load_images(data).take(samples, seed=0)
    latents = encode(model, images, noise=NOISE, draws=2)
    baseline = mean_image_psnr(images.batch(slice(None)).numpy())
    settings = AnalysisSettings(tsne_seeds=())
    levels = ",".join(f"{level:g}" for level in NOISE)
    command = [sys.executable, "-m", "latentgeo", "analyze", str(run), "--data", data, "--quiet"]
    command += ["--noise", levels, "--samples", str(samples), "--out", str(out), "--force"]
    return {
        "encoder and decoder passes": seconds_of(
            lambda: passes(
                model, make_sweep(AnalysisSettings(noise=NOISE)), images.batch(slice(None))
            )
        ),
        "geometry (no t-SNE, no drawing)": seconds_of(
            lambda: analyze_latents(latents, baseline, settings)
        ),
        "`latentgeo analyze` from the shell": seconds_of(
            lambda: subprocess.run(command, check=True, capture_output=True), warm=False
        ),
    }


@torch.inference_mode()
def passes(model: Autoencoder, sweep: Sweep, clean: torch.Tensor) -> None:
    """Encode and decode every image at every level, and nothing else."""
    for noisy in sweep.images(clean, np.arange(len(clean))):
        for batch in noisy.split(128):
            model.decode(model.encode(batch))


def seconds_of(work: Callable[[], object], *, warm: bool = True) -> list[float]:
    """Time some work, by default after one run that does not count."""
    if warm:
        work()
    found = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return found


def to_table(
    seconds: dict[int, dict[str, list[float]]], data: str, before: tuple[float, ...]
) -> str:
    """Write the table with what made it."""
    sizes = " ".join(map(str, seconds))
    return "\n".join(
        [
            "# Time of an analysis",
            "",
            f"Images of {data}, {len(NOISE)} noise levels, CAE of widths 32/64/128, latents "
            f"7×7×128. {REPEATS} runs; of the first two rows after one that does not count.",
            describe_machine(provenance(), before, f" with {torch.get_num_threads()} threads")
            + f" Command: `python benchmarks/analysis.py --data {data} --samples {sizes}`.",
            "",
            "| images | work | seconds, median | all | relative to the passes |",
            "|---|---|---|---|---|",
            *(row for samples, found in seconds.items() for row in rows(samples, found)),
            "",
        ]
    )


def rows(samples: int, seconds: dict[str, list[float]]) -> list[str]:
    """Write the rows of one number of images."""
    passes_alone = median(seconds["encoder and decoder passes"])
    return [
        f"| {samples:,} | {work} | {median(found):.1f} "
        f"| {', '.join(f'{each:.1f}' for each in found)} | {median(found) / passes_alone:.2f} |"
        for work, found in seconds.items()
    ]


if __name__ == "__main__":
    main()
