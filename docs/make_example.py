"""Make `docs/example.tar.xz`, the results that the gallery draws: python docs/make_example.py.

It does what `latentgeo demo` does, on fewer test images, and keeps the arrays to three
digits, for the sake of the repository. Six minutes on two cores.
"""

import shutil
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import xarray as xr

import latentgeo
from latentgeo.demo import train_models

TARGET = Path(__file__).parent / "example.tar.xz"
_IMAGES = 100
_NOISE = (0.0, 0.05, 0.1, 0.3)
_KEPT_BITS = 10  # of the fraction: three digits
_FRACTION = {"float32": 23, "float64": 52}
_UNDRAWN = ("similarity_points",)  # what only `latentgeo compare` needs


def main() -> None:
    """Train, analyse, interpolate, round, pack."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        runs = train_models(place / "runs", progress=True)
        example = place / "example"
        latentgeo.analyze(
            runs, data="digits", samples=_IMAGES, noise=_NOISE, tsne_seeds=(0, 1), out=example
        )
        latentgeo.interpolate(
            {"cae": runs[0], "vae": runs[2]}, data="digits", pairs=32, out=example / "interpolation"
        )
        for store in (example / "analysis.zarr", example / "interpolation" / "paths.zarr"):
            _shorten(store)
        with tarfile.open(TARGET, "w:xz") as packed:
            packed.add(example, "example", filter=_kept)


def _shorten(store: Path) -> None:
    """Write results anew, with fewer bits and without what no figure shows."""
    with xr.open_datatree(store, engine="zarr", consolidated=False) as opened:
        tree = opened.load().map_over_datasets(_rounded)
    shutil.rmtree(store)
    tree.to_zarr(store, zarr_format=3, consolidated=False)


def _rounded(data: xr.Dataset) -> xr.Dataset:
    data = data.drop_vars([name for name in _UNDRAWN if name in data])
    return data.assign({name: _short(one) for name, one in data.data_vars.items()})


def _short(variable: xr.DataArray) -> xr.DataArray:
    """Cut the fraction of large arrays of numbers."""
    kind = variable.dtype.name
    variable.encoding = {}
    if kind not in _FRACTION or variable.size < _IMAGES:
        return variable
    whole = variable.values.view(f"u{variable.dtype.itemsize}")
    cut = np.uint64(_FRACTION[kind] - _KEPT_BITS).astype(whole.dtype)
    return variable.copy(data=(whole >> cut << cut).view(kind))


def _kept(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out what is drawn anew, and who packed it when."""
    if member.name.endswith("report.html") or Path(member.name).name == "figures":
        return None
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    main()
