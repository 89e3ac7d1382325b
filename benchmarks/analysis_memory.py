"""Does `latentgeo analyze` need more memory for more images? Images of MNIST, a CAE.

    python benchmarks/analysis_memory.py [--sizes 1000 10000 60000] [--out benchmarks/results]

Each size is a process of its own: it opens a trained run, takes so many of the 60,000 images that
are not for testing, and makes the whole analysis with figures and report (but for t-SNE maps) at
two noise levels. Reported are its seconds and its peak memory (maximum resident set), with Python,
its libraries and the images. The weights are those after one epoch on 1,000 images: neither depends
on how well they learned.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import describe_machine
from own_process import peak_bytes, run_alone

SIZES = (1_000, 10_000, 60_000)
NOISE = (0.0, 0.1)
WIDTHS = (32, 64, 128)
LIMIT_GIB = 4


def main() -> None:
    """Measure each size and write one table, or, given a size, be the process that is measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--data", default="mnist", help="a data set with training images")
    parser.add_argument("--widths", type=int, nargs=3, default=list(WIDTHS))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.run is not None:
        print(json.dumps(analyze_once(chosen.run, chosen.data, chosen.sizes[0])))
        return
    before, rows = os.getloadavg(), []
    with tempfile.TemporaryDirectory() as folder:
        run = trained(Path(folder) / "cae", chosen.data, chosen.widths)
        for size in chosen.sizes:
            rows.append(measure(run, chosen.data, size))
            write_table(rows, chosen, before)  # stays if a larger size is interrupted


def trained(out: Path, data: str, widths: list[int]) -> Path:
    """Train the model."""
    from latentgeo import train

    options = {"widths": tuple(widths)}
    return train("cae", data=data, out=out, epochs=1, train_samples=1000, options=options)


def measure(run: Path, data: str, size: int) -> dict[str, Any]:
    """Run one size in its own process."""
    command = [sys.executable, __file__, "--run", str(run), "--data", data, "--sizes", str(size)]
    row: dict[str, Any] = run_alone(command)
    return row


def analyze_once(run: Path, data: str, size: int) -> dict[str, Any]:
    """Analyse so many images, and give seconds, bytes and what was found."""
    import numpy as np
    import torch

    from latentgeo import analyze
    from latentgeo.datasets import ImageDataset, load

    parts = [load(data, split).images for split in ("train", "validation")]
    images = ImageDataset.from_array(np.concatenate(parts), name=data).take(size, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        found = analyze(
            run, data=images, noise=NOISE, samples=None, tsne_seeds=(), out=Path(folder) / "out"
        )
        seconds = time.perf_counter() - start
    (model,) = found.tree.children.values()
    dimension = model["hilbert_dimension"].sel(part="product", share=0.95, centring="centred")
    return {
        "size": len(images),
        "seconds": seconds,
        "peak": peak_bytes(),
        "dimension": dimension.values.flatten().astype(int).tolist(),
        "threads": torch.get_num_threads(),
    }


def write_table(
    rows: list[dict[str, Any]], chosen: argparse.Namespace, before: tuple[float, ...]
) -> None:
    """Write the table with what made it."""
    from latentgeo.files import write_text
    from latentgeo.provenance import provenance

    gib = 2**30
    largest = max(row["peak"] for row in rows) / gib
    sizes, widths = (" ".join(map(str, given)) for given in (chosen.sizes, chosen.widths))
    lines = [
        "# Memory of an analysis",
        "",
        f"`analyze` of images of {chosen.data}, CAE of widths "
        f"{'/'.join(map(str, chosen.widths))}, {len(NOISE)} noise levels, without t-SNE. Peak: "
        "maximum resident set of the process, with Python, libraries and images.",
        describe_machine(provenance(), before, f" with {rows[0]['threads']} threads")
        + f" Command: `python benchmarks/analysis_memory.py --sizes {sizes} --widths {widths}`.",
        f"Aim: {LIMIT_GIB} GiB. Largest here: {largest:.2f} GiB.",
        "",
        f"| images | peak, GiB | seconds | dimension (95 %) at {', '.join(map(str, NOISE))} |",
        "|---|---|---|---|",
        *(
            f"| {row['size']:,} | {row['peak'] / gib:.2f} | {row['seconds']:.0f} "
            f"| {', '.join(map(str, row['dimension']))} |"
            for row in rows
        ),
        "",
    ]
    text = "\n".join(lines)
    write_text(chosen.out / "analysis-memory.md", text)
    print(text)


if __name__ == "__main__":
    main()
