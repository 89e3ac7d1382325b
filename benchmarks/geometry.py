"""Speed of latentgeo.geometry beside the libraries that users have today.

Both sides of each line run in this process, one after the other, and the best of some rounds
counts. On a machine that does other work meanwhile the numbers mean little: the load is printed.

    pip install pyriemann POT
    python benchmarks/geometry.py --out benchmarks/results            # the whole table
    python benchmarks/geometry.py --device cuda --out benchmarks/results

On a card the peer is the same function on the CPU of its machine, and products are set beside the
card's own rate in float64.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentgeo import geometry
from latentgeo.geometry import _linalg

PEERS = ("numpy", "scipy", "torch", "geomstats", "pyriemann", "POT")
GIB = 2**30


@dataclass(frozen=True)
class Line:
    """One comparison: seconds of each side, and the ratio that is wanted."""

    work: str
    peer: str
    ours: float
    theirs: float
    wanted: float
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times as fast as the peer."""
        return self.theirs / self.ours


def main() -> None:
    """Run the table and write it as Markdown and JSON."""
    arguments = _arguments()
    if arguments.memory:
        print(json.dumps(_gram_memory(arguments.samples)))
        return
    machine = _machine(arguments.device)
    print(f"{machine['processor']}, {machine['cores']} cores, load {machine['load']}", flush=True)
    lines = []
    for line in _lines(arguments.device, arguments.samples, arguments.peers):
        lines.append(line)
        print(_row(line), flush=True)
        # Written line by line: a machine that is lent may be taken away.
        _write(arguments, machine | {"load at the end": _load()}, lines, {})
    with_memory = arguments.device == "cpu" and arguments.peers
    memory = _memory_in_a_fresh_process(arguments.samples) if with_memory else {}
    machine["load at the end"] = _load()
    _write(arguments, machine, lines, memory)


def without_peers(device: str, samples: int) -> Iterator[Line]:
    """Our functions on a device and on the CPU beside it."""
    rng = np.random.default_rng(0)
    count = min(300, samples)
    matrices, latents = definite(count, 49), rng.normal(size=(samples, 128, 7, 7))
    subspaces = rng.normal(size=(2, count, 128, 49))
    metrics = ("log-euclidean", "bures-wasserstein", "affine-invariant")
    works: dict[str, tuple[Any, Callable[[Tensor], Any]]] = {
        f"{metric}, all pairs, n={count}, d=49": (
            matrices,
            lambda x, metric=metric: geometry.pairwise_distance(x, metric=metric),
        )
        for metric in metrics
    }
    works[f"principal angles, {count} pairs of (128, 49)"] = (
        subspaces,
        lambda x: geometry.principal_angles(x[0], x[1]),
    )
    works[f"spectra and ranks, {samples} latents 7x7x128"] = (latents, _spectra_and_ranks)
    yield from gram(device, samples)
    yield from eigensolvers(device, min(2000, 7 * count))
    for work, (given, function) in works.items():
        here = torch.from_numpy(given)
        there = here.to(device)
        ours = best(lambda there=there, function=function: function(there), rounds=3)
        theirs = best(lambda here=here, function=function: function(here), rounds=2)
        yield Line(work, "its CPU", ours, theirs, 0.0)


def log_euclidean() -> list[Line]:
    """All pairs of definite matrices under the log-Euclidean metric."""
    x = definite(300, 49)
    ours = best(lambda: _all_pairs(x, "log-euclidean"))
    theirs = best(lambda: _pyriemann(x, "logeuclid"))
    return [Line("log-Euclidean, all pairs, n=300, d=49", "pyRiemann", ours, theirs, 1.0)]


def bures_wasserstein() -> list[Line]:
    """All pairs under the Bures–Wasserstein distance."""
    x = definite(300, 49)
    ours = best(lambda: _all_pairs(x, "bures-wasserstein"))
    theirs = best(lambda: _pyriemann(x, "wasserstein"), rounds=1)
    lines = [Line("Bures-Wasserstein, all pairs, n=300, d=49", "pyRiemann", ours, theirs, 10.0)]
    small = definite(300, 7)
    ours = best(lambda: _all_pairs(small, "bures-wasserstein"))
    theirs = best(lambda: _pot(small), rounds=1)
    lines.append(Line("Bures-Wasserstein, all pairs, n=300, d=7", "POT", ours, theirs, 1.0))
    return lines


def affine_invariant() -> list[Line]:
    """All pairs under the affine-invariant metric."""
    lines = []
    for size in (7, 49):
        x = definite(300, size)
        work = f"affine-invariant, all pairs, n=300, d={size}"
        ours = best(lambda x=x: _all_pairs(x, "affine-invariant"))
        theirs = best(lambda x=x: _pyriemann(x, "riemann"))
        lines.append(Line(work, "pyRiemann", ours, theirs, 1.5))
        some = x[:60]
        share = (300 * 299) / (60 * 59)
        theirs = share * best(lambda some=some: _geomstats(some), rounds=1)
        note = "geomstats: 60 matrices, scaled by the number of pairs"
        lines.append(Line(work, "geomstats", ours, theirs, 20.0, note))
    return lines


def angles() -> list[Line]:
    """Principal angles of pairs of subspaces."""
    from scipy.linalg import subspace_angles

    a, b = np.random.default_rng(0).normal(size=(2, 300, 128, 49))
    ours = best(lambda: geometry.principal_angles(a, b))
    theirs = best(lambda: [subspace_angles(x, y) for x, y in zip(a, b, strict=True)], rounds=2)
    return [Line("principal angles, 300 pairs of (128, 49)", "scipy", ours, theirs, 6.0)]


def ranks(samples: int) -> list[Line]:
    """Spectra and ranks of the three unfoldings of latents."""
    z = np.random.default_rng(0).normal(size=(samples, 128, 7, 7)).astype(np.float32)
    ours = best(lambda: _spectra_and_ranks(z), rounds=3)
    theirs = best(lambda: _ranks_by_numpy(z), rounds=1)
    return [Line(f"spectra and ranks, {samples} latents 7x7x128", "numpy loop", ours, theirs, 4.0)]


def gram(device: str, samples: int) -> list[Line]:
    """Features and Gram matrix, as a share of the machine's own matrix-product rate."""
    x = np.random.default_rng(0).normal(size=(samples, 128, 49)).astype(np.float32)
    rate = _product_rate(device)
    ours = best(lambda: geometry.kernel(_to(x, device), form="unfolding"), rounds=2)
    operations = 2.0 * samples**2 * 128 * 129
    note = (
        f"{operations / ours / 1e9:.0f} GFLOP/s, counted without symmetry; {rate / 1e9:.0f} alone"
    )
    work = f"features + Gram, n={samples}, 128x128 rank 48"
    return [Line(work, "float64 matrix product", ours, operations / rate, 0.5, note)]


def eigensolvers(device: str, count: int) -> list[Line]:
    """Batched eigenvalues on the card beside the CPU: where routing should send them."""
    lines = []
    for size in (7, 16, 32, 49, 64, 128):
        x = torch.from_numpy(definite(count if size < 64 else -(-count // 7), size))
        there = x.to(device)
        ours = best(lambda there=there: torch.linalg.eigvalsh(there))
        theirs = best(lambda x=x: _linalg.eigvalsh(x))
        lines.append(
            Line(f"eigvalsh of {len(x)} {size}x{size} on {device}", "CPU", ours, theirs, 0.0)
        )
    return lines


def definite(count: int, size: int) -> Any:
    """Random definite matrices of moderate condition."""
    x = np.random.default_rng(size).normal(size=(count, size, 2 * size))
    return x @ x.swapaxes(-1, -2) / (2 * size)


def best(function: Callable[[], Any], rounds: int = 5) -> float:
    """Shortest time of some rounds, after one that does not count."""
    if rounds > 1:
        function()
    times = []
    for _ in range(rounds):
        _synchronise()
        start = perf_counter()
        function()
        _synchronise()
        times.append(perf_counter() - start)
    return min(times)


def _lines(device: str, samples: int, peers: bool) -> Iterator[Line]:
    if device != "cpu" or not peers:
        yield from without_peers(device, samples)
        return
    yield from log_euclidean()
    yield from affine_invariant()
    yield from angles()
    yield from ranks(samples)
    yield from gram(device, samples)
    yield from bures_wasserstein()


def _all_pairs(x: Any, metric: str) -> Any:
    return geometry.pairwise_distance(x, metric=metric)


def _to(x: Any, device: str) -> Any:
    return x if device == "cpu" else torch.from_numpy(x).to(device)


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _pyriemann(x: Any, metric: str) -> Any:
    from pyriemann.geometry.distance import pairwise_distance

    return pairwise_distance(x, metric=metric)


def _pot(x: Any) -> Any:
    import ot

    zeros = np.zeros(x.shape[:2])
    return ot.gaussian.bures_wasserstein_distance(zeros, zeros, x, x)


def _geomstats(x: Any) -> Any:
    from geomstats.geometry.spd_matrices import SPDAffineMetric, SPDMatrices

    space = SPDMatrices(x.shape[-1], equip=False)
    space.equip_with_metric(SPDAffineMetric)
    return space.metric.dist_pairwise(x)


def _spectra_and_ranks(z: Any) -> list[Any]:
    spectra = geometry.mode_singular_values(z)
    sides = (max(7, 7 * 128), max(7, 7 * 128), 128)
    eps = float(np.finfo(np.float32).eps)
    return [
        geometry.rank_from_singular_values(s, side * eps)
        for s, side in zip(spectra, sides, strict=True)
    ]


def _ranks_by_numpy(z: Any) -> Any:
    found = []
    for latent in z:
        rows = latent.transpose(1, 0, 2).reshape(7, -1)
        columns = latent.transpose(2, 0, 1).reshape(7, -1)
        modes = (rows, columns, latent.reshape(len(latent), -1))
        found.append([np.linalg.matrix_rank(x - x.mean(1, keepdims=True)) for x in modes])
    return found


def _product_rate(device: str) -> float:
    size = 4096
    a = torch.randn(size, size, dtype=torch.float64, device=device)
    return 2.0 * size**3 / best(lambda: a @ a, rounds=3)


def _gram_memory(samples: int) -> dict[str, float]:
    """Peak of a fresh process around the Gram matrix, beyond what came before and what it gives."""
    x = np.random.default_rng(0).normal(size=(samples, 128, 49)).astype(np.float32)
    geometry.kernel(x[:50], form="unfolding")
    # Not getrusage: the peak that it gives begins with that of the parent process.
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak()
    found = geometry.kernel(x, form="unfolding")
    return {"samples": samples, "temporaries_gib": (_peak() - before - found.nbytes) / GIB}


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def _memory_in_a_fresh_process(samples: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--memory", "--samples", str(samples)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _machine(device: str) -> dict[str, Any]:
    card = torch.cuda.get_device_name() if device != "cpu" else "none"
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "card": card,
        "system": platform.system(),
        "python": platform.python_version(),
        "load": _load(),
        "threads": torch.get_num_threads(),
        "versions": {name: _version(name) for name in PEERS},
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def _load() -> str:
    return ", ".join(f"{x:.2f}" for x in os.getloadavg())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _row(line: Line) -> str:
    wanted = f"{line.wanted:g}" if line.wanted else ""
    return (
        f"| {line.work} | {line.peer} | {line.ours:.4g} | {line.theirs:.4g} | "
        f"{line.ratio:.2f} | {wanted} | {line.note} |"
    )


def _write(
    arguments: argparse.Namespace,
    machine: dict[str, Any],
    lines: list[Line],
    memory: dict[str, float],
) -> None:
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    command = f"python benchmarks/geometry.py --device {arguments.device} --out {arguments.out}"
    rows = [{**asdict(line), "ratio": line.ratio} for line in lines]
    document = {"command": command, "machine": machine, "lines": rows, "memory": memory}
    name = f"geometry-{arguments.device}"
    (out / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")
    (out / f"{name}.md").write_text(_page(command, machine, lines, memory))


def _page(
    command: str, machine: dict[str, Any], lines: list[Line], memory: dict[str, float]
) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    parts = [
        "# Geometry beside its peers",
        "",
        f"`{command}`",
        "",
        f"{machine['processor']}, {machine['cores']} cores, card: {machine['card']}; "
        f"{machine['system']}; Python {machine['python']}, {versions}. "
        f"Load average {machine['load']} at the start, {machine['load at the end']} at the end.",
        "",
        "| work | peer | ours (s) | peer (s) | times as fast | at least | |",
        "|---|---|---|---|---|---|---|",
        *(_row(line) for line in lines),
    ]
    if memory:
        parts += [
            "",
            f"Temporaries of the Gram matrix of {memory['samples']:.0f} samples: "
            f"{memory['temporaries_gib']:.2f} GiB (budget 1 GiB), as the peak of a fresh process "
            "beyond its input and output.",
        ]
    return "\n".join(parts) + "\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", default="benchmarks/results", help="folder of the tables")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--samples", type=int, default=10_000, help="of the large lines")
    parser.add_argument("--no-peers", dest="peers", action="store_false", help="as on a card")
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
