"""Images from arrays and their files, torch data sets and loaders, and those of Hugging Face."""

import json

import datasets as hugging_face
import numpy as np
import pytest
import torch
import xarray
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from latentgeo import analyze_arrays
from latentgeo.datasets import load, sources
from latentgeo.errors import InputError

N = 60
GREY = np.random.default_rng(0).integers(0, 256, (N, 6, 5), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (N, 6, 5, 3), dtype=np.uint8)
LABELS = np.arange(N) % 3
FLOAT = (GREY / 255).astype(np.float32)


class Pairs(Dataset):
    """Items as torchvision's data sets give them."""

    classes = ("ape", "bee", "cat")

    def __init__(self, transform=Image.fromarray):
        self.transform = transform

    def __len__(self):
        return N

    def __getitem__(self, place):
        return self.transform(GREY[place]), int(LABELS[place])


class Mappings(Pairs):
    def __getitem__(self, place):
        return {
            "label": torch.tensor(LABELS[place]),
            "pixel_values": torch.from_numpy(FLOAT[place]),
        }


class Endless(IterableDataset):
    def __iter__(self):
        place = 0
        while True:
            yield torch.from_numpy(FLOAT[place % N])[None], int(LABELS[place % N])
            place += 1


def features(labelled=True):
    label = hugging_face.ClassLabel(names=["ape", "bee", "cat"])
    return hugging_face.Features(
        {"id": hugging_face.Value("int64"), "picture": hugging_face.Image()}
        | ({"kind": label} if labelled else {})
    )


def of_hugging_face(rows=slice(None)):
    pictures = [Image.fromarray(image) for image in GREY[rows]]
    return hugging_face.Dataset.from_dict(
        {"id": list(range(len(pictures))), "picture": pictures, "kind": LABELS[rows].tolist()},
        features=features(),
    )


def loaders():
    return {
        "array": GREY,
        "array and labels in a list": [GREY, LABELS],
        "xarray": xarray.Dataset({"images": (("n", "h", "w"), GREY), "labels": ("n", LABELS)}),
        "tensor": torch.from_numpy(GREY),
        "float": FLOAT[:, None],
        "pair": (GREY, LABELS),
        "names": {"images": GREY, "labels": LABELS[:, None]},
        "torch": Pairs(),
        "tensors": TensorDataset(torch.from_numpy(FLOAT)[:, None], torch.from_numpy(LABELS)),
        "mappings": Mappings(),
        "list": [(image, label) for image, label in zip(GREY, LABELS, strict=True)],
        "shuffled": DataLoader(Pairs(np.copy), batch_size=7, shuffle=True),
        "collated": DataLoader(
            Pairs(),
            batch_size=4,
            collate_fn=lambda items: (
                torch.stack([torch.from_numpy(np.array(image))[None] for image, _ in items]),
                torch.tensor([label for _, label in items]),
            ),
        ),
        "hugging face": of_hugging_face(),
        "generator": (image for image in GREY),
    }


@pytest.mark.parametrize("kind", loaders())
def test_every_object_gives_its_images_in_order(kind):
    data = load(loaders()[kind], None)
    assert (len(data), data.shape, data.split) == (N, (1, 6, 5), "all")
    seen = data.batch(slice(None)).numpy()[:, 0]
    np.testing.assert_allclose(seen, FLOAT, atol=1e-7)
    if kind not in ("array", "tensor", "float", "generator"):
        np.testing.assert_array_equal(data.labels, LABELS)
    if kind in ("torch", "hugging face"):
        assert data.class_names == ("ape", "bee", "cat")


@pytest.mark.parametrize("kind", ["array", "torch", "hugging face"])
def test_splits_are_apart_and_some_are_the_first_of_more(kind):
    data = loaders()[kind]
    parts = [load(data, split) for split in ("train", "validation", "test")]
    pixels = [image.tobytes() for part in parts for image in part.images]
    assert len(set(pixels)) == len(pixels) == N
    few, more = (load(data, None, samples=samples, seed=2) for samples in (4, 9))
    np.testing.assert_array_equal(few.images, more.images[:4])
    np.testing.assert_array_equal(few.images[:, 0], GREY[few.indices])


def test_a_loader_is_taken_at_the_places_of_its_sampler():
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    loader = DataLoader(Pairs(np.copy), sampler=torch.utils.data.SubsetRandomSampler([7, 3, 5]))
    data = load(loader, None)
    np.testing.assert_array_equal(data.images[:, 0], GREY[[3, 5, 7]])
    assert torch.equal(torch.random.get_rng_state(), before)
    assert len(load(Subset(Pairs(np.copy), [1, 2]), None)) == 2


def test_what_has_no_end_is_read_as_far_as_it_is_wanted(monkeypatch):
    for data in (Endless(), DataLoader(Endless(), batch_size=4)):
        found = load(data, None, samples=10)
        assert len(found) == 10
        assert sorted(found.labels) == sorted(LABELS[:10])
    monkeypatch.setattr(sources, "physical_memory", lambda: 2000.0)
    with pytest.raises(InputError, match=r"this machine has .* take fewer \(samples\)"):
        load(Endless(), None)


def test_grey_and_coloured_images_become_colour():
    images = [GREY[0], COLOUR[0], GREY[1]]
    data = load(images, None)
    assert data.shape == (3, 6, 5)
    np.testing.assert_array_equal(data.images[2], np.stack([GREY[1]] * 3))
    np.testing.assert_array_equal(data.images[1], COLOUR[0].transpose(2, 0, 1))


def test_a_size_takes_the_central_square():
    assert load(Pairs(), None, size=3).shape == (1, 3, 3)
    assert load([COLOUR[0], COLOUR[1][:5]], None, size=3).shape == (3, 3, 3)
    with pytest.raises(InputError, match=r"image 1 .* \(3, 5, 5\) .* give a size"):
        load([COLOUR[0], COLOUR[1][:5]], None)


def test_pixels_that_change_from_call_to_call_are_said():
    noisy = Pairs(lambda image: torch.rand(1, 6, 5))
    with pytest.warns(UserWarning, match="other pixels each time"):
        load(noisy, None)


def saved(path, **parts):
    np.savez(path, **parts)
    return path


@pytest.mark.parametrize(
    "parts",
    [
        {"x_train": GREY[:40], "y_train": LABELS[:40], "x_test": GREY[40:], "y_test": LABELS[40:]},
        {
            "train_images": GREY[:40],
            "train_labels": LABELS[:40, None],
            "test_images": GREY[40:],
            "test_labels": LABELS[40:, None],
        },
    ],
)
def test_splits_of_a_file_of_arrays(tmp_path, parts):
    path = saved(tmp_path / "set.npz", **parts)
    test = load(path, None)
    assert (test.name, test.split, len(test)) == ("set", "test", 20)
    np.testing.assert_array_equal(test.labels, LABELS[40:])
    train, validation = (load(path, split) for split in ("train", "validation"))
    assert len(train) + len(validation) == 40
    np.testing.assert_array_equal(load(path, "all").images[:, 0], GREY)
    key = next(name for name in parts if "test" in name and parts[name].ndim == 3)
    np.testing.assert_array_equal(load(f"{path}::{key}", None).labels, LABELS[40:])


def test_channels_that_come_last_and_names_of_classes(tmp_path):
    names = np.array(["ape", "bee", "cat"])[LABELS]
    path = saved(tmp_path / "set.npz", images=COLOUR, labels=names)
    with pytest.warns(UserWarning, match=r"taken as \(n, H, W, C\)"):
        data = load(path, None)
    np.testing.assert_array_equal(data.images, COLOUR.transpose(0, 3, 1, 2))
    assert (data.class_names, data.labels.tolist()) == (("ape", "bee", "cat"), LABELS.tolist())
    np.save(tmp_path / "alone.npy", GREY)
    assert len(load(tmp_path / "alone.npy", None)) == N


VOLUMES = COLOUR.reshape(10, 6, 6, 5, 3)  # (n, D, H, W, C)


@pytest.mark.parametrize("last", [True, False])
def test_volumes_are_images_whose_channels_are_their_slices(tmp_path, last):
    given = VOLUMES if last else np.moveaxis(VOLUMES, -1, 1)
    expected = np.moveaxis(VOLUMES, -1, 1).reshape(10, 18, 6, 5)
    path = saved(tmp_path / "set.npz", images=given)
    for data in (given, path):
        with pytest.warns(UserWarning, match="are taken as images whose channels are their slices"):
            np.testing.assert_array_equal(load(data, None).images, expected)
    np.testing.assert_array_equal(load(list(given), None).images, expected)
    grey = VOLUMES[:, None, ..., 0]
    with pytest.warns(UserWarning, match="slices"):
        np.testing.assert_array_equal(load(grey, None).images, grey[:, 0])


@pytest.mark.parametrize("rows", [1, 6])
def test_four_channels_are_said_to_be_transparency_and_those_of_signals_kept(rows):
    images = np.random.default_rng(2).integers(0, 256, (5, 4, rows, 7), dtype=np.uint8)
    if rows == 1:
        assert load(images, None).shape == (4, 1, 7)
        return
    with pytest.warns(UserWarning, match="last of four channels is taken for transparency"):
        assert load(images, None).shape == (3, 6, 7)


class Payload:
    def __reduce__(self):
        return (print, ("run",))


def nan(place):
    broken = FLOAT.copy()
    broken[place, 0, 0] = np.nan
    return broken


BAD = {
    "integers": (GREY.astype(int), "dtype int64: expected uint8"),
    "objects": (np.full((4, 2, 2), None), "dtype object"),
    "nan": (nan(7), "NaN in 1 of 60 images, first in image 7"),
    "range": (FLOAT * 2 - 1, r"lie in \[-1, 1\]: expected \[0, 1\]"),
    "none": (GREY[:0], "there is nothing in them"),
    "one axis": (FLOAT[0, 0], "holds no image"),
    "failing": ((1 / place for place in [0]), "item 0 of generator cannot be had: ZeroDivision"),
    "labels": ((GREY, LABELS[:3]), r"labels .* shape \(3,\): expected \(60,\)"),
    "fractions": ((GREY, LABELS / 2), "expected whole numbers from 0, or names"),
    "normalised": ([FLOAT[0] * 2 - 1], r"lies in .*leave out what normalises it.*--mean"),
    "empty": ([], "no items"),
    "texts": (["a", "b"], "holds no image"),
    "number": (3, "data is a int; expected a name, a path"),
    "unlike": ({"x_train": GREY, "x_test": COLOUR}, "images of different shapes"),
    "unnamed": ({"a": GREY, "b": GREY}, "which array holds the images"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.filterwarnings("ignore:images of")
def test_objects_that_hold_no_images_are_one_line(kind):
    data, message = BAD[kind]
    with pytest.raises(InputError, match=message) as error:
        load(data, None)
    assert "\n" not in str(error.value)


def test_rows_of_numbers_are_signals_and_said_to_be():
    rows = FLOAT.reshape(N, -1)
    with pytest.warns(UserWarning, match=r"\(60, 30\) are taken as signals"):
        assert load(rows, None).shape == (1, 1, 30)
    one_by_one = TensorDataset(torch.from_numpy(rows))
    np.testing.assert_array_equal(load(one_by_one, None).images[:, 0, 0], rows)


@pytest.mark.parametrize("wrapped", [list, iter])
def test_batches_of_what_is_no_loader_are_taken_apart(wrapped):
    images, labels = torch.from_numpy(FLOAT[:, None]), torch.from_numpy(LABELS)
    batches = [(images[start : start + 7], labels[start : start + 7]) for start in range(0, N, 7)]
    data = load(wrapped(batches), None)
    np.testing.assert_array_equal(data.images[:, 0], FLOAT)
    np.testing.assert_array_equal(data.labels, LABELS)


@pytest.mark.parametrize("samples", [0, -1, 1.5, True])
def test_numbers_of_samples_that_cannot_be(samples):
    with pytest.raises(InputError, match="expected a whole number from 1"):
        load(GREY, None, samples=samples)


def test_nothing_in_a_file_is_run(tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.array([Payload()], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="arrays of objects are not read"):
        load(tmp_path / "x.npy", None)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".parquet"])
@pytest.mark.parametrize(
    "content", [b"", b"text", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"PAR1PAR1"]
)
def test_broken_files_are_one_line(tmp_path, suffix, content, run_cli):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read") as error:
        load(path, None)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.zip", "unpack it first"),
        ("x.h5", "numpy.savez"),
        ("x.pt", "numpy.savez"),
        ("x.png", "give the folder that holds the images"),
        ("x.csv", "holds no images: expected a line of names"),
        ("x.parquet", "cannot be read by the package datasets"),
    ],
)
def test_other_files_say_what_to_do(tmp_path, name, message):
    (tmp_path / name).write_bytes(b"\x00\x01")
    with pytest.raises(InputError, match=message):
        load(tmp_path / name, None)


@pytest.fixture
def quiet(monkeypatch, tmp_path_factory):
    monkeypatch.setattr(
        hugging_face.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("cache"))
    )


STAND_INS = {
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "a web page": b"<!DOCTYPE html><html>404",
}


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "pictures/x.png"])
@pytest.mark.parametrize("what", STAND_INS)
def test_what_lies_in_the_place_of_a_file_is_named(tmp_path, name, what):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(STAND_INS[what])
    with pytest.raises(InputError, match=what) as error:
        load(path if path.parent == tmp_path else path.parent, None)
    assert "\n" not in str(error.value)


def test_a_table_without_rows_is_one_line(tmp_path):
    (tmp_path / "x.csv").write_text(",".join(f"p{n}" for n in range(64)) + "\n")
    with pytest.raises(InputError, match="holds no rows; expected one for each image"):
        load(tmp_path / "x.csv", None)


def test_folders_and_parquet_of_hugging_face(tmp_path, quiet):
    train, test = of_hugging_face(slice(40)), of_hugging_face(slice(40, None))
    whole = hugging_face.DatasetDict({"train": train, "test": test})
    whole.save_to_disk(str(tmp_path / "saved"))
    hub = tmp_path / "hub" / "data"
    hub.mkdir(parents=True)
    train.to_parquet(hub / "train-00000-of-00001.parquet")
    test.to_parquet(hub / "test-00000-of-00001.parquet")
    for place in (tmp_path / "saved", tmp_path / "hub", whole):
        data = load(place, None)
        assert (data.split, data.class_names) == ("test", ("ape", "bee", "cat"))
        np.testing.assert_array_equal(data.images[:, 0], GREY[40:])
        np.testing.assert_array_equal(data.labels, LABELS[40:])
        assert len(load(place, "train")) + len(load(place, "validation")) == 40
    alone = load(hub / "test-00000-of-00001.parquet", None)
    assert (alone.split, len(alone)) == ("all", 20)


def test_columns_are_chosen_by_their_types():
    data = of_hugging_face()
    two = data.add_column("fine", LABELS.tolist()).cast_column(
        "fine", hugging_face.ClassLabel(names=["x", "y", "z"])
    )
    with pytest.warns(UserWarning, match=r"several columns of classes \(kind, fine\); 'kind' is"):
        assert load(two, None).class_names == ("ape", "bee", "cat")
    with pytest.raises(InputError, match=r"no column of images: id \(int64\), kind \(ClassLabel\)"):
        load(data.remove_columns("picture"), None)
    encoded = data.cast_column("picture", hugging_face.Image(decode=False))
    table = hugging_face.Dataset.from_list([{"file": row["picture"]["bytes"]} for row in encoded])
    np.testing.assert_array_equal(load(table, None).images[:, 0], GREY)  # bytes, as pandas has them
    with pytest.raises(InputError, match=r"2 columns of images \(picture, more\); name one"):
        load(
            of_hugging_face().add_column(
                "more", encoded["picture"], feature=encoded.features["picture"]
            ),
            None,
        )


def test_without_the_package_a_line_says_what_to_install(tmp_path, monkeypatch):
    of_hugging_face().to_parquet(tmp_path / "x.parquet")
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(InputError, match=r"pip install 'latentgeo\[hf\]'"):
        load(tmp_path / "x.parquet", None)


def test_names_and_what_was_skipped_stand_in_the_results(tmp_path, run_cli, monkeypatch):
    folder = tmp_path / "pictures"
    for place in range(12):
        (folder / "ab"[place % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(GREY[place]).save(folder / "ab"[place % 2] / f"{place}.png")
    (folder / "a" / "broken.png").write_bytes(b"no image")
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.encoder, self.decoder = nn.Conv2d(1, 2, 1), nn.Conv2d(2, 1, 1)\n"
    )
    out = tmp_path / "encoded"
    given = ["--model", f"{tmp_path}/net.py:Net", "--data", folder, "--out", out, "-q"]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    code, _, said = run_cli("encode", *given, "--samples", 300)
    assert (code, len(said.strip().splitlines())) == (2, 1)
    assert "--skip-unreadable" in said
    code, _, said = run_cli("encode", *given, "--samples", 300, "--skip-unreadable")
    assert code == 0, said
    assert "1 files of pictures cannot be read and are skipped: a/broken.png" in said
    assert "fewer than 300 samples: all are taken" in said
    expected = sorted(f"{'ab'[place % 2]}/{place}.png" for place in range(12))
    model = analyze_arrays(out, halves=2, tsne_seeds=())["encoded"]
    facts = json.loads(model.attrs["provenance"])
    assert (facts["split"], facts["skipped"]) == ("all", ["a/broken.png"])
    assert sorted(model.data["file"].values.tolist()) == expected


def table(path, images, labels=None):
    rows = images.reshape(len(images), -1)
    names = [f"pixel{place}" for place in range(rows.shape[1])]
    if labels is not None:
        rows, names = np.column_stack([labels, rows]), ["label", *names]
    lines = [",".join(names), *(",".join(map(str, row)) for row in rows.tolist())]
    path.write_text("\n".join(lines) + "\n")


def test_pixels_in_tables(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    table(tmp_path / "mnist_train.csv", images[:15], LABELS[:15])
    table(tmp_path / "mnist_test.csv", images[15:], LABELS[15:20])
    data = load(tmp_path, None)
    assert (data.split, data.labels.tolist()) == ("test", LABELS[15:20].tolist())
    np.testing.assert_array_equal(data.images[:, 0], images[15:])
    table(tmp_path / "alone.csv", images)
    assert (load(tmp_path / "alone.csv", None).labels, len(load(tmp_path / "alone.csv", None))) == (
        None,
        20,
    )
    table(tmp_path / "alone.csv", images / 255)
    np.testing.assert_allclose(load(tmp_path / "alone.csv", None).images[:, 0], images / 255)
    for broken in (images.astype(int) + 1, images / 3):
        table(tmp_path / "alone.csv", broken)
        with pytest.raises(InputError, match=r"from 0 to 255|expected \[0, 1\]"):
            load(tmp_path / "alone.csv", None)


@pytest.mark.parametrize("loaders", [False, True])
def test_data_sets_of_torch_by_split(loaders):
    images = torch.arange(10 * 64, dtype=torch.uint8).reshape(10, 1, 8, 8)
    labels = torch.arange(10)
    parts = {"train": slice(0, 6), "val": slice(6, 8), "test": slice(8, 10)}
    sets = {split: TensorDataset(images[part], labels[part]) for split, part in parts.items()}
    if loaders:
        sets = {split: DataLoader(one, batch_size=4) for split, one in sets.items()}
    for split, part in (
        ("train", "train"),
        ("validation", "val"),
        (None, "test"),
        ("test", "test"),
    ):
        data = load(sets, split)
        assert data.labels.tolist() == labels[parts[part]].tolist()
        assert np.array_equal(data.images, images[parts[part]])
    drawn = load(sets, "all", samples=7, seed=3)
    assert drawn.labels.tolist() == drawn.indices.tolist()


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        ({"train": [0], "extra": [1]}, "expected arrays by name"),
        ({"val": 8, "validation": 8}, "one for each of 'train'"),
        ({"train": 8, "test": 10}, "expected one shape for all"),
    ],
)
def test_data_sets_by_split_that_do_not_go_together(sets, words):
    made = {
        name: TensorDataset(torch.rand(3, 1, side, side)) if isinstance(side, int) else Ones()
        for name, side in sets.items()
    }
    with pytest.raises(InputError, match=words):
        load(made, "all")


class Ones(Dataset):
    def __len__(self):
        return 3

    def __getitem__(self, place):
        return torch.ones(1, 8, 8)
