"""How long does it take until something happens? Imports, `latentgeo --help`, and the wheel.

    python benchmarks/startup.py [--repeats 9] [--out benchmarks/results]

Each line is a process of its own; a repeat runs them all one after another, and the best of each
counts. The wheel is built by pip from this folder.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from machine import describe_machine

from latentgeo.files import write_text
from latentgeo.provenance import provenance

ROOT = Path(__file__).parents[1]
WORK = {
    "python, nothing": ["-c", "pass"],
    "import torch": ["-c", "import torch"],
    "import latentgeo": ["-c", "import latentgeo"],
    "latentgeo --help": ["-m", "latentgeo", "--help"],
    "latentgeo.train, first use": ["-c", "import latentgeo; latentgeo.train"],
    "latentgeo.load, first use": ["-c", "import latentgeo; latentgeo.load"],
    "latentgeo.analyze, first use": ["-c", "import latentgeo; latentgeo.analyze"],
}
AIMS = {
    "import latentgeo": "1.2 × torch",
    "latentgeo --help": "0.5 s",
    "latentgeo.analyze, first use": "1.5 × torch",
}


def main() -> None:
    """Measure and write one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    before = os.getloadavg()
    seconds = measure(chosen.repeats)
    table = to_table(seconds, wheel_size(), chosen.repeats, before)
    write_text(chosen.out / "startup.md", table)
    print(table)


def measure(repeats: int) -> dict[str, list[float]]:
    """Return the CPU seconds of each process, once per repeat: others on the machine add little."""
    found: dict[str, list[float]] = {work: [] for work in WORK}
    # Where Python may keep no bytecode, each process would compile this package anew.
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(repeats):
        for work, arguments in WORK.items():
            before = getrusage(RUSAGE_CHILDREN)
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=kept)
            after = getrusage(RUSAGE_CHILDREN)
            found[work].append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return found


def wheel_size() -> int:
    """Build the wheel and give its bytes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder]
        subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
        (wheel,) = Path(folder).glob("*.whl")
        return wheel.stat().st_size


def to_table(
    seconds: dict[str, list[float]], wheel: int, repeats: int, before: tuple[float, ...]
) -> str:
    """Write the table with what made it."""
    torch = min(seconds["import torch"])
    return "\n".join(
        [
            "# Start-up",
            "",
            f"CPU seconds of a process from start to end, best of {repeats} interleaved repeats. "
            f"{describe_machine(provenance(), before)} "
            "Command: `python benchmarks/startup.py`.",
            "",
            "| process | seconds | relative to `import torch` | at most |",
            "|---|---|---|---|",
            *(
                f"| {work} | {min(found):.2f} | {min(found) / torch:.2f} | {AIMS.get(work, '')} |"
                for work, found in seconds.items()
            ),
            "",
            f"The wheel has {wheel / 1e6:.2f} MB (at most 1).",
            "",
        ]
    )


if __name__ == "__main__":
    main()
