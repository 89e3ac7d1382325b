"""Measure how many lines one core draws in a second, and how long their scores take.

    python benchmarks/lines.py [--out benchmarks/results]

Draws 65,536 lines in each style, and scores 256 interpolations of 16 lines against 10,000
references (4,096 images), with one thread.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from latentgeo.files import write_text
from latentgeo.metrics import line_interpolation_scores, render_lines
from latentgeo.provenance import provenance

LINES = 65_536
PAIRS, STEPS = 256, 16
REPEATS = 3


def main() -> None:
    """Measure and write one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    table = to_table(measure())
    write_text(chosen.out / "lines.md", table)
    print(table)


def measure() -> dict[str, tuple[float, int]]:
    """Return the best seconds of each piece of work, and how many images it was."""
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, LINES)
    images = render_lines(angles[: PAIRS * STEPS]).reshape(PAIRS, STEPS, 1, 32, 32)
    return {
        "draw, style paper": (seconds_of(lambda: render_lines(angles)), LINES),
        "draw, style smooth": (seconds_of(lambda: render_lines(angles, "smooth")), LINES),
        "score against 10,000 references": (
            seconds_of(lambda: line_interpolation_scores(images)),
            PAIRS * STEPS,
        ),
    }


def seconds_of(work: Callable[[], object]) -> float:
    """Return the best time of some work, after one run that does not count."""
    work()
    found = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def to_table(measured: dict[str, tuple[float, int]]) -> str:
    """Write the table with what made it."""
    facts = provenance()
    return "\n".join(
        [
            "# Lines in a second",
            "",
            f"Best of {REPEATS} after a warm-up, one thread. "
            f"Machine: {facts['machine']['cores']} cores, {facts['machine']['architecture']}; "
            f"torch {facts['versions']['torch']}. Command: `python benchmarks/lines.py`.",
            "",
            "| work | images | seconds | images/s |",
            "|---|---|---|---|",
            *(
                f"| {work} | {count:,} | {seconds:.2f} | {count / seconds:,.0f} |"
                for work, (seconds, count) in measured.items()
            ),
            "",
        ]
    )


if __name__ == "__main__":
    main()
