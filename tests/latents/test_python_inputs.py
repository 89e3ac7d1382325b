"""Latents from the objects that Python code has them in."""

import numpy as np
import pandas
import pytest
import torch
import xarray
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from latentgeo import analyze_arrays
from latentgeo.errors import InputError
from latentgeo.latents import given_latents
from latentgeo.settings import AnalysisSettings

N = 12
VALUES = np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32)
LABELS = np.arange(N) % 2
TENSOR, CLASSES = torch.from_numpy(VALUES), torch.from_numpy(LABELS)
FRAME = pandas.DataFrame(VALUES).assign(name="a", number=LABELS)


class Items(Dataset):
    """A data set, or without a length, of what a function gives for a place."""

    def __init__(self, give):
        self.give = give

    def __len__(self):
        return N

    def __getitem__(self, place):
        return self.give(place)


class Stream(IterableDataset):
    def __init__(self, give):
        self.give = give

    def __iter__(self):
        return map(self.give, range(N))


def alone(place):
    return TENSOR[place]


def pair(place):
    return TENSOR[place], int(LABELS[place])


def mapping(place):
    return {"label": LABELS[place], "z": VALUES[place]}


def given(latents, **more):
    return given_latents("a", latents, AnalysisSettings(), **more).dataset


def check(found, *, labelled=False):
    np.testing.assert_array_equal(found["mean"].values[0, :, :, 0, 0], VALUES)
    assert ("label" in found) == labelled
    if labelled:
        np.testing.assert_array_equal(found["label"], LABELS)


@pytest.mark.parametrize(
    "latents",
    [
        FRAME[[0, 1, 2]],
        pandas.Series(list(VALUES)),
        xarray.DataArray(VALUES, dims=("sample", "d")),
        xarray.Dataset({"z": (("sample", "d"), VALUES)}),
        list(TENSOR),
        TENSOR.clone().requires_grad_() * 1,
    ],
    ids=lambda value: type(value).__name__,
)
def test_tables_arrays_and_tensors(latents):
    check(given(latents))


def test_columns_that_are_no_latents_are_left_out_and_named():
    with pytest.warns(UserWarning, match=r"no floating point numbers are left out \(name, number"):
        check(given(FRAME))


@pytest.mark.parametrize("kind", [Items, Stream])
@pytest.mark.parametrize("give", [alone, pair, mapping])
@pytest.mark.parametrize("batch", [False, None, 5])
def test_data_sets_and_loaders_of_torch(kind, give, batch):
    data = kind(give)
    data = data if batch is False else DataLoader(data, batch_size=batch)
    check(given(data), labelled=give is not alone)


def test_the_order_is_that_of_the_data_set_whatever_a_loader_draws():
    loader = DataLoader(TensorDataset(TENSOR, CLASSES), batch_size=5, shuffle=True)
    found = given(loader, noisy={"0.1": loader})
    check(found, labelled=True)
    np.testing.assert_array_equal(found["mean"][0], found["mean"][1])
    assert found["noise"].values.tolist() == [0, 0.1]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_the_type_of_numbers_is_kept(dtype):
    name = str(dtype).removeprefix("torch.")
    for latents in (TENSOR.to(dtype), list(TENSOR.to(dtype)), TensorDataset(TENSOR.to(dtype))):
        assert given(latents).attrs["source_dtype"] == name


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["b", "c"] * 6, dtype=object),
        pandas.Series(["b", "c"] * 6),
        pandas.Categorical(["b", "c"] * 6),
        LABELS.astype(bool),
        CLASSES,
        xarray.DataArray(LABELS),
    ],
    ids=lambda value: type(value).__name__,
)
def test_labels_in_any_form(labels):
    check(given(VALUES, labels=labels), labelled=True)


BAD = {
    "nothing": (None, {}, "cannot be an array .it is a NoneType"),
    "several arrays": (
        xarray.Dataset({"z": ("n", VALUES[0]), "y": ("n", LABELS[:3])}),
        {},
        "2 arr",
    ),
    "eight bits": (TENSOR.to(torch.float8_e4m3fn), {}, "dtype float8_e4m3fn, expected floating"),
    "items without": (Items(lambda place: {"photo": TENSOR[place]}), {}, "an item holds photo"),
    "items of two lengths": (
        Items(lambda place: TENSOR[place, : 1 + place % 2]),
        {},
        "from a Items",
    ),
    "items that fail": (Stream(lambda place: 1 / 0), {}, "from a Stream: division by zero"),
    "no items": (TensorDataset(TENSOR[:0]), {}, "expected a row for each input"),
    "list of levels": (VALUES, {"noisy": [VALUES]}, "noisy latents are a list"),
    "level by name": (VALUES, {"noisy": {"low": VALUES}}, "level 'low' of noisy latents"),
    "hidden": (np.ma.masked_array(VALUES, VALUES > 0), {}, "behind a mask"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_latents_is_one_line(case):
    latents, more, message = BAD[case]
    with pytest.raises(InputError, match=message) as error:
        given(latents, **more)
    assert "\n" not in str(error.value)


def test_an_encoding_is_one_model_and_no_mapping_of_arrays():
    encoding = given(VALUES, labels=LABELS)
    found = analyze_arrays(encoding, tsne_seeds=(), halves=2)
    assert list(found) == ["latents"]
