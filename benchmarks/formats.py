"""A small file of each format, with what reads it: for changes of their bytes."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import interruptions
import numpy as np
import torch

Readers = dict[str, tuple[Path, Callable[[], Any]]]


def readers(run: Path, analysis: Path, place: Path) -> Readers:
    """Return files by what they are, each with what reads it.

    Parameters
    ----------
    run, analysis : pathlib.Path
        A run and an analysis, whose files are some of them.
    place : pathlib.Path
        An empty folder for the others.

    Returns
    -------
    dict
        Name to path and reader.
    """
    return {
        **_latents(place),
        **_images(place),
        **_weights(place),
        **_of_a_run(run, place),
        **_of_an_analysis(analysis),
        **_texts(place),
    }


def _latents(place: Path) -> Readers:
    import pyarrow as pa
    import pyarrow.parquet
    import xarray as xr
    from safetensors.numpy import save_file

    from latentgeo.latents import read_latents

    z = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    np.save(place / "z.npy", z)
    np.savez_compressed(place / "z.npz", z=z)
    torch.save({"z": torch.tensor(z)}, place / "z.pt")
    save_file({"z": z}, place / "z.safetensors")
    named = xr.Dataset({"z": (("n", "d"), z)})
    named.to_netcdf(place / "z.nc", engine="scipy")
    table = pa.table({f"z{axis}": column for axis, column in enumerate(z.T)})
    pa.parquet.write_table(table, place / "z.parquet")
    named.to_zarr(place / "z.zarr", consolidated=False, zarr_format=3)
    endings = ("npy", "npz", "pt", "safetensors", "nc", "parquet")
    files = {f"latents, `.{ending}`": place / f"z.{ending}" for ending in endings}
    found: Readers = {
        name: (path, lambda path=path: np.asarray(read_latents(path)))
        for name, path in files.items()
    }
    for path in ("z/zarr.json", "z/c/0/0"):
        found[f"latents, `{path}` of a zarr"] = (
            place / "z.zarr" / path,
            lambda: np.asarray(read_latents(place / "z.zarr")),
        )
    return found


def _images(place: Path) -> Readers:
    import gzip

    from PIL import Image

    from latentgeo.datasets import load

    x = np.random.default_rng(1).integers(0, 256, (6, 8, 8), dtype=np.uint8)
    found: Readers = {}
    for ending in ("png", "jpg", "bmp", "tif"):
        folder = place / ending
        folder.mkdir()
        for number, pixels in enumerate(x):
            Image.fromarray(pixels).save(folder / f"{number}.{ending}")
        found[f"an image, `.{ending}`"] = (
            folder / f"0.{ending}",
            lambda folder=folder: load(str(folder), None),
        )
    np.savez_compressed(place / "images.npz", x_train=x, x_test=x)
    rows = "\n".join(",".join(map(str, [3, *pixels.ravel()])) for pixels in x)
    heads = ",".join(["label", *(f"pixel{place}" for place in range(64))])
    (place / "images.csv").write_text(f"{heads}\n{rows}\n")
    idx = place / "idx"
    idx.mkdir()
    lengths = b"".join(length.to_bytes(4, "big") for length in x.shape)
    for split in ("train", "t10k"):
        images = b"\0\0\x08\x03" + lengths + x.tobytes()
        (idx / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images, mtime=0))
        labels = b"\0\0\x08\x01" + lengths[:4] + bytes(range(len(x)))
        (idx / f"{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels, mtime=0))
    for path in (
        place / "images.npz",
        place / "images.csv",
        idx / "t10k-images-idx3-ubyte.gz",
        idx / "t10k-labels-idx1-ubyte.gz",
    ):
        data = str(idx if path.parent == idx else path)
        found[f"images, `{path.name}`"] = (path, lambda data=data: load(data, None))
    return found


def _weights(place: Path) -> Readers:
    """Return weights of others, which are looked into and not opened."""
    from latentgeo.checkpoints import info

    net = torch.nn.Linear(3, 2)
    torch.save(net.state_dict(), place / "weights.pt")
    torch.save(net.state_dict(), place / "old.pt", _use_new_zipfile_serialization=False)
    torch.jit.save(torch.jit.script(net), place / "program.pt")
    kinds = {"weights.pt": "weights, `.pt`", "old.pt": "weights, `.pt` of torch before 1.6"}
    kinds |= {"program.pt": "TorchScript"}
    return {
        kind: (place / name, lambda name=name: info(place / name)) for name, kind in kinds.items()
    }


def _of_a_run(run: Path, place: Path) -> Readers:
    from latentgeo.checkpoints import info
    from latentgeo.training import RunFolder

    found: Readers = {
        f"`{name}` of a run": (run / name, lambda: info(run))
        for name in ("config.json", "model.safetensors", "provenance.json")
    }
    shutil.copytree(run, place / "stopped")
    folder = RunFolder(place / "stopped")
    content = torch.load(folder.state, weights_only=True)
    content["progress"]["finished"] = False
    torch.save(content, folder.state)
    saved = _state(folder)

    def resumed() -> None:
        if _state(folder) != saved:
            raise AssertionError("another state was read, and nothing said")

    return {**found, "`state/last.pt` of a run": (folder.state, resumed)}


def _state(folder: Any) -> list[bytes]:
    content, _ = folder.read_state()
    return list(interruptions.tensors(content))


def _of_an_analysis(analysis: Path) -> Readers:
    import latentgeo

    tree = analysis / "analysis.zarr"
    measured = next(path.parent for path in sorted(tree.glob("*/psnr/zarr.json")))
    chunk = next(path for path in sorted((measured / "c").rglob("*")) if path.is_file())
    parts = (tree / "zarr.json", measured / "zarr.json", chunk, analysis / "summary.json")
    return {
        f"`{path.relative_to(analysis).as_posix()}` of an analysis": (
            path,
            lambda: latentgeo.read(analysis).to_dataframe(),
        )
        for path in parts
    }


def _texts(place: Path) -> Readers:
    from latentgeo.checkpoints import read_card
    from latentgeo.datasets import load
    from latentgeo.settings import AnalysisSettings, read_settings

    settings, card, text = place / "s.yaml", place / "card", place / "text.txt"
    settings.write_text("samples: 20\nnoise: [0, 0.1]\nkernel: linear\nseed: 3\n")
    card.mkdir()
    (card / "latentgeo.yaml").write_text("latentgeo: 1\nmodel: nets.py:Net\nweights: w.pt\n")
    text.write_text("".join(f"a man walks {times} times\n" for times in range(40)))
    return {
        "settings, `.yaml`": (settings, lambda: read_settings(settings, AnalysisSettings)),
        "a card, `latentgeo.yaml`": (card / "latentgeo.yaml", lambda: read_card(card)),
        "sentences, `.txt`": (text, lambda: load(str(text), None)),
    }
