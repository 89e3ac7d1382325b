"""Columns of Hugging Face's data sets, chosen by their types, in memory and on disk."""

import datasets as hf
import numpy as np
import pandas
import pytest
from PIL import Image

from latentgeo.datasets import load
from latentgeo.errors import InputError

N = 6
RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (N, 8, 8), dtype=np.uint8)
COLOUR = RANDOM.integers(0, 256, (N, 8, 8, 3), dtype=np.uint8)
FLOAT = RANDOM.random((N, 8, 8)).astype(np.float32)
VOLUMES = RANDOM.random((N, 2, 3, 8, 8)).astype(np.float32)
ROWS = RANDOM.random((N, 30)).astype(np.float32)
PICTURES = [Image.fromarray(one) for one in GREY]


@pytest.fixture(autouse=True)
def quiet(monkeypatch, tmp_path_factory):
    hf.disable_progress_bars()
    monkeypatch.setattr(hf.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("cache")))


def of(columns, **features):
    data = hf.Dataset.from_dict(columns)
    return data.cast(hf.Features({**data.features, **features})) if features else data


def arrays(values, kind, dtype):
    features = hf.Features({"a": kind(values.shape[1:], dtype)})
    return hf.Dataset.from_dict({"a": list(values)}, features=features)


def lists(values, **more):
    return of({"pixels": values.tolist(), **more})


KINDS = {
    "pictures": (of({"image": PICTURES}), GREY[:, None]),
    "array of two axes": (arrays(FLOAT, hf.Array2D, "float32"), FLOAT[:, None]),
    "array of three": (arrays(FLOAT[:, None], hf.Array3D, "float64"), FLOAT[:, None]),
    "colours last": (arrays(COLOUR, hf.Array3D, "uint8"), np.moveaxis(COLOUR, -1, 1)),
    "array of four": (arrays(VOLUMES, hf.Array4D, "float32"), VOLUMES.reshape(N, 6, 8, 8)),
    "lists of lists": (lists(FLOAT), FLOAT[:, None]),
    "lists of three axes": (lists(FLOAT[:, None]), FLOAT[:, None]),
    "lists of whole numbers": (lists(GREY.astype(int)), GREY[:, None]),
    "squares in a row": (lists(GREY.reshape(N, -1)), GREY[:, None]),
    "signals": (lists(ROWS), ROWS[:, None, None]),
    "picture beside arrays": (
        of({"depth": FLOAT.tolist(), "image": PICTURES}),
        GREY[:, None],
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:data .* rows of")
@pytest.mark.parametrize("place", ["memory", "parquet", "saved"])
def test_images_are_found_by_the_types_of_columns(kind, place, tmp_path):
    data, expected = KINDS[kind]
    if place == "parquet":
        data.to_parquet(tmp_path / "x.parquet")
    if place == "saved":
        data.save_to_disk(str(tmp_path / "x"))
    given = {"memory": data, "parquet": tmp_path / "x.parquet", "saved": tmp_path / "x"}[place]
    images = load(given, None).images
    assert (images.dtype, images.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(images, expected)


@pytest.mark.parametrize(
    ("values", "said"),
    [(GREY.reshape(N, -1), "64 numbers .* grey images, 8×8"), (ROWS, "30 .* signals, 1×1×30")],
)
def test_what_rows_are_taken_for_is_said(values, said):
    with pytest.warns(UserWarning, match=said):
        load(lists(values), None)


@pytest.mark.parametrize(
    ("labels", "feature", "names"),
    [
        ({"kind": [1, 0] * 3}, {"kind": hf.ClassLabel(names=["x", "y"])}, ("x", "y")),
        ({"label": ["b", "a"] * 3}, {}, ("a", "b")),
        ({"label": [1, 0] * 3}, {}, ("0", "1")),
        ({"label": [0.5] * N}, {}, None),
        ({"id": [1, 0] * 3}, {}, None),
    ],
)
def test_classes_are_found_by_type_and_else_by_name(labels, feature, names):
    data = load(of({"image": PICTURES, **labels}, **feature), None)
    assert data.class_names == (names or ())
    assert (data.labels is None) == (names is None)
    if names:
        np.testing.assert_array_equal(data.labels, [1, 0] * 3)


def test_of_several_columns_one_is_named(tmp_path):
    flipped = [Image.fromarray(255 - one) for one in GREY]
    with pytest.warns(UserWarning, match=r"several columns of images \(mask, image\); 'image' is"):
        data = load(of({"mask": flipped, "image": PICTURES}), None)
    np.testing.assert_array_equal(data.images[:, 0], GREY)
    both = of({"left": PICTURES, "right": flipped})
    both.to_parquet(tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"2 columns .* name one, as in FILE::left"):
        load(tmp_path / "x.parquet", None)
    np.testing.assert_array_equal(
        load(f"{tmp_path}/x.parquet::right", None).images[:, 0], 255 - GREY
    )
    with pytest.raises(InputError, match=r"no column 'middle' of images: left \(Image\)"):
        load(f"{tmp_path}/x.parquet::middle", None)


@pytest.mark.parametrize("layout", ["{}-00000-of-00001", "data/{}", "{}/0000", "mnist/{}-0"])
def test_folders_as_the_hub_has_them(layout, tmp_path):
    for split, rows in (("train", slice(4)), ("test", slice(4, None))):
        file = tmp_path / f"{layout.format(split)}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        of({"image": PICTURES[rows]}).to_parquet(file)
    np.testing.assert_array_equal(load(tmp_path, "test").images[:, 0], GREY[4:])
    assert len(load(tmp_path, "all")) == N


def test_a_table_of_pixels_is_one_of_images(tmp_path):
    frame = pandas.DataFrame(GREY.reshape(N, -1), columns=[f"pixel{place}" for place in range(64)])
    frame.insert(0, "label", [1, 0] * 3)
    frame.to_parquet(tmp_path / "x.parquet")
    for given in (frame, tmp_path / "x.parquet", hf.Dataset.from_pandas(frame)):
        data = load(given, None)
        np.testing.assert_array_equal(data.images[:, 0], GREY)
        np.testing.assert_array_equal(data.labels, [1, 0] * 3)


def test_a_transform_that_is_not_used_is_said():
    data = of({"image": PICTURES}).with_transform(lambda batch: batch)
    with pytest.warns(UserWarning, match="their transform is left out"):
        np.testing.assert_array_equal(load(data, None).images[:, 0], GREY)


BAD = {
    "no images": (of({"text": ["a"], "label": [0]}), r"no column of images: text \(string\)"),
    "lists of texts": (of({"image": [["a"]]}), r"no column of images: image \(List\)"),
    "no rows": (of({"image": PICTURES}).select([]), "hold no images"),
    "missing": (of({"image": [PICTURES[0], None]}), "image 1 of 'user' is missing"),
    "nan": (lists(FLOAT * np.nan), "holds NaN"),
    "ragged": (of({"image": [[[0.1], [0.1, 0.2]]]}), "rows of several lengths"),
    "beyond": (lists(GREY.astype(int) + 9), r"whole numbers in \[.*\]: expected 0 to 255"),
    "no image": (of({"image": [b"broken"]}), "image 0 of 'user' cannot be read"),
    "sizes": (of({"image": [PICTURES[0], PICTURES[0].resize((5, 5))]}), "give a size"),
    "columns of splits": (
        hf.DatasetDict(train=of({"image": PICTURES}), test=of({"img": PICTURES})),
        r"no column 'image', as another has: img \(Image\)",
    ),
    "splits that stream": (
        hf.IterableDatasetDict(test=of({"image": PICTURES}).to_iterable_dataset()),
        "holds a IterableDataset as 'test'",
    ),
    "a table of other columns": (pandas.DataFrame({"image": PICTURES}), "a table of 1 columns"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_holds_no_images_is_one_line(case):
    data, message = BAD[case]
    with pytest.raises(InputError, match=message) as error:
        load(data, None)
    assert "\n" not in str(error.value)


def test_a_file_without_rows_is_one_line(tmp_path):
    pandas.DataFrame({"image": []}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(InputError, match="holds no rows"):
        load(tmp_path / "x.parquet", None)
