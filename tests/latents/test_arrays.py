"""Latents that come without a model: from arrays and files to results."""

import json
import pickle
import tracemalloc
from zipfile import ZIP_DEFLATED, ZipFile

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.io
import torch
import xarray as xr
import zarr
from pyarrow import parquet
from safetensors.torch import save_file
from scipy.io import savemat

from latentgeo import InputError, analyze_arrays, encode, read
from latentgeo.datasets import ImageDataset
from latentgeo.latents import given_latents, read_latents
from latentgeo.measures import analyze_latents
from latentgeo.models import wrap
from latentgeo.report.page import write_report
from latentgeo.settings import AnalysisSettings

N = 40
FAST = {"tsne_seeds": (), "halves": 4}


def latents(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=(N, *shape)).astype(dtype)


def saved_npy(path, values):
    np.save(path.with_suffix(".npy"), values)
    return path.with_suffix(".npy")


def saved_npz(path, values):
    np.savez(path.with_suffix(".npz"), z=values)
    return path.with_suffix(".npz")


def saved_safetensors(path, values):
    save_file({"z": torch.from_numpy(values)}, path.with_suffix(".safetensors"))
    return path.with_suffix(".safetensors")


def saved_torch(path, values):
    torch.save({"z": torch.from_numpy(values)}, path.with_suffix(".pt"))
    return path.with_suffix(".pt")


def saved_netcdf(path, values):
    dims = [f"d{i}" for i in range(values.ndim)]
    xr.Dataset({"z": (dims, values)}).to_netcdf(path.with_suffix(".nc"), engine="scipy")
    return path.with_suffix(".nc")


def saved_zarr(path, values):
    dims = [f"d{i}" for i in range(values.ndim)]
    xr.Dataset({"z": (dims, values)}).to_zarr(path.with_suffix(".zarr"), consolidated=False)
    return path.with_suffix(".zarr")


FILES = {
    each.__name__: each
    for each in (
        *(saved_npy, saved_npz, saved_safetensors),
        *(saved_torch, saved_netcdf, saved_zarr),
    )
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("shape", [(5,), (3, 2, 2)])
def test_every_kind_of_file_comes_back(tmp_path, kind, shape):
    values = latents(*shape)
    found = read_latents(FILES[kind](tmp_path / "latents", values))
    assert np.array_equal(found, values)
    assert found.dtype == values.dtype


def test_columns_of_a_table_are_the_numbers_of_a_latent(tmp_path):
    values = latents(3)
    frame = pd.DataFrame(values, columns=list("abc")).assign(name="text")
    frame.to_parquet(tmp_path / "z.parquet")
    assert np.array_equal(read_latents(tmp_path / "z.parquet"), values)


def test_columns_of_a_table_that_are_no_latents_are_left_out_and_named(tmp_path):
    values = latents(3)
    columns = {f"z{n}": values[:, n] for n in range(3)}
    frame = pd.DataFrame({"label": np.arange(N) % 3, **columns, "name": ["a"] * N})
    frame.to_parquet(tmp_path / "z.parquet")
    with pytest.warns(UserWarning, match=r"are left out \(label, name\)"):
        assert np.array_equal(read_latents(tmp_path / "z.parquet"), values)
    lists = {"label": np.arange(N), "a": list(values), "b": list(2 * values)}
    pd.DataFrame(lists).to_parquet(tmp_path / "two.parquet")
    assert np.array_equal(read_latents(f"{tmp_path / 'two.parquet'}::b"), 2 * values)
    pd.DataFrame({"label": np.arange(N)}).to_parquet(tmp_path / "none.parquet")
    with pytest.raises(InputError, match=r"no column of floating point numbers, .* label"):
        read_latents(tmp_path / "none.parquet")


@pytest.mark.parametrize("between", [",", ";", "\t"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("named", [True, False])
def test_tables_of_text_are_read_with_or_without_names(tmp_path, between, dtype, named):
    values = latents(3, dtype=dtype)
    table = pd.DataFrame(values, columns=["a", "b", "c"]).assign(label=["x", "y"] * (N // 2))
    path = tmp_path / f"z.{'tsv' if between[0] == chr(9) else 'csv'}"
    table.to_csv(path, sep=between, header=named, index=named)
    with pytest.warns(UserWarning, match="left out"):
        found = read_latents(path)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values)
    with pytest.warns(UserWarning, match="left out"):
        labels = read_latents(f"{path}::{'label' if named else 3}")
    assert labels.tolist() == table["label"].tolist()


def test_what_numpy_writes_as_text_keeps_its_precision(tmp_path):
    for dtype in (np.float32, np.float64):
        for name, between in (("z.csv", ","), ("z.txt", " "), ("wide.txt", "   ")):
            path = tmp_path / name
            np.savetxt(path, latents(3, dtype=dtype), delimiter=between, header="a,b,c")
            found = read_latents(path)
            assert found.dtype == dtype
            np.testing.assert_array_equal(found, latents(3, dtype=dtype))


def test_names_over_columns_between_spaces_are_no_row(tmp_path):
    table = pd.DataFrame(latents(3), columns=["a", "b", "c"])
    table.to_csv(tmp_path / "z.txt", sep=" ", index=False)
    np.testing.assert_array_equal(read_latents(tmp_path / "z.txt::b"), table["b"])


def test_labels_of_a_table_alone(tmp_path):
    pd.DataFrame(latents(3)).to_csv(tmp_path / "z.csv", index=False, header=False)
    for names in ("", "label\n"):
        for classes in ("0\n1\n", "cat\ndog\n", "my cat\nmy dog\n"):
            (tmp_path / "y.csv").write_text(names + classes * (N // 2), encoding="utf-8")
            given = given_latents(
                "z", tmp_path / "z.csv", AnalysisSettings(), labels=tmp_path / "y.csv"
            )
            assert given.dataset.label.values.tolist() == [0, 1] * (N // 2)


def test_columns_that_pandas_counts_are_no_row(tmp_path):
    pd.DataFrame(latents(3)).to_csv(tmp_path / "z.csv", index=False)
    np.testing.assert_array_equal(read_latents(tmp_path / "z.csv"), latents(3))


def _to_pickle(path, values):
    path.write_bytes(pickle.dumps(values))


#: Writers of files that are not read, with what their conversion needs.
WRITERS = {
    "z.pkl": _to_pickle,
    "z.pickle": _to_pickle,
    "z.joblib": lambda path, values: joblib.dump(values, path),
    "z.mat": lambda path, values: savemat(path, {"NAME": values}),
    "z.raw": lambda path, values: values.tofile(path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_is_not_read_is_converted_as_its_message_says(name, tmp_path):
    path = tmp_path / name
    WRITERS[name](path, latents(3))
    with pytest.raises(InputError, match=r"is not read; convert it.*: numpy\.save") as caught:
        read_latents(path)
    assert not path.with_suffix(".npy").exists()
    line = str(caught.value).partition(": ")[2].replace("ROWS", str(N))
    exec(line, {"numpy": np, "pickle": pickle, "joblib": joblib, "scipy": scipy})
    np.testing.assert_array_equal(read_latents(path.with_suffix(".npy")), latents(3))


@pytest.mark.parametrize(
    ("name", "start", "words"),
    [
        ("z.h5", b"\x89HDF\r\n\x1a\n", "HDF5 file.*numpy.save.*h5py"),
        ("z.mat", b"MATLAB 7.3".ljust(512) + b"\x89HDF\r\n\x1a\n", "MATLAB file.*h5py.*T"),
        ("__0_0.distcp", b"PK\x03\x04", "torch.distributed.*dcp_to_torch"),
    ],
)
def test_what_other_programs_wrote_is_named(name, start, words, tmp_path):
    (tmp_path / name).write_bytes(start)
    with pytest.raises(InputError, match=words):
        read_latents(tmp_path / name)


def test_tensors_that_torch_wrote_are_read_under_any_usual_ending(tmp_path):
    for ending in ("pt", "ckpt", "bin", "th", "pkl"):
        torch.save(torch.tensor(latents(3)), tmp_path / f"z.{ending}")
        np.testing.assert_array_equal(read_latents(tmp_path / f"z.{ending}"), latents(3))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no rows"),
        ("# a comment\n", "holds no rows"),
        ("a,b\n", "no column of floating point"),
        ("1,2\n3,4\n5,6\n", "no column of floating point"),
        ("0.1,0.2\n0.3,0.4,0.5\n", "rows of one length"),
        ("0.1,0.2\n0.3,\n", "not finite"),
        ("0.1,0.2\nnan,0.3\n", "not finite"),
        ("\0\1\2", "no column of floating point|dtype object"),
    ],
)
def test_tables_of_text_that_cannot_be_latents(tmp_path, text, words):
    (tmp_path / "z.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words) as caught:
        given_latents("z", tmp_path / "z.csv", AnalysisSettings())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("pack", [torch.nn.Parameter, lambda z: z, lambda z: [z], lambda z: (z,)])
def test_tensors_that_have_no_name_are_read(tmp_path, pack):
    values = torch.from_numpy(latents(3))
    torch.save(pack(values), tmp_path / "z.pt")
    assert np.array_equal(read_latents(tmp_path / "z.pt"), latents(3))
    torch.save([values, 2 * values], tmp_path / "z.pt")
    assert np.array_equal(read_latents(f"{tmp_path / 'z.pt'}::1"), 2 * latents(3))


def test_an_array_that_is_a_zarr_of_its_own_is_read(tmp_path):
    zarr.save_array(str(tmp_path / "z.zarr"), latents(3))
    assert np.array_equal(read_latents(tmp_path / "z.zarr"), latents(3))
    zarr.save_array(str(tmp_path / "old.zarr"), latents(3), zarr_format=2)
    with pytest.raises(InputError, match="not of zarr's format 3; save it anew"):
        read_latents(tmp_path / "old.zarr")


PRECISIONS = {
    "bfloat16": torch.from_numpy(latents(3)).bfloat16(),
    "float16": latents(3, dtype=np.float16),
    "float32": latents(3).astype(">f4"),
    "float64": latents(3).astype(np.longdouble),
}


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_the_type_of_numbers_in_which_latents_come_is_kept(tmp_path, dtype):
    values = PRECISIONS[dtype]
    clean = torch.as_tensor(values.float() if dtype == "bfloat16" else values.astype(float))
    given = [values]
    if dtype == "bfloat16":
        save_file({"z": values}, tmp_path / "z.safetensors")
        given.append(tmp_path / "z.safetensors")
    for one in given:
        found = given_latents("z", one, AnalysisSettings()).dataset
        assert found.attrs["source_dtype"] == dtype
        assert np.array_equal(found["mean"].values[0, :, :, 0, 0], clean.numpy())


@pytest.mark.parametrize("clean", PRECISIONS)
def test_of_clean_and_noisy_latents_the_coarser_numbers_count(clean):
    noisy = {0.1: PRECISIONS["float16"]}
    found = given_latents("z", PRECISIONS[clean], AnalysisSettings(), noisy=noisy).dataset
    assert found.attrs["source_dtype"] == ("bfloat16" if clean == "bfloat16" else "float16")


@pytest.mark.parametrize(
    "labels",
    [np.arange(N) % 3, np.arange(N) % 3.0, np.array(["a", "b", "c"])[np.arange(N) % 3]],
)
@pytest.mark.parametrize("column", [False, True])
def test_labels_are_whole_numbers_or_names(labels, column):
    given = labels[:, None] if column else labels
    found = given_latents("z", latents(3), AnalysisSettings(), labels=given).dataset
    assert found["label"].values.tolist() == (np.arange(N) % 3).tolist()


def test_one_of_several_arrays_is_named(tmp_path):
    path = tmp_path / "two.npz"
    np.savez(path, a=latents(2), b=latents(3))
    assert read_latents(f"{path}::b").shape == (N, 3)
    with pytest.raises(InputError, match=r"holds 2 arrays: a \(40, 2\), b \(40, 3\); name one"):
        read_latents(path)
    with pytest.raises(InputError, match="has no array 'c'"):
        read_latents(f"{path}::c")


class Payload:
    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pt", ".safetensors", ".nc", ".parquet"])
@pytest.mark.parametrize(
    "content",
    [b"", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"text", pickle.dumps(Payload()), b"\x00" * 99],
)
def test_a_broken_file_is_one_line_and_nothing_runs(tmp_path, capsys, suffix, content):
    path = tmp_path / f"z{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_latents(path)
    assert "\n" not in str(error.value)
    assert capsys.readouterr().out == ""


def test_objects_are_never_unpickled(tmp_path, capsys):
    np.save(tmp_path / "z.npy", np.array([Payload()], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="arrays of objects are not read"):
        read_latents(tmp_path / "z.npy")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none.npy", "do not exist"),
        ("z.docx", "of no known kind; expected .npy, .npz"),
        ("folder", "holds no latents .* give --data"),
    ],
)
def test_what_is_no_file_of_latents(tmp_path, path, message):
    (tmp_path / "z.docx").write_text("1,2")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=message):
        read_latents(tmp_path / path)


NAN = latents(3)
NAN[7, 1] = np.nan
CLEAN = latents(3)
WRONG = {
    "integers": ({"latents": np.ones((N, 3), int)}, "dtype int64, expected floating point"),
    "objects": ({"latents": np.full((N, 3), None)}, "dtype object"),
    "one number each": ({"latents": CLEAN[:, 0]}, r"shape \(40,\), expected a row"),
    "no rows": ({"latents": CLEAN[:0]}, r"shape \(0, 3\)"),
    "no numbers": ({"latents": CLEAN[:, :0]}, r"shape \(40, 0\)"),
    "nan": ({"latents": NAN}, "row 7 of latents .* not finite .* 1 rows"),
    "few": ({"latents": CLEAN[:3]}, "3 images cannot be analysed; expected at least 4"),
    "noisy rows": (
        {"latents": CLEAN, "noisy": {0.1: CLEAN[:9]}},
        r"at level 0.1' are shape \(9, 3\), the clean ones have shape \(40, 3\)",
    ),
    "noisy nan": ({"latents": CLEAN, "noisy": {0.1: NAN}}, "row 7 of latents .*level 0.1"),
    "level 0": ({"latents": CLEAN, "noisy": {0: CLEAN}}, "level 0 of noisy latents"),
    "labels": ({"latents": CLEAN, "labels": np.full(N, 0.5)}, "labels have .* whole numbers"),
    "label rows": ({"latents": CLEAN, "labels": np.arange(3)}, r"expected \(40,\)"),
    "noisy of two": (
        {"latents": {"a": CLEAN, "b": CLEAN}, "noisy": {0.1: CLEAN}},
        "one model at a time",
    ),
    "unlike": ({"latents": {"a": CLEAN, "b": CLEAN[:9]}}, "'b' have 9 values of sample"),
    "none": ({"latents": []}, "no latents were given"),
}


@pytest.mark.parametrize("case", WRONG)
def test_arrays_that_cannot_be_used(case):
    given, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        analyze_arrays(**given, **FAST)


def _largest_singular_value(latent, axis):
    x = np.moveaxis(latent.astype(float), axis, 0).reshape(latent.shape[axis], -1)
    return np.linalg.svd(x - x.mean(1, keepdims=True), compute_uv=False)[0]


@pytest.mark.parametrize("shape", [(6,), (4, 3, 3), (5, 2), (2, 3, 2, 2)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_latents_of_any_order_are_analysed(shape, dtype):
    clean = latents(*shape, dtype=dtype)
    noisy = {0.1: (clean + 0.1 * latents(*shape, seed=1)).astype(dtype)}
    found = analyze_arrays(clean, noisy=noisy, labels=np.arange(N) % 4, **FAST)
    model = found["latents"]
    assert model.attrs["source_dtype"] == np.dtype(dtype).name
    assert model.attrs["latent_kind"] == ("vector" if len(shape) == 1 else "tensor")
    assert list(model.levels) == [0.0, 0.1]
    notes = json.loads(model.attrs["opened"])["notes"]
    assert bool(notes) == (len(shape) == 2)
    if len(shape) > 1:
        channel = len(shape) - 1 if len(shape) == 2 else 0  # of tokens the last axis
        axes = [axis for axis in range(len(shape)) if axis != channel] + [channel]
        largest = [_largest_singular_value(clean[0], axis) for axis in axes]
        seen = model.data["singular_value"].isel(view=0, noise=0, sample=0, component=0)
        assert len(model.modes) == len(axes)
        np.testing.assert_allclose(seen, largest, rtol=1e-3 if dtype == np.float16 else 1e-5)
    measures = set(found.to_dataframe()["measure"])
    assert {"hilbert_dimension", "intrinsic_dimension", "principal_angle"} <= measures
    assert "psnr" not in measures


def _degenerate(kind):
    """Return latents and their noisy counterparts: what collapsed networks and small sets give."""
    shape = (6,) if kind == "constant vector" else (4, 3, 3)
    clean = latents(*shape)
    noisy = clean + 0.1 * latents(*shape, seed=1)
    if kind in ("constant", "constant vector", "constant twice"):
        clean[:] = clean[:1]
    if kind in ("constant twice", "constant when noisy"):
        noisy[:] = noisy[:1]
    if kind == "two images":
        clean[:] = clean[np.arange(N) % 2]
    if kind == "four images":
        clean, noisy = clean[:4], noisy[:4]
    if kind == "zero channels":
        clean[:, :2], noisy[:, :2] = 0, 0
    return clean, noisy


@pytest.mark.filterwarnings("error")
@pytest.mark.filterwarnings("ignore:.*torch.jit.script.* is deprecated")
@pytest.mark.parametrize(
    "kind",
    [
        *("constant", "constant vector", "constant twice", "constant when noisy"),
        *("two images", "four images", "zero channels"),
    ],
)
def test_degenerate_latents_end_in_a_report_without_a_contradiction(tmp_path, kind):
    clean, noisy = _degenerate(kind)
    drawn = kind in ("constant", "constant when noisy", "two images")  # figures take most time
    out = tmp_path / "found" if drawn else None
    found = analyze_arrays(clean, noisy={0.1: noisy}, out=out, **FAST)
    model = found["latents"]
    for level, values in zip(model.levels, (clean, noisy), strict=True):
        one = model.hilbert_dimension(noise=level, share=0.95)
        assert one.settled == "bounded by n" or one.low <= one.value <= one.high
        assert (one.value == 0) == bool((values == values[:1]).all())
    json.dumps(found.summary, allow_nan=False)
    assert out is None or (out / "report.html").is_file()


def test_latents_of_several_orders_stand_in_one_report(tmp_path):
    given = {"tokens": latents(5, 3), "maps": latents(4, 3, 3), "volumes": latents(2, 3, 2, 2)}
    found = analyze_arrays(given, noise=(0, 0.1), **FAST)
    assert [len(model.modes) for model in found.models] == [2, 3, 4]
    assert found.plot.spectra().axes_.shape == (2, 4)
    write_report(found, tmp_path, tmp_path / "report.html")
    assert "Ranks by mode" in (tmp_path / "report.html").read_text()
    first = analyze_arrays(given["tokens"], channels="first", **FAST)["latents"]
    assert list(first.attrs["latent_shape"]) == [5, 3]
    assert list(found["tokens"].attrs["latent_shape"]) == [3, 5]


def test_an_array_is_analysed_as_what_a_model_gives(tmp_path):
    pixels = np.random.default_rng(0).random((N, 1, 4, 4), dtype=np.float32)
    images = ImageDataset.from_array(pixels)
    encoder = torch.nn.Conv2d(1, 6, 2, stride=2)
    model = wrap(encoder, torch.nn.ConvTranspose2d(6, 1, 2, stride=2), image_shape=(1, 4, 4))
    levels = (0.0, 0.1)
    settings = AnalysisSettings(noise=levels, samples=None, **FAST)
    encoded = encode(model, images, noise=levels, out=tmp_path / "encoded")
    expected = analyze_latents(encoded.load(), np.zeros(N), settings)
    clean, noisy = encoded["mean"].values
    found = analyze_arrays(clean, noisy={0.1: noisy}, settings=settings)["latents"]
    for name in ("hilbert_dimension", "intrinsic_dimension", "principal_angle"):
        assert name in found.data
        np.testing.assert_array_equal(found.data[name].values, expected[name].values)
    # What was encoded is analysed without encoding it again.
    again = analyze_arrays(tmp_path / "encoded", settings=settings)
    (label,) = (model.label for model in again.models)
    np.testing.assert_array_equal(
        again[label].data["hilbert_dimension"].values, expected["hilbert_dimension"].values
    )


def test_rows_are_chosen_by_the_seed_and_all_where_there_are_few():
    settings = AnalysisSettings(samples=10, seed=3)
    one, same = (given_latents("z", CLEAN, settings).dataset for _ in range(2))
    assert np.array_equal(one["sample"], same["sample"])
    assert one.sizes["sample"] == 10
    np.testing.assert_array_equal(one["mean"].values[0, :, :, 0, 0], CLEAN[one["sample"]])
    other = given_latents("z", CLEAN, AnalysisSettings(samples=10, seed=4)).dataset
    assert not np.array_equal(one["sample"], other["sample"])
    assert given_latents("z", CLEAN, AnalysisSettings(samples=300)).dataset.sizes["sample"] == N


def test_noise_on_the_latent_stands_in_and_is_named_so():
    found = given_latents("z", 5 * CLEAN, AnalysisSettings(noise=(0, 0.5), samples=None))
    assert found.perturbation == "gaussian noise on the latent itself"
    clean, noisy = found.dataset["mean"].values[..., 0, 0]
    size = np.sqrt(np.mean(np.square(clean)))
    assert np.std(noisy - clean) == pytest.approx(0.5 * size, rel=0.2)
    # Not unless it is asked for.
    assert list(given_latents("z", CLEAN, AnalysisSettings()).dataset["noise"]) == [0]


@pytest.mark.parametrize("shape", [(5,), (3, 2, 2)])
def test_without_noisy_counterparts_what_needs_one_is_left_out_and_said(shape):
    model = analyze_arrays(latents(*shape), **FAST)["latents"]
    assert list(model.levels) == [0.0]
    assert model.hilbert_dimension(noise=0, share=0.95).value >= 1
    said = {one["analysis"]: one["reason"] for one in json.loads(model.attrs["omitted"])}
    assert (
        "--noisy"
        in said["what noise does: curves over levels, angles between clean and noisy latents"]
    )


def test_the_command_line_leaves_a_report(tmp_path, run_cli):
    for name, values in {"z": CLEAN, "noisy": CLEAN + 0.1 * latents(3, seed=1)}.items():
        np.save(tmp_path / f"{name}.npy", values)
    np.save(tmp_path / "y.npy", np.arange(N) % 4)
    out = tmp_path / "out"
    given = ["analyze", str(tmp_path / "z.npy"), "--noisy", f"0.1={tmp_path / 'noisy.npy'}"]
    given += ["--labels", str(tmp_path / "y.npy"), "--out", str(out), "--halves", "4", "--no-tsne"]
    code, printed, _ = run_cli(*given)
    assert code == 0
    assert "report:" in printed
    assert (out / "report.html").is_file()
    assert list(read(out)["z"].levels) == [0.0, 0.1]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["z.npy", "--noisy", "0.1"], "expected LEVEL=FILE"),
        (["z.npy", "--noisy", "x=z.npy"], "expected LEVEL=FILE"),
        (["z.npy", "--noisy", "0.1=none.npy"], "do not exist"),
        (["z.npy", "--noisy", "0.1=z.npy", "--noisy", "0.10=z.npy"], "names level 0.1 twice"),
        (["z.npy", "--labels", "none.npy"], "labels 'none.npy' do not exist"),
        (["z.npy", "--model", "a.py:Net", "--range", "0,255"], "model, preprocessing open a model"),
        (["z.npy", "--data", "digits", "--labels", "y.npy"], "go with latents that come without"),
        (["--model", "a.py:Net"], "no data was given"),
        (["z.npy", "--split", "test", "--size", "8"], "--split, --size choose images"),
    ],
)
def test_wrong_options_are_one_line(tmp_path, monkeypatch, run_cli, more, message):
    monkeypatch.chdir(tmp_path)
    np.save("z.npy", CLEAN)
    code, _, said = run_cli("analyze", *more, "--out", "out")
    assert code == 2
    assert message in said
    assert len(said.strip().splitlines()) == 1


def bomb_npy(path):
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**12, 4)}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(1000))


def bomb_npz(path):
    with ZipFile(path, "w", ZIP_DEFLATED) as archive, archive.open("z.npy", "w") as file:
        shape = (1 << 16, 5)  # 1.25 MiB
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(5 << 18))


def lying_npz(path):
    npy = path.with_name("z.npy")
    bomb_npy(npy)
    with ZipFile(path, "w") as archive:
        archive.write(npy)


def bomb_parquet(path):
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1 << 10, np.int8)), pa.array([1.5]))
    batch = pa.record_batch({"z": column})
    with parquet.ParquetWriter(path, batch.schema) as writer:
        writer.write_table(pa.Table.from_batches([batch] * (1 << 9)), row_group_size=1 << 28)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (bomb_npy, "z.npy"),
        (bomb_npz, "z.npz"),
        (lying_npz, "l.npz"),
        (bomb_parquet, "z.parquet"),
    ],
)
def test_a_file_that_promises_more_than_it_has_takes_no_memory(tmp_path, monkeypatch, make, name):
    monkeypatch.setattr("latentgeo.foreign.room._ALWAYS", 1 << 20)
    make(tmp_path / name)
    tracemalloc.start()
    with pytest.raises(InputError) as caught:
        read_latents(tmp_path / name)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
    assert "\n" not in str(caught.value)
