"""Zarr folders that ask for more than arrays: code, memory, time, other files."""

import json
import os
import pickle

import numpy as np
import pytest
import xarray as xr
import zarr
from numcodecs import GZip, VLenUTF8, Zstd

import latentgeo
from latentgeo.errors import InputError
from latentgeo.foreign.zarr_folders import check_zarr
from latentgeo.latents import read_latents

ZSTD, BYTES, TEXTS, SUM = (
    {"name": "zstd", "configuration": {"level": 0, "checksum": False}},
    {"name": "bytes", "configuration": {"endian": "little"}},
    {"name": "vlen-utf8", "configuration": {}},
    {"name": "crc32c"},
)


@pytest.fixture
def folder(tmp_path):
    """Return a small zarr folder with numbers and texts."""
    path = tmp_path / "z.zarr"
    numbers = np.random.default_rng(0).normal(size=(40, 3))
    names = np.array(["a", "bc"] * 20, dtype=object)
    xr.Dataset({"z": (("n", "d"), numbers), "name": ("n", names)}).to_zarr(path, consolidated=False)
    return path


@pytest.fixture
def changed(folder):
    """Return a function that changes what an array of the folder says of itself."""

    def change(array="z", **entries):
        meta = folder / array / "zarr.json"
        meta.write_text(json.dumps(json.loads(meta.read_text()) | entries))
        return folder

    return change


def refused(path, reason, most=None):
    with pytest.raises(InputError) as caught:
        check_zarr(path, most)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def grid(*shape):
    return {"name": "regular", "configuration": {"chunk_shape": list(shape)}}


def chunk_of(folder, array="z"):
    return next(path for path in (folder / array / "c").rglob("*") if path.is_file())


@pytest.mark.parametrize("compressor", ["zstd", "blosc", "gzip", "none"])
@pytest.mark.parametrize("summed", [False, True])
def test_what_zarr_writes_is_let_through_and_read(tmp_path, compressor, summed):
    kinds = {
        "zstd": [zarr.codecs.ZstdCodec()],
        "blosc": [zarr.codecs.BloscCodec()],
        "gzip": [zarr.codecs.GzipCodec()],
        "none": [],
    }
    codecs = [*kinds[compressor], *[zarr.codecs.Crc32cCodec()] * summed]
    group = zarr.open_group(str(tmp_path / "z.zarr"), mode="w")
    values = np.random.default_rng(0).normal(size=(300, 7))
    for name, data in (("z", values), ("names", np.array([f"n{i}" for i in range(300)], "O"))):
        dtype = {"dtype": str} if name == "names" else {"dtype": "float64"}
        array = group.create_array(
            name,
            shape=data.shape,
            chunks=(64, *data.shape[1:]),
            compressors=codecs,
            dimension_names=("n", "d")[: data.ndim],
            **dtype,
        )
        array[:] = data
    check_zarr(tmp_path / "z.zarr", 1 << 20)
    np.testing.assert_array_equal(read_latents(f"{tmp_path / 'z.zarr'}::z"), values)


@pytest.mark.parametrize(
    "name",
    ["pickle", "numcodecs.pickle", "numcodecs.json2", "sharding_indexed", "transpose", "x.y"],
)
def test_codecs_of_other_names_are_refused(changed, name):
    refused(changed(codecs=[BYTES, {"name": name, "configuration": {}}]), f"'{name}'")
    refused(changed(codecs=[{"name": name, "configuration": {}}]), f"'{name}'")


@pytest.mark.parametrize("codecs", [[BYTES, ZSTD, ZSTD], [BYTES, SUM, ZSTD], [TEXTS], [ZSTD], []])
def test_codecs_in_another_order_are_refused(changed, codecs):
    refused(changed(codecs=codecs), "")


class Proof:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return eval, (f"open({self.path!r}, 'w').close()",)


@pytest.mark.parametrize("read", [latentgeo.read, read_latents])
def test_a_pickle_as_a_filter_of_an_older_format_does_not_run(tmp_path, read):
    proof = tmp_path / "proof"
    place = tmp_path / "analysis.zarr"
    (place / "mean").mkdir(parents=True)
    (place / ".zgroup").write_text('{"zarr_format": 2}')
    (place / ".zattrs").write_text("{}")
    described = {
        "zarr_format": 2,
        "shape": [1],
        "chunks": [1],
        "dtype": "|O",
        "fill_value": None,
        "order": "C",
        "compressor": None,
        "filters": [{"id": "pickle", "protocol": 5}],
    }
    (place / "mean" / ".zarray").write_text(json.dumps(described))
    (place / "mean" / ".zattrs").write_text('{"_ARRAY_DIMENSIONS": ["n"]}')
    (place / "mean" / "0").write_bytes(pickle.dumps(np.array([Proof(proof)], object), 5))
    with pytest.raises(InputError, match=r"format 3.*; (encode, analyse|save it anew)"):
        read(tmp_path if read is latentgeo.read else place)
    assert not proof.exists()


@pytest.mark.parametrize("kind", ["object", "complex128", "bytes", "r64", {"name": "struct"}, None])
def test_arrays_of_other_things_are_refused(changed, kind):
    refused(changed(data_type=kind), "expected numbers or texts")


@pytest.mark.parametrize(
    "entries",
    [
        {"shape": [10**12, 3]},
        {"chunk_grid": grid(10**9, 3)},
        {"shape": [2**80, 3], "chunk_grid": grid(2**80, 3)},
    ],
)
def test_a_shape_that_memory_does_not_hold_is_refused_before_reading(changed, entries):
    refused(changed(**entries), "there is room for 8589934592", 1 << 33)


def test_much_of_little_is_refused(changed):
    refused(changed(shape=[10**8, 3], chunk_grid=grid(10**8, 3)), "over 100 times as many", 2**60)


def test_very_many_pieces_are_refused(changed):
    refused(changed(shape=[300_000, 3], chunk_grid=grid(1, 3)), "in over 200000 pieces")


@pytest.mark.parametrize(
    "entries",
    [
        {"shape": [-1, 3]},
        {"shape": ["40", 3]},
        {"shape": [40]},
        {"chunk_grid": grid(0, 3)},
        {"chunk_grid": {"name": "rectilinear", "configuration": {"chunk_shape": [40, 3]}}},
        {"chunk_grid": 3},
        {"chunk_key_encoding": {"name": "../../x"}},
        {"storage_transformers": [{"name": "x"}]},
        {"zarr_format": 2},
        {"codecs": "bytes"},
        {"codecs": [3]},
    ],
)
def test_what_describes_no_array_is_refused(changed, entries):
    refused(changed(**entries), "is not read: ")


@pytest.mark.parametrize(
    "content",
    [
        Zstd().encode(bytes(10**7)),
        Zstd().encode(bytes(960)) * 2,
        b"\x28\xb5\x2f\xfd\xe0" + (1 << 50).to_bytes(8, "little") + b"\x01\0\0",
        Zstd().encode(bytes(960))[:-1],
        b"\x28\xb5\x2f\xfd",
        b"",
        bytes(10**5),
    ],
    ids=["large", "twice", "promised", "cut", "start", "empty", "long"],
)
def test_a_chunk_that_unpacks_to_more_is_refused(folder, content):
    chunk_of(folder).write_bytes(content)
    refused(folder, "is not read: it ")


def test_a_chunk_of_gzip_that_unpacks_to_more_is_refused(changed):
    path = changed(codecs=[BYTES, {"name": "gzip", "configuration": {"level": 5}}])
    chunk_of(path).write_bytes(GZip().encode(bytes(960)))
    check_zarr(path)
    chunk_of(path).write_bytes(GZip().encode(bytes(480)) + GZip().encode(bytes(10**5)))
    refused(path, "unpacks to 961 bytes, expected at most 960")


def test_texts_that_say_a_number_of_themselves_are_refused(folder):
    chunk = chunk_of(folder, "name")
    plain = bytearray(VLenUTF8().encode(np.array(["a"] * 40, object)))
    chunk.write_bytes(Zstd().encode(bytes(plain)))
    check_zarr(folder)
    plain[:4] = (2**31).to_bytes(4, "little")
    chunk.write_bytes(Zstd().encode(bytes(plain)))
    refused(folder, "says 2147483648 texts, expected 40")


def test_links_and_pipes_are_refused(folder, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(960))
    chunk = chunk_of(folder)
    chunk.unlink()
    chunk.symlink_to(tmp_path / "secret")
    refused(folder, "it is a link or no regular file")
    chunk.unlink()
    os.mkfifo(chunk)
    refused(folder, "it is a link or no regular file")


def test_folders_within_folders_are_refused(folder):
    inner = folder.joinpath(*["d"] * 40)
    inner.mkdir(parents=True)
    refused(folder, "more than 16 deep")


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_535, 65_536, 70_000, 3 * 10**6])
def test_the_size_of_a_frame_is_read_as_the_library_does(size, tmp_path):
    from latentgeo.foreign.zarr_folders import _size_in_zstd

    rng = np.random.default_rng(size)
    for content in (bytes(size), rng.bytes(size)):
        for summed in (False, True):
            assert _size_in_zstd(Zstd(checksum=summed).encode(content), 0) == size
