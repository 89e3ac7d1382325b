"""What no door takes: one line and exit code 2, whichever way the file comes in."""

import numpy as np
import pandas
import pytest
import torch
import xarray
from safetensors.torch import save_file

ROWS = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
IMAGES = np.random.default_rng(0).random((12, 1, 8, 8)).astype(np.float32)


class Payload:
    def __reduce__(self):
        return (print, ("run",))


def _objects(array):
    held = np.empty(len(array), dtype=object)
    held[:] = [Payload() for _ in array]
    return held


def _nan(array):
    found = array.astype(np.float32).copy()
    found[1] = np.nan
    return found


#: What is done to what would do.
FAULTS = {
    "nan": _nan,
    "infinite": lambda array: array * np.float32(np.inf),
    "whole numbers": lambda array: np.rint(array * 9).astype(np.int64),
    "truths": lambda array: array > 0.5,
    "complex": lambda array: array + 0j,
    "objects": _objects,
    "empty": lambda array: array[:0],
    "one number": lambda array: array.ravel()[0],
    "no numbers": lambda array: array[..., :0],
    "texts": lambda array: array.astype(str),
}


def _netcdf(path, array):
    dims = [f"d{axis}" for axis in range(np.ndim(array))]
    xarray.Dataset({"z": (dims, array)}).to_netcdf(path, engine="scipy")


def _zarr(path, array):
    dims = [f"d{axis}" for axis in range(np.ndim(array))]
    xarray.Dataset({"z": (dims, array)}).to_zarr(path, zarr_format=3, consolidated=False)


WRITERS = {
    ".npy": lambda path, array: np.save(path, array, allow_pickle=True),
    ".npz": lambda path, array: np.savez(path, x=array),
    ".pt": lambda path, array: torch.save(torch.as_tensor(array), path),
    ".safetensors": lambda path, array: save_file(
        {"z": torch.from_numpy(np.ascontiguousarray(array))}, path
    ),
    ".nc": _netcdf,
    ".zarr": _zarr,
    ".csv": lambda path, array: pandas.DataFrame(array).to_csv(path, index=False),
    ".parquet": lambda path, array: pandas.DataFrame({"image": list(array)}).to_parquet(path),
}
OF_IMAGES = (".npy", ".npz", ".parquet")


def refused(code, out, error):
    lines = [line for line in error.splitlines() if not line.startswith("latentgeo: warning")]
    assert code == 2, error
    assert len(lines) == 1, error
    assert "run" not in out.split()


#: What the formats themselves cannot hold.
UNHELD = {
    ("objects", ".pt"),
    ("texts", ".pt"),
    ("objects", ".safetensors"),
    ("texts", ".safetensors"),
    ("objects", ".nc"),
    ("complex", ".nc"),
    ("truths", ".nc"),
    ("objects", ".zarr"),
    ("objects", ".parquet"),
    ("complex", ".parquet"),
    ("one number", ".parquet"),
    ("objects", ".csv"),
    ("one number", ".csv"),
    ("texts", ".csv"),  # numbers, then
}


def cases(kinds, *besides):
    left_out = UNHELD.union(besides)
    return [(kind, fault) for kind in kinds for fault in FAULTS if (fault, kind) not in left_out]


@pytest.mark.parametrize(("kind", "fault"), cases(WRITERS))
@pytest.mark.filterwarnings("ignore")
def test_latents_that_cannot_be(kind, fault, run_cli, tmp_path):
    WRITERS[kind](tmp_path / f"z{kind}", FAULTS[fault](ROWS))
    refused(*run_cli("analyze", tmp_path / f"z{kind}", "--out", tmp_path / "out"))
    WRITERS[".npy"](tmp_path / "clean.npy", ROWS)
    noisy = f"0.1={tmp_path}/z{kind}"
    refused(
        *run_cli("analyze", tmp_path / "clean.npy", "--noisy", noisy, "--out", tmp_path / "out")
    )
    assert not (tmp_path / "out").exists()


@pytest.fixture
def on_images(run_cli, tmp_path, monkeypatch):
    """Return a function that encodes images by a network that would take them."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "net.py").write_text(
        "from torch import nn\ndef net():\n    return nn.ModuleDict({'encoder': nn.Flatten()})\n"
    )

    def run(data):
        given = ["encode", "--model", f"{tmp_path}/net.py:net", "--data", data, "--noise", "0,0.1"]
        return run_cli(*given, "--out", tmp_path / "out", "-q")

    return run


def _images(kind):
    return IMAGES.reshape(12, -1) if kind == ".parquet" else IMAGES


@pytest.mark.parametrize("kind", OF_IMAGES)
def test_images_that_can_be(kind, on_images, tmp_path):
    WRITERS[kind](tmp_path / f"x{kind}", _images(kind))
    code, _, error = on_images(tmp_path / f"x{kind}")
    assert code == 0, error


# Whole numbers from 0 to 255 are pixels in a table.
@pytest.mark.parametrize(
    ("kind", "fault"), cases(OF_IMAGES, ("whole numbers", ".parquet"), ("truths", ".parquet"))
)
@pytest.mark.filterwarnings("ignore")
def test_images_that_cannot_be(kind, fault, on_images, tmp_path):
    WRITERS[kind](tmp_path / f"x{kind}", FAULTS[fault](_images(kind)))
    refused(*on_images(tmp_path / f"x{kind}"))
    assert not (tmp_path / "out").exists()


LENGTHS = {
    "rows": lambda: ROWS[:5],
    "numbers": lambda: ROWS[:, :2],
    "order": lambda: ROWS[:, None],
}


@pytest.mark.parametrize("kind", [".npy", ".npz", ".pt", ".safetensors", ".nc", ".zarr"])
@pytest.mark.parametrize("length", LENGTHS)
def test_noisy_latents_of_another_shape(kind, length, run_cli, tmp_path):
    np.save(tmp_path / "clean.npy", ROWS)
    WRITERS[kind](tmp_path / f"z{kind}", LENGTHS[length]())
    given = ["analyze", tmp_path / "clean.npy", "--noisy", f"0.1={tmp_path}/z{kind}"]
    code, out, error = run_cli(*given, "--out", tmp_path / "out")
    refused(code, out, error)
    assert "the clean ones have shape (12, 3)" in error


@pytest.mark.parametrize(
    "labels", [np.arange(5), np.full(12, 0.5), np.full(12, np.nan), np.eye(12), _objects(ROWS)]
)
def test_labels_that_do_not_fit(labels, run_cli, tmp_path):
    np.save(tmp_path / "z.npy", ROWS)
    np.save(tmp_path / "y.npy", labels, allow_pickle=True)
    given = ["analyze", tmp_path / "z.npy", "--labels", tmp_path / "y.npy"]
    refused(*run_cli(*given, "--out", tmp_path / "out"))


NETWORKS = {
    ".onnx": b"\x08\x09\x12\x07pytorch",
    ".pt": b"PK\x03\x04broken",
    ".safetensors": b"\x08\x00\x00\x00\x00\x00\x00\x00{broken}",
    ".ckpt": b"",
    ".bin": b"\x80\x02broken",
    ".keras": b"PK\x03\x04metadata.json",
    ".h5": b"\x89HDF\r\n\x1a\n",
    ".pb": b"\x08\x01\x12\x02",
    ".npy": b"\x93NUMPY",
}


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("command", ["info", "analyze"])
def test_networks_that_cannot_be(kind, command, run_cli, tmp_path):
    path = tmp_path / f"net{kind}"
    path.write_bytes(NETWORKS[kind])
    out = ["--out", tmp_path / "out"] if command != "info" else []
    refused(*run_cli(command, path, *(["--data", "digits", *out] if out else [])))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["empty", "texts", "broken"])
def test_folders_of_images_that_cannot_be(kind, on_images, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    if kind == "texts":
        (folder / "a.docx").write_text("a")
    if kind == "broken":
        (folder / "a.png").write_bytes(b"\x89PNG")
    refused(*on_images(folder))
