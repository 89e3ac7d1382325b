"""Files of each format with changed bytes: the right answer, or one line; a fixed few of many.

`benchmarks/robustness.py --only mutations` tries as many as one likes.
"""

import tarfile
import warnings
from contextlib import nullcontext, suppress

import pytest

from latentgeo.errors import InputError

OLD_FOLDERS = "tests/old_folders"
TRIES = 8
NOT_OPENED = {"weights, `.pt`", "weights, `.pt` of torch before 1.6", "TorchScript"}
NAMES = [
    *(f"latents, `.{ending}`" for ending in ("npy", "npz", "pt", "safetensors", "nc", "parquet")),
    "latents, `z/zarr.json` of a zarr",
    "latents, `z/c/0/0` of a zarr",
    *(f"an image, `.{ending}`" for ending in ("png", "jpg", "bmp", "tif")),
    "images, `images.npz`",
    "images, `images.csv`",
    "images, `t10k-images-idx3-ubyte.gz`",
    "images, `t10k-labels-idx1-ubyte.gz`",
    "weights, `.pt`",
    "weights, `.pt` of torch before 1.6",
    "TorchScript",
    "`config.json` of a run",
    "`model.safetensors` of a run",
    "`provenance.json` of a run",
    "`state/last.pt` of a run",
    "`analysis.zarr/zarr.json` of an analysis",
    "`analysis.zarr/vae/psnr/zarr.json` of an analysis",
    "`analysis.zarr/vae/psnr/c/0/0` of an analysis",
    "`summary.json` of an analysis",
    "settings, `.yaml`",
    "a card, `latentgeo.yaml`",
    "sentences, `.txt`",
]


@pytest.fixture(scope="module")
def hostile(load_benchmark):
    return load_benchmark("hostile")


@pytest.fixture(scope="module")
def readers(load_benchmark, tmp_path_factory, pytestconfig):
    folder = tmp_path_factory.mktemp("formats")
    archive = max((pytestconfig.rootpath / OLD_FOLDERS).glob("*.tar.xz"))
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    place = folder / "place"
    place.mkdir()
    return load_benchmark("formats").readers(folder / "run", folder / "analysis", place)


def test_every_format_is_tried(readers):
    assert list(readers) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_changed_bytes_are_read_rightly_or_refused_in_one_line(hostile, readers, tmp_path, name):
    path, use = readers[name]
    with suppress(InputError) if name in NOT_OPENED else nullcontext():
        use()
    hostile.mutate(name, path, use, TRIES, 0, tmp_path / "failures")()
    assert (tmp_path / "failures").read_text() == ""


def test_a_library_that_warns_is_found_out(hostile, tmp_path):
    def use():
        warnings.warn_explicit("odd", UserWarning, "site-packages/library.py", 1)

    (tmp_path / "file").write_bytes(b"content")
    hostile.mutate("file", tmp_path / "file", use, 1, 0, tmp_path / "failures")()
    assert (tmp_path / "failures").read_text() == "file 0: odd"
