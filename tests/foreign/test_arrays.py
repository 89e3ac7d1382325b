"""Whatever holds numbers in Python becomes an array, or is refused in one line."""

import numpy as np
import pandas
import pytest
import torch
import xarray

from latentgeo.errors import InputError
from latentgeo.foreign.arrays import as_names, as_numpy

VALUES = np.arange(6, dtype=np.float32).reshape(3, 2)
TENSOR = torch.from_numpy(VALUES)
HALF = VALUES.astype(np.float16)


@pytest.mark.parametrize(
    "given",
    [
        VALUES,
        VALUES.tolist(),
        VALUES.astype(">f4"),
        np.ma.masked_array(VALUES, np.zeros_like(VALUES, bool)),
        TENSOR,
        TENSOR.clone().requires_grad_() * 1,
        torch.nn.Parameter(TENSOR),
        TENSOR.bfloat16(),
        TENSOR.to(torch.float8_e4m3fn),
        TENSOR.to_sparse(),
        TENSOR.flip(0).flip(0),
        list(TENSOR.clone().requires_grad_()),
        tuple(TENSOR.bfloat16()),
        xarray.DataArray(VALUES, dims=("sample", "d")),
        pandas.DataFrame(VALUES),
    ],
)
def test_what_is_an_array(given):
    np.testing.assert_array_equal(as_numpy(given, "latents"), VALUES)


@pytest.mark.parametrize("given", [HALF, torch.from_numpy(HALF), list(torch.from_numpy(HALF))])
def test_numbers_keep_their_type(given):
    assert as_numpy(given, "latents").dtype == np.float16


class Raises:
    def __array__(self, *_arguments, **_named):
        raise RuntimeError("deleted\nbuffer")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "is a NoneType"),
        ({"a": 1}, "is a dict"),
        ((one for one in VALUES), "is a generator"),
        ([[1.0], [1.0, 2.0]], "inhomogeneous"),
        ([TENSOR[0], TENSOR[0, :1]], "tensors of several shapes"),
        (TENSOR.to("meta"), "lie on the meta device"),
        (np.ma.masked_array(VALUES, VALUES > 3), "hide values behind a mask"),
        (Raises(), "deleted"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_none(given, message):
    with pytest.raises(InputError, match=message) as error:
        as_numpy(given, "latents")
    assert str(error.value).startswith("latents ")
    assert "\n" not in str(error.value)


def test_names_that_come_as_objects_are_texts():
    assert as_names(np.array(["b", "a"], dtype=object)).dtype.kind == "U"
    mixed = np.array(["b", 1], dtype=object)
    assert as_names(mixed) is mixed
