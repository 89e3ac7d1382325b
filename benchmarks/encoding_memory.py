"""Does encoding need more memory for more images? Peak memory of `encode` to disk.

    python benchmarks/encoding_memory.py [--out benchmarks/results]

Each size runs in a process of its own: images of MNIST's size from memory, a 16/32/64 CAE with
fresh weights, one clean and one noisy level, written to zarr. Reported is the peak of the process
(maximum resident set), and what the images and the latents would take.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SIZES = (1_000, 10_000, 60_000)
NOISE = (0.0, 0.1)


def main() -> None:
    """Measure each size, or, given a size, be the process that is measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.size is not None:
        encode_once(chosen.size)
        return
    rows = [measure(size) for size in SIZES]
    write_table(rows, chosen.out / "encoding_memory.md")


def encode_once(size: int) -> None:
    """Encode so many images and print seconds, bytes of latents and peak memory in bytes."""
    from latentgeo import encode
    from latentgeo.datasets import ImageDataset
    from latentgeo.models import ModelConfig, build

    pixels = np.random.default_rng(0).integers(0, 256, (size, 1, 28, 28), dtype=np.uint8)
    images = ImageDataset.from_array(pixels)
    model = build(
        ModelConfig(recipe="cae", image_shape=(1, 28, 28), options={"widths": (16, 32, 64)})
    )
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        latents = encode(model, images, noise=NOISE, out=Path(folder) / "latents")
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(seconds, latents["mean"].nbytes, pixels.nbytes, peak)


def measure(size: int) -> tuple[int, float, float, float, float]:
    """Run one size in its own process."""
    command = [sys.executable, __file__, "--size", str(size)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, latents, images, peak = (float(word) for word in output.split())
    return size, seconds, images, latents, peak


def write_table(rows: list[tuple[int, float, float, float, float]], path: Path) -> None:
    """Write the table with what made it."""
    from latentgeo.files import write_text
    from latentgeo.provenance import provenance

    facts = provenance()
    mib = 2**20
    lines = [
        "# Memory of an encoding",
        "",
        "Random images of 28×28, CAE of widths 16/32/64 (latents 7×7×64), 2 noise levels, to zarr.",
        f"Machine: {facts['machine']['cores']} cores, {facts['machine']['architecture']}; "
        f"torch {facts['versions']['torch']}. Command: `python benchmarks/encoding_memory.py`.",
        "",
        "What grows is the images themselves, which this script holds twice.",
        "",
        "| images | images, MiB | latents, MiB | peak of the process, MiB | seconds |",
        "|---|---|---|---|---|",
        *(
            f"| {size:,} | {images / mib:.0f} | {latents / mib:.0f} | {peak / mib:.0f} "
            f"| {seconds:.0f} |"
            for size, seconds, images, latents, peak in rows
        ),
        "",
    ]
    text = "\n".join(lines)
    write_text(path, text)
    print(text)


if __name__ == "__main__":
    main()
