"""What can this card do at most? Products of large matrices, and copies within its memory.

    python benchmarks/card.py [--device cuda] [--out benchmarks/results]

Other tables of this folder set what a net or a function reaches beside these.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import torch
from machine import describe_machine

from latentgeo.files import write_text
from latentgeo.provenance import provenance

# Products of such matrices take a device as far as it goes.
SIZES = {"cpu": 512, "cuda": 8192}
REPEATS = 5
GIB = 2**30


def main() -> None:
    """Measure and write one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=SIZES, default="cuda")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    before = os.getloadavg()
    table = to_table(rates(chosen.device), chosen.device, before)
    write_text(chosen.out / f"card-{chosen.device}.md", table)
    print(table)


def rates(device: str) -> dict[str, str]:
    """Return what was reached, in words, by the kind of work."""
    found = {}
    for name, dtype, precision in (
        ("float64", torch.float64, "highest"),
        ("float32", torch.float32, "highest"),
        ("TF32", torch.float32, "high"),
        ("bfloat16", torch.bfloat16, "highest"),
    ):
        if name == "TF32" and device == "cpu":
            continue
        rate = product_rate(dtype, device, precision)
        found[f"product of {SIZES[device]}×{SIZES[device]} matrices, {name}"] = (
            f"{rate / 1e12:,.2f} TFLOP/s"
        )
    found["copy of 1 GiB within memory, bytes read and written"] = f"{copies(device):,.0f} GB/s"
    return found


def product_rate(dtype: torch.dtype, device: str, precision: str = "highest") -> float:
    """Return the floating-point operations a second of products of large random matrices.

    Parameters
    ----------
    dtype : torch.dtype
        Of the matrices.
    device : {"cpu", "cuda"}
        Where to multiply.
    precision : {"highest", "high"}
        With "high" the factors of float32 are rounded to 10 bits (TF32), on a GPU.
    """
    size = SIZES[device]
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        one, other = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        return float(2 * size**3 / best(lambda: torch.mm(one, other), device))
    finally:
        torch.set_float32_matmul_precision(before)


def copies(device: str) -> float:
    """Return the gigabytes a second that are read and written when memory is copied."""
    one = torch.randn(GIB // 4, device=device)
    other = torch.empty_like(one)
    return 2e-9 * GIB / best(lambda: other.copy_(one), device)


def best(work: Callable[[], object], device: str) -> float:
    """Return the shortest time of some work, after one that does not count."""
    wait = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    work()
    found = []
    for _ in range(REPEATS):
        wait()
        start = perf_counter()
        work()
        wait()
        found.append(perf_counter() - start)
    return min(found)


def to_table(found: dict[str, str], device: str, before: tuple[float, ...]) -> str:
    """Write the table with what made it."""
    place = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    return "\n".join(
        [
            f"# What the device can do: {place}",
            "",
            f"Best of {REPEATS} after one that does not count, on random numbers. "
            f"{describe_machine(provenance(), before, f' with {torch.get_num_threads()} threads')} "
            f"Command: `python benchmarks/card.py --device {device}`.",
            "",
            "| work | reached |",
            "|---|---|",
            *(f"| {work} | {reached} |" for work, reached in found.items()),
            "",
        ]
    )


if __name__ == "__main__":
    main()
