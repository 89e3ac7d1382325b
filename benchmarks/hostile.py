"""Files that were made to do harm, and files of which bytes were changed.

Each is opened as a user would, with 1.5 GiB more than what Python and its libraries hold: the right
answer, or one line.
"""

import json
import random
import shutil
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faults
import numpy as np

ROOM = 3 << 29  # 1.5 GiB
SECONDS = 60.0  # of computing
MOST_ADDRESSES = 8 << 30  # threads reserve much of it, and touch little
_CARD = "latentgeo: 1\nmodel: nets.py:Net\n"


def hostile_files(folder: Path, run: Path, analysis: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield hostile files, each with the command that opens it.

    Parameters
    ----------
    folder : pathlib.Path
        Where they go.
    run, analysis : pathlib.Path
        A good run and a good analysis, of which some are made.

    Yields
    ------
    str, list of str
        What the file is, and the arguments.
    """
    for name, make in _LATENTS.items():
        path = folder / name.split("::")[0]
        make(path)
        yield name, ["analyze", str(path), "--out", str(folder / "out")]
    for name, text in _CARDS.items():
        place = folder / name
        place.mkdir()
        (place / "latentgeo.yaml").write_bytes(text)
        yield name, ["info", str(place)]
    for name, change in _RUNS.items():
        place = folder / name
        shutil.copytree(run, place)
        change(place)
        yield name, ["info", str(place)]
    for name, change in _ANALYSES.items():
        place = folder / name
        shutil.copytree(analysis, place)
        change(place)
        yield name, ["figures", str(place)]
    for name, make in _IMAGES.items():
        place = folder / name
        for split in ("train", "test"):
            (place / split).mkdir(parents=True)
            make(place / split / "image.png")
        yield name, ["encode", str(run), "--data", str(place), "--out", str(folder / "z")]


def _npy(path: Path, shape: tuple[int, ...], content: bytes = b"") -> None:
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(content)


def _npz(path: Path) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("z.npy", "w", force_zip64=True) as file,
    ):
        header = {"descr": "<f4", "fortran_order": False, "shape": (1 << 26, 10)}
        np.lib.format.write_array_header_1_0(file, header)
        for _ in range(40):
            file.write(bytes(1 << 26))


def _zarr(path: Path, **entries: Any) -> None:
    (path / "z").mkdir(parents=True)
    group = {"zarr_format": 3, "node_type": "group", "attributes": {}}
    array = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [4, 3],
        "data_type": "float32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 3]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0.0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "dimension_names": ["n", "d"],
        "attributes": {},
    }
    (path / "zarr.json").write_text(json.dumps(group))
    (path / "z" / "zarr.json").write_text(json.dumps(array | entries))


def _safetensors(path: Path, header: dict[str, Any], content: bytes = bytes(16)) -> None:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content)


def _grid(*shape: int) -> dict[str, Any]:
    return {"name": "regular", "configuration": {"chunk_shape": list(shape)}}


_TENSOR = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
_LATENTS: dict[str, Callable[[Path], None]] = {
    "promising.npy": lambda path: _npy(path, (10**12, 4), bytes(100)),
    "bomb.npz": _npz,
    "objects.npy": lambda path: np.save(path, np.array([{}, []], object), allow_pickle=True),
    "large.zarr": lambda path: _zarr(path, shape=[10**11, 3], chunk_grid=_grid(10**11, 3)),
    "empty.zarr": lambda path: _zarr(path, shape=[10**8, 4], chunk_grid=_grid(10**8, 4)),
    "pieces.zarr": lambda path: _zarr(path, shape=[10**7, 3], chunk_grid=_grid(1, 3)),
    "pickle.zarr": lambda path: _zarr(path, codecs=[{"name": "numcodecs.pickle"}]),
    "objects.zarr": lambda path: _zarr(path, data_type="object"),
    "overlapping.safetensors": lambda path: _safetensors(path, {"a": _TENSOR, "b": _TENSOR}),
    "long.safetensors": lambda path: path.write_bytes((1 << 62).to_bytes(8, "little") + b"{}"),
    "deep.safetensors": lambda path: path.write_bytes(
        (10**6).to_bytes(8, "little") + b'{"a":' * 200_000
    ),
}
_LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefghijk", "bcdefghijkl", strict=True)
)
_CARDS = {
    "card-laughs": _LAUGHS.encode(),
    "card-deep": b"a: " + b"[" * 60_000,
    "card-twice": f"{_CARD}model: other.py:Net\n".encode(),
    "card-large": b"a: x\n" * 10**6,
    "card-number": b"a: 1" + b":59" * 20_000,
    "card-python": b"a: !!python/object/apply:os.system ['true']",
    "card-mark": b"\xef\xbb\xbf" + _CARD.encode(),
    "card-terminal": b'name: "\\e[2J\\u202e"\n',
}


def _config(text: str) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        (run / "config.json").write_text(text, encoding="utf-8")

    return change


def _widths(run: Path) -> None:
    path = run / "config.json"
    values = json.loads(path.read_text())
    values["options"]["widths"] = [30_000] * 3
    path.write_text(json.dumps(values))


_RUNS: dict[str, Callable[[Path], None]] = {
    "config-deep": _config('{"recipe":' + "[" * 10**6),
    "config-twice": _config('{"recipe": "cae", "recipe": "vae"}'),
    "config-long": _config('{"recipe": ' + "9" * 10**6 + "}"),
    "config-wide": _widths,
    "provenance-deep": lambda run: (run / "provenance.json").write_text("[" * 10**6),
}


def _attributes(**more: str) -> Callable[[Path], None]:
    def change(analysis: Path) -> None:
        path = analysis / "analysis.zarr" / "zarr.json"
        values = json.loads(path.read_text())
        values["attributes"] |= more
        path.write_text(json.dumps(values))

    return change


_ANALYSES: dict[str, Callable[[Path], None]] = {
    "provenance-is-none": _attributes(provenance="[]"),
    "provenance-is-broken": _attributes(provenance="{"),
    "summary-is-deep": lambda place: (place / "summary.json").write_text("[" * 10**6),
    "figures-is-a-file": lambda place: (
        shutil.rmtree(place / "figures"),
        (place / "figures").write_text(""),
    )[0],
}


def _png(path: Path, side: int) -> None:
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(10**6))
    content = chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


_IMAGES: dict[str, Callable[[Path], None]] = {
    "image-of-100000": lambda path: _png(path, 100_000),
    "image-of-13000": lambda path: _png(path, 13_000),
    "image-cut": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n"),
}


def changed(content: bytes, generator: random.Random) -> bytes:
    """Return a content of which a few bytes are flipped, cut off, doubled or replaced."""
    made = bytearray(content)
    for _ in range(generator.choice((1, 1, 2, 8))):
        place = generator.randrange(len(made)) if made else 0
        match generator.randrange(4):
            case 0 if made:
                made[place] ^= 1 << generator.randrange(8)
            case 1:
                del made[place:]
            case 2:
                made[place:place] = made[place : place + generator.randrange(1, 64)]
            case _:
                made[place : place + 4] = generator.randbytes(4)
    return bytes(made)


def mutate(
    kind: str, path: Path, use: Callable[[], Any], tries: int, seed: int, answers: Path
) -> Callable[[], None]:
    """Return what to run in a fork: change a file many times, and use it each time.

    Parameters
    ----------
    kind : str
        What messages call it.
    path : pathlib.Path
        The file; it is as it was at the end.
    use : callable
        Reads it.
    tries : int
        How many times.
    seed : int
        Of the changes.
    answers : pathlib.Path
        Where the failures go, a line each.

    Returns
    -------
    callable
        Takes nothing.
    """

    def go() -> None:
        from latentgeo.errors import InputError, TrainingDivergedError

        content, generator = path.read_bytes(), random.Random(f"{kind} {seed}")
        failures = []
        for number in range(tries):
            path.write_bytes(changed(content, generator))
            try:
                with warnings.catch_warnings(record=True) as said:
                    warnings.simplefilter("default")
                    use()
                failures += [f"{kind} {number}: {one.message}" for one in said if _of_others(one)]
            except (InputError, TrainingDivergedError, OSError) as error:
                if "\n" in str(error):
                    failures.append(f"{kind} {number}: several lines")
            except Exception as error:
                failures.append(f"{kind} {number}: {type(error).__name__}: {error}"[:300])
        path.write_bytes(content)
        answers.write_text("\n".join(failures), encoding="utf-8")

    return go


def _of_others(said: warnings.WarningMessage) -> bool:
    """Return whether a user would see a warning that is not latentgeo's."""
    hidden = (DeprecationWarning, PendingDeprecationWarning, ResourceWarning)
    return "site-packages" in said.filename and not issubclass(said.category, hidden)


def mutated(
    kind: str, path: Path, use: Callable[[], Any], tries: int, seed: int = 0
) -> tuple[int, list[str]]:
    """Change a file many times in a fork; return how many were tried, and what did not hold."""
    answers = path.parent / "answers"
    do = mutate(kind, path, use, tries, seed, answers)
    outcome = faults.finish(faults.start_calling(do, path.parent, room=MOST_ADDRESSES))
    if outcome.code != 0:
        return tries, [f"{kind}: ended with {outcome.code}: {outcome.error[-300:]}"]
    text = answers.read_text(encoding="utf-8")
    answers.unlink()
    return tries, text.splitlines()
