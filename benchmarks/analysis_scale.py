"""Is the analysis linear in the images, and its memory bounded? Latents of 7×7×C, made per shard.

    python benchmarks/analysis_scale.py [--sizes 1000 10000] [--channels 128] [--out FOLDER]

Latents are seeded: channel unfoldings of rank 20 whose columns turn with six numbers of each image,
and with noise. Each size runs in a process of its own, through the same reductions as `latentgeo
analyze`: ranks and spectra of every image, and the Hilbert dimension of all images in each mode and
in their product, at one noise level. Reported are seconds of both, the peak of the process (maximum
resident set), and the exponent of the time in the number of images.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from own_process import peak_bytes, run_alone

SIZES = (1_000, 10_000)
CHANNELS, POSITIONS = 128, (7, 7)
RANK, FACTORS, NOISE = 20, 6, 0.02
_BLOCK = 100
_SHARE = 0.95


def main() -> None:
    """Measure each size, or, given one size by the parent process, be what is measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--channels", type=int, default=CHANNELS)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one is not None:
        print(json.dumps(analyze_once(chosen.one, chosen.device, chosen.channels)))
        return
    rows = []
    for size in chosen.sizes:
        rows.append(measure(size, chosen))
        write_table(rows, chosen)  # what was measured stays if a larger size is interrupted


def measure(size: int, chosen: argparse.Namespace) -> dict[str, Any]:
    """Run one size in its own process."""
    command = [sys.executable, __file__, "--one", str(size), "--device", chosen.device]
    command += ["--channels", str(chosen.channels)]
    row: dict[str, Any] = run_alone(command)
    return row


def analyze_once(size: int, name: str, channels: int = CHANNELS) -> dict[str, Any]:
    """Return seconds, bytes and findings of one size."""
    import torch

    from latentgeo.geometry import stream_spectra
    from latentgeo.measures import AnalysisSettings
    from latentgeo.measures.latents import feature_width, point_streams
    from latentgeo.measures.ranks import rank_variables
    from latentgeo.models import choose_device

    place = choose_device(name)
    settings = AnalysisSettings(kernel="pseudo-log")  # no kernel has more features
    view = synthetic(size, place, channels)
    view.read(0, slice(0, 2))  # loads what the first call loads
    start = time.perf_counter()
    found = rank_variables({"mean": view}, np.arange(size), "float32", settings)
    ranks = np.unique(found["rank"].sel(rule="spectrum", mode="S3"))
    del found  # one number in 50 of the latents, which belongs to the result and grows with it
    middle = time.perf_counter()
    points = point_streams(view, 0, "float32", settings)
    dimension = int(stream_spectra(points).whole.dimension([_SHARE])[0])
    return {
        "size": size,
        "ranks_seconds": middle - start,
        "spectrum_seconds": time.perf_counter() - middle,
        "peak": peak_bytes(),
        "device_peak": torch.cuda.max_memory_allocated() if place.type == "cuda" else 0,
        "device": torch.cuda.get_device_name() if place.type == "cuda" else "CPU",
        "threads": torch.get_num_threads(),
        "features": int(feature_width(view.shape, settings)),
        "order": min(size, int(feature_width(view.shape, settings))),
        "dimension": dimension,
        "ranks": [int(rank) for rank in ranks],
    }


def synthetic(size: int, device: Any, channels: int = CHANNELS) -> Any:
    """Return latents that are drawn when they are read, the same each time and in each shard."""
    import torch

    from latentgeo.measures.latents import LatentReader

    def draws(seed: int, shape: tuple[int, ...]) -> Any:
        generator = torch.Generator(device).manual_seed(seed)
        return torch.randn(shape, generator=generator, device=device)

    shape = (channels, *POSITIONS)
    common = draws(0, (RANK, POSITIONS[0] * POSITIONS[1]))
    turns = draws(-1, (1 + FACTORS, channels * RANK))

    def block(number: int) -> Any:
        """Draw the images of one block of a hundred, whose number is their seed."""
        factors = 0.3 * draws(2 * number + 1, (_BLOCK, FACTORS))
        noise = draws(2 * number + 2, (_BLOCK, channels * RANK))
        columns = turns[0] + factors @ turns[1:] + NOISE * noise
        return (columns.reshape(_BLOCK, channels, RANK) @ common).reshape(_BLOCK, *shape)

    def read(level: int, images: Any) -> Any:
        numbers, places = np.divmod(np.arange(size)[images], _BLOCK)
        drawn, needed = np.unique(numbers, return_inverse=True)
        return torch.stack([block(number) for number in drawn.tolist()])[needed, places]

    return LatentReader(1, size, shape, read, device)


def exponent(rows: list[dict[str, Any]], name: str) -> str:
    """Fit time = c·nᵃ by least squares of the logarithms; a in words."""
    if len(rows) < 2:
        return "not fitted to one size"
    sizes, seconds = (np.log([row[key] for row in rows]) for key in ("size", name))
    return f"{np.polyfit(sizes, seconds, 1)[0]:.2f}"


def write_table(rows: list[dict[str, Any]], chosen: argparse.Namespace) -> None:
    """Write the table with what made it."""
    from latentgeo.files import write_text
    from latentgeo.provenance import provenance

    facts, mib, features = provenance(), 2**20, rows[0]["features"]
    command = f"python benchmarks/analysis_scale.py --sizes {' '.join(map(str, chosen.sizes))}"
    if chosen.channels != CHANNELS:
        command += f" --channels {chosen.channels}"
    lines = [
        "# Time and memory of an analysis against the number of images",
        "",
        f"Synthetic latents of 7×7×{chosen.channels} (rank {RANK}, {FACTORS} factors, noise of "
        f"{NOISE}), one noise level, kernel `pseudo-log` (today's default, `euclidean`, has half "
        "as many features), float64 accumulation. Ranks and spectra of every image (two rules, "
        "with jitter); then the spectra of all features of each mode and of the product kernel, "
        "centred and not.",
        f"Machine: {facts['machine']['cores']} cores, {facts['machine']['architecture']}, "
        f"{rows[0]['device']}; torch {facts['versions']['torch']} with {rows[0]['threads']} "
        f"threads, Python {facts['versions']['python']}. Command: `{command} --device "
        f"{chosen.device}`" + _threads() + ".",
        "",
        f"Features are {features:,} per image. With fewer images their Gram matrix is solved (time "
        "n³, and n² products), with more the scatter matrix of features (time n, and a constant "
        f"for its {features:,}² eigenproblem). The peak includes Python and its libraries.",
        "",
        "| images | ranks, s | spectrum, s | eigenproblem | peak of the process, MiB "
        "| peak of the device, MiB | dimension (95 %) | channel ranks |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {row['size']:,} | {row['ranks_seconds']:.1f} | {row['spectrum_seconds']:.1f} "
            f"| {row['order']:,} | {row['peak'] / mib:.0f} | {row['device_peak'] / mib:.0f} "
            f"| {row['dimension']:,} | {', '.join(map(str, row['ranks']))} |"
            for row in rows
        ),
        "",
        f"Exponent of the time: ranks {exponent(rows, 'ranks_seconds')}, spectrum "
        f"{exponent(rows, 'spectrum_seconds')}.",
        "",
    ]
    text = "\n".join(lines)
    name = "analysis-scale" if chosen.channels == CHANNELS else f"analysis-scale-{chosen.channels}"
    write_text(chosen.out / f"{name}.md", text)
    print(text)


def _threads() -> str:
    """Name the setting of threads, which decides the time, where there is one."""
    setting = os.environ.get("OMP_NUM_THREADS")
    return f" with OMP_NUM_THREADS={setting}" if setting else ""


if __name__ == "__main__":
    main()
