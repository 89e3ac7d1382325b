"""Much at once, and little to live on: large analyses, and surroundings that lack something.

Each command is a process of its own, as a user would start it. It holds when it ends with results
or with one line, and, where it said how much memory it takes, when it took that within a fifth.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

MOST_OFF = 0.2
_GIB = 2**30
_TOLD = re.compile(r"^memory: about ([\d.]+) GiB$")
_FEW = ("--data", "digits", "--device", "cpu")


class Ended(NamedTuple):
    """How a command ended.

    Attributes
    ----------
    code : int
        Its exit code.
    lines : list of str
        What it wrote to standard error, without warnings and what it told of memory.
    told : float or None
        Bytes that it said it would take.
    took : int
        Bytes that it took.
    """

    code: int
    lines: list[str]
    told: float | None
    took: int

    @property
    def reason(self) -> str:
        """What did not hold; empty where all did."""
        if self.code not in (0, 2) or len(self.lines) != (self.code == 2):
            return f"ended with {self.code}: {self.lines[-3:]}"
        if self.told is not None and abs(self.told / self.took - 1) > MOST_OFF:
            return f"took {self.took / _GIB:.2f} GiB and had told {self.told / _GIB:.2f}"
        return ""


def ended(process: "subprocess.Popen[bytes]", error: Path) -> Ended:
    """Wait for a process that writes its errors to a file."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    lines = error.read_text(encoding="utf-8", errors="replace").splitlines()
    told = [float(found[1]) * _GIB for line in lines if (found := _TOLD.match(line))]
    left = [
        line
        for line in lines
        if line.strip() and not _TOLD.match(line) and not line.startswith("latentgeo: warning: ")
    ]
    memory = told[0] if told else None
    return Ended(process.returncode, left, memory, usage.ru_maxrss << 10)


def start(
    arguments: list[str],
    error: Path,
    *,
    before: str = "",
    changes: dict[str, str | None] | None = None,
) -> "subprocess.Popen[bytes]":
    """Start latentgeo.

    Parameters
    ----------
    arguments : list of str
        Its arguments.
    error : pathlib.Path
        Where its errors go.
    before : str, default=""
        Commands of a shell that has its own mounts and network, and is allowed to change them.
    changes : dict of str to str or None, optional
        Environment variables; None takes one away.
    """
    environment = {**os.environ, "TERM": "dumb", **(changes or {})}
    command = [sys.executable, "-m", "latentgeo", *arguments]
    if before:
        script = f'{before} && exec "$@"'
        command = ["unshare", "--user", "--map-root-user", "--mount", "--net", "sh", "-c", script]
        command += ["sh", sys.executable, "-m", "latentgeo", *arguments]
    with error.open("wb") as file:
        return subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=file,
            env={name: value for name, value in environment.items() if value is not None},
        )


def run(arguments: list[str], place: Path, **surroundings: str | dict[str, str | None]) -> Ended:
    """Run latentgeo to its end; takes what `start` does."""
    place.mkdir(parents=True, exist_ok=True)
    return ended(start(arguments, place / "error", **surroundings), place / "error")


def large(
    run_folder: Path, place: Path, names: list[str], scale: float = 1.0
) -> Iterator[tuple[str, Ended]]:
    """Yield what was analysed, and how it ended.

    Parameters
    ----------
    run_folder : pathlib.Path
        A trained model of digits.
    place : pathlib.Path
        Where inputs and results go.
    names : list of str
        Some of `LARGE`.
    scale : float, default=1.0
        What of the models, levels, images and latents is taken.
    """
    for name in names:
        own = place / name
        own.mkdir(parents=True)
        yield LARGE[name](run_folder, own, scale)


def _models(run_folder: Path, place: Path, scale: float) -> tuple[str, Ended]:
    count = max(2, round(20 * scale))
    copies = [place / f"model-{number}" for number in range(count)]
    for copy in copies:
        shutil.copytree(run_folder, copy)
    choice = ("--samples", "40", "--noise", "0,0.1", "--no-tsne", "--out", str(place / "out"))
    found = run(["analyze", *map(str, copies), *_FEW, *choice], place)
    return f"{count} models in one call", found


def _levels(run_folder: Path, place: Path, scale: float) -> tuple[str, Ended]:
    count = max(2, round(64 * scale))
    noise = ",".join(f"{level / 100:g}" for level in range(count))
    choice = ("--samples", "40", "--noise", noise, "--no-tsne", "--out", str(place / "out"))
    return f"{count} noise levels", run(["analyze", str(run_folder), *_FEW, *choice], place)


def _images(run_folder: Path, place: Path, scale: float) -> tuple[str, Ended]:
    """Analyse images of 3×128×128, in squares of one colour."""
    count = max(20, round(2000 * scale))
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)
    np.save(place / "images.npy", coarse.repeat(16, axis=2).repeat(16, axis=3))
    data = ("--data", str(place / "images.npy"), "--device", "cpu")
    model = str(place / "of-images")
    small = ("--option", "widths=[4,8,8]", "--epochs", "1", "--train-samples", "16", "--quiet")
    trained = run(["train", "cae", *data, *small, "--out", model], place)
    if trained.code:
        return "images of 3×128×128", trained
    choice = ("--samples", str(count), "--noise", "0,0.1", "--no-tsne", "--split", "all")
    out = ("--out", str(place / "out"))
    return f"{count:,} images of 3×128×128", run(["analyze", model, *data, *choice, *out], place)


def _latents(run_folder: Path, place: Path, scale: float) -> tuple[str, Ended]:
    """Analyse latents of 512×32×32, of rank 20 and noise."""
    count = max(8, round(100 * scale))
    rng, shape = np.random.default_rng(0), (count, 512, 32, 32)
    path = place / "latents.npy"
    latents = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    mixing = rng.normal(size=(512, 20)).astype(np.float32)
    for latent in latents:
        factors = rng.normal(size=(20, 32 * 32)).astype(np.float32)
        noise = rng.normal(size=(512, 32, 32)).astype(np.float32)
        latent[:] = (mixing @ factors).reshape(512, 32, 32) + 0.02 * noise
    latents.flush()
    choice = ("--samples", str(count), "--noise", "0,0.1", "--no-tsne", "--device", "cpu")
    out = ("--out", str(place / "out"))
    return f"{count} latents of 512×32×32", run(["analyze", str(path), *choice, *out], place)


def _at_once(run_folder: Path, place: Path, scale: float) -> tuple[str, Ended]:
    """Run four analyses side by side; the first that does not hold, or one of them."""
    started = []
    for number in range(4):
        error = place / f"error-{number}"
        out = ("--out", str(place / f"out-{number}"), "--no-tsne")
        arguments = ["analyze", str(run_folder), *_FEW, "--samples", "40", "--noise", "0,0.1", *out]
        started.append((start(arguments, error), error))
    found = [ended(process, error) for process, error in started]
    first = next((one for one in found if one.reason or one.code), found[0])
    return "four analyses at once", first


LARGE: dict[str, Callable[[Path, Path, float], tuple[str, Ended]]] = {
    "models": _models,
    "levels": _levels,
    "images": _images,
    "latents": _latents,
    "at-once": _at_once,
}


def lacking(run_folder: Path, place: Path) -> Iterator[tuple[str, str, list[Ended]]]:
    """Yield what lacks, of what, and how commands ended.

    Parameters
    ----------
    run_folder : pathlib.Path
        A trained model of digits.
    place : pathlib.Path
        Where results go.
    """
    for name, (before, changes) in _surroundings(place).items():
        if before and not can_unshare():
            continue
        own = place / re.sub(r"\W+", "-", name)
        found = [
            run([*arguments, *more], own, before=before, changes=changes)
            for arguments, more in _small(run_folder, own)
        ]
        yield name, "`info`, `encode`, `analyze`, `train` of files that are not there", found


def can_unshare() -> bool:
    """Return whether this system lets a user make mounts and networks of their own."""
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "--net", "true"],
        capture_output=True,
        check=False,
    )
    return tried.returncode == 0


def _small(run_folder: Path, place: Path) -> list[tuple[list[str], list[str]]]:
    few = ["--samples", "8", "--noise", "0,0.1", *_FEW, "--quiet"]
    return [
        (["info", str(run_folder)], []),
        (["encode", str(run_folder), *few], ["--out", str(place / "latents")]),
        (["analyze", str(run_folder), *few, "--no-tsne"], ["--out", str(place / "analysis")]),
        (
            ["train", "cae", "--data", "cifar10", "--device", "cpu", "--quiet"],
            ["--out", str(place / "run")],
        ),
    ]


def _surroundings(place: Path) -> dict[str, tuple[str, dict[str, str | None]]]:
    """Return commands of a shell and environment variables, by what lacks."""
    home, temporary, data = (place / name for name in ("home", "temporary", "data"))
    for folder in (home, temporary, data):
        folder.mkdir(parents=True)
    nowhere: dict[str, str | None] = {
        "LATENTGEO_DATA": str(data),
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }
    no_home = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"))
    latin = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    full = f"mount -t tmpfs -o size=64k none {temporary}; yes > {temporary}/all 2> /dev/null"
    sealed = f"mount --bind {home} {home} && mount -o remount,bind,ro {home}"
    return {
        "HOME unset": ("", {**nowhere, **no_home}),
        "HOME in a place that is not there": ("", {**nowhere, **no_home, "HOME": "/proc/none"}),
        "HOME read-only": (sealed, {**nowhere, **no_home, "HOME": str(home)}),
        "LANG=C": ("", {**nowhere, **latin}),
        "TMPDIR full": (f"{full}; true", {**nowhere, "TMPDIR": str(temporary)}),
        "no network": ("true", {**nowhere, "HTTPS_PROXY": None, "HTTP_PROXY": None}),
    }
