"""What do two processes gain over one, and what does a step cost? One machine, gloo, CPU.

    python benchmarks/processes.py [--cases sctc mlp] [--batches 32 64 128] [--out FOLDER]

Each net trains on images of MNIST from memory with the loop of `latentgeo train`, in one process
with one thread, in one with two, and in two with one thread each, by `torchrun`; a repeat runs them
one after another, and the best of each counts. A step is the median time from the end of one to the
end of the next; validation and saving are left out. Two processes also time what they send each
other in a step, by itself. To the points of one thread per process the cost model is fitted,

    seconds of a step = o + (c / W + r) b + what is sent,

with b images and W processes: o for what a step costs whatever its images, c for an image in the
nets, r for what every process does with every image. The middle batch is left out of the fit, and
says how far off it is. All have to agree in the loss after the warm-up; later on, rounding alone
(of another number of threads, say) may lead elsewhere.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from machine import describe_machine
from own_process import peak_bytes, run_alone
from short_runs import one_epoch, seeded_model
from torch import distributed

from latentgeo import processes
from latentgeo.datasets import ImageDataset, load
from latentgeo.files import write_text
from latentgeo.models import Autoencoder
from latentgeo.provenance import provenance
from latentgeo.training import RunFolder
from latentgeo.training.data import Splits
from latentgeo.training.loop import Loop
from latentgeo.training.run import Run
from latentgeo.training.sharded import all_rows

SEED = 0
WARMUP = 3
SENDINGS = 20


@dataclass(frozen=True)
class Case:
    """A net, and how many of its steps are timed after the warm-up."""

    title: str
    backbone: str
    steps: int
    options: Mapping[str, Any] = field(default_factory=dict)


CASES = {
    "sctc": Case("SCTC 32/64/128", "sctc", 12),
    "mlp": Case("MLP 512/256, latent 32", "mlp", 60),
}


@dataclass(frozen=True)
class Layout:
    """How many processes, with how many threads each."""

    processes: int
    threads: int

    def __str__(self) -> str:
        """Return it in words."""
        return (
            f"{self.processes} process{'es' * (self.processes > 1)}, "
            f"{self.threads} thread{'s' * (self.threads > 1)} each"
        )

    def command(self, *arguments: str) -> list[str]:
        """Return the command that starts this script so."""
        if self.processes == 1:
            return [sys.executable, __file__, *arguments]
        launcher = ["-m", "torch.distributed.run", "--standalone"]
        launcher += ["--nproc-per-node", str(self.processes)]
        return [sys.executable, *launcher, __file__, *arguments]


LAYOUTS = (Layout(1, 1), Layout(1, 2), Layout(2, 1))


def main() -> None:
    """Measure all and write one table, or be one of the processes that are measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--measured", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measured:
        found = [measure(CASES[case], batch) for case in chosen.cases for batch in chosen.batches]
        if processes.is_rank_zero():
            print(json.dumps(found))
        return
    before = os.getloadavg()
    points = [point for _ in range(chosen.repeats) for point in measure_all(chosen)]
    table = to_table(best(points), chosen.repeats, before)
    write_text(chosen.out / "processes-cpu.md", table)
    print(table)


def measure_all(chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Run every layout once."""
    found = []
    batches = [str(batch) for batch in sorted(chosen.batches)]
    # A peak never falls: each net has processes of its own, with the smallest batch first.
    for case, layout in product(chosen.cases, LAYOUTS):
        arguments = ["--measured", "--cases", case, "--batches", *batches]
        environment = {**os.environ, "OMP_NUM_THREADS": str(layout.threads)}
        points = run_alone(layout.command(*arguments), environment)
        found += [{**point, "layout": str(layout)} for point in points]
    return found


def best(points: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep the fastest of each layout, net and batch; they have to have the same loss."""
    kept: dict[tuple[Any, ...], dict[str, Any]] = {}
    losses: dict[tuple[Any, ...], float] = {}
    for point in points:
        work = (point["title"], point["batch"])
        loss = losses.setdefault(work, point["loss"])
        if not np.isclose(point["loss"], loss, rtol=1e-4):
            raise SystemExit(f"{work} has loss {point['loss']} in one, {loss} in another")
        key = (*work, point["layout"])
        if key not in kept or point["seconds"] < kept[key]["seconds"]:
            kept[key] = point
    return list(kept.values())


def measure(case: Case, batch: int) -> dict[str, Any]:
    """Train some steps as `latentgeo train --quiet` does; time them, and what is sent."""
    processes.join()
    images = load("mnist", "train").take(batch * (WARMUP + 1 + case.steps), SEED)
    config = one_epoch(
        images,
        recipe="cae",
        backbone=case.backbone,
        options=dict(case.options),
        batch_size=batch,
        seed=SEED,
        device="cpu",
    )
    splits = Splits(images, images.take(2))
    model = seeded_model(config, splits)
    stamps, losses = [], []
    with tempfile.TemporaryDirectory() as folder:
        run = Run(config, model, splits, RunFolder(Path(folder)), torch.device("cpu"))

        def on_step(progress: Any, row: dict[str, float]) -> None:
            stamps.append(perf_counter())
            losses.append(row["loss"])

        Loop([run]).run(on_step, lambda run: None)
    sizes = sent_per_step(model, images, batch)
    return {
        "title": case.title,
        "batch": batch,
        "processes": processes.count(),
        "threads": torch.get_num_threads(),
        "seconds": float(np.median(np.diff(stamps)[WARMUP:])),
        "sent": time_sending(sizes) if processes.count() > 1 else 0.0,
        "bytes": sizes,
        "peak": peak_bytes(),
        "loss": losses[WARMUP - 1],
    }


def sent_per_step(model: Autoencoder, images: ImageDataset, batch: int) -> dict[str, int]:
    """Count the bytes that are gathered of all images of a step, and those of the gradients."""
    with torch.no_grad():
        features = model.encoder(images.batch(slice(0, 2 * processes.count())))
    weights = sum(weight.numel() for weight in model.parameters())
    return {
        "features": 4 * batch * features[0].numel(),
        "latent gradients": 4 * batch * int(np.prod(model.latent_shape)),
        "logits": 4 * batch * int(np.prod(images.shape)),
        "gradients": 4 * weights,
    }


def time_sending(sizes: dict[str, int]) -> float:
    """Return the seconds that the sendings of a step take by themselves."""
    rows = [
        torch.zeros(2, size // 8 // processes.count())
        for name, size in sizes.items()
        if name != "gradients"
    ]
    gradients = torch.zeros(sizes["gradients"] // 4)
    processes.wait()
    start = perf_counter()
    for _ in range(SENDINGS):
        for own in rows:
            all_rows(own)
        distributed.all_reduce(gradients)
    return (perf_counter() - start) / SENDINGS


def fit(points: Sequence[dict[str, Any]]) -> tuple[float, float, float]:
    """Fit o, c and r to points by least squares of relative errors."""
    seconds = np.array([point["seconds"] for point in points])
    rows = np.array([[1, p["batch"] / p["processes"], p["batch"]] for p in points])
    wanted = seconds - [point["sent"] for point in points]
    fixed, nets, replicated = np.linalg.lstsq(
        rows / seconds[:, None], wanted / seconds, rcond=None
    )[0].tolist()
    return fixed, nets, replicated


def predict(point: dict[str, Any], terms: tuple[float, float, float]) -> float:
    """Return the seconds of a step by the model."""
    fixed, nets, replicated = terms
    per_image = nets / point["processes"] + replicated
    return float(fixed + per_image * point["batch"] + point["sent"])


def to_table(points: list[dict[str, Any]], repeats: int, before: tuple[float, ...]) -> str:
    """Write the tables with what made them."""
    facts = provenance()
    lines = [
        "# One process and two",
        "",
        f"MNIST from memory, float32, Adam, CAE; milliseconds of a step, best of {repeats} "
        "interleaved repeats. Predicted: the cost model, fitted without the middle batch; points "
        "with several threads have no part in it. Sent: what two processes gather and add up in a "
        "step, timed by itself. Peak: of one process, with Python and its libraries.",
        f"{describe_machine(facts, before, ', gloo')} "
        f"Command: `python benchmarks/{facts['command']}`.",
        "",
    ]
    for title in dict.fromkeys(point["title"] for point in points):
        lines += _table([point for point in points if point["title"] == title])
    return "\n".join(lines)


def _table(points: list[dict[str, Any]]) -> list[str]:
    modelled = [point for point in points if point["threads"] == 1]
    batches = sorted({point["batch"] for point in points})
    middle = batches[len(batches) // 2] if len(batches) > 2 else None
    terms = fit([point for point in modelled if point["batch"] != middle])
    fixed, nets, replicated = (1e3 * term for term in terms)
    return [
        f"## {points[0]['title']}",
        "",
        f"o = {fixed:.2f} ms, c = {nets:.4f} ms an image, r = {replicated:.4f} ms an image.",
        "",
        "| batch | layout | ms | predicted | error | sent, ms | MB sent | peak, MiB |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(point, terms if point in modelled else None, middle) for point in points),
        "",
    ]


def _row(
    point: dict[str, Any], terms: tuple[float, float, float] | None, middle: int | None
) -> str:
    seconds = point["seconds"]
    predicted = error = "–"
    if terms is not None:
        prediction = predict(point, terms)
        predicted = f"{1e3 * prediction:.2f}{' (not fitted)' * (point['batch'] == middle)}"
        error = f"{prediction / seconds - 1:+.0%}"
    alone = point["processes"] == 1
    sent = ["–", "–"]
    if not alone:
        sent = [f"{1e3 * point['sent']:.2f}", f"{sum(point['bytes'].values()) / 1e6:.2f}"]
    cells = [str(point["batch"]), point["layout"], f"{1e3 * seconds:.2f}", predicted, error]
    peak = f"{point['peak'] / 2**20:.0f}"
    return f"| {' | '.join([*cells, *sent, peak])} |"


if __name__ == "__main__":
    main()
