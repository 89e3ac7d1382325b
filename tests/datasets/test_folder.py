import json
import os
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from latentgeo.datasets import load, sources
from latentgeo.datasets.splits import split_of_name
from latentgeo.errors import InputError

SPLITS = ("train", "validation", "test")
FROZEN_SPLITS = [
    "train",
    "train",
    "train",
    "test",
    "train",
    "train",
    "train",
    "train",
    "train",
    "train",
    "train",
    "test",
]


def grey(seed: int, shape=(6, 5)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def save(image: Image.Image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


@pytest.fixture
def classes(tmp_path):
    """Return a folder of 60 grey images in two classes, one of them on two levels."""
    folder = tmp_path / "pictures"
    for number in range(30):
        save(grey(number), folder / "cat" / f"{number}.png")
        save(grey(100 + number), folder / "ape" / "small" / f"{number}.PGM")
    return folder


def test_splits_are_disjoint_and_together_whole(classes):
    parts = {split: load(classes, split) for split in SPLITS}
    assert sum(len(part) for part in parts.values()) == 60
    assert len(parts["train"]) > len(parts["validation"])
    pixels = {image.tobytes() for part in parts.values() for image in part.images}
    assert len(pixels) == 60


def test_pixels_labels_and_name(classes):
    data = load(str(classes), "train")
    assert data.name == "pictures"
    assert data.class_names == ("ape", "cat")
    assert data.shape == (1, 6, 5)
    paths = sorted(
        PurePosixPath(path.relative_to(classes).as_posix())
        for path in classes.rglob("*.*")
        if split_of_name(path.relative_to(classes).as_posix()) == "train"
    )
    assert len(paths) == len(data)
    for position, path in enumerate(paths):
        np.testing.assert_array_equal(
            data.images[position, 0], np.asarray(Image.open(classes / path))
        )
        assert data.class_names[data.labels[position]] == path.parts[0]


def test_an_image_keeps_its_split_when_others_come(classes):
    before = {image.tobytes() for image in load(classes, "test").images}
    for number in range(10):
        save(grey(1000 + number), classes / "dog" / f"{number}.png")
    assert before <= {image.tobytes() for image in load(classes, "test").images}


def test_split_of_a_path_never_changes():
    names = [f"cat/{number}.png" for number in range(12)]
    assert [split_of_name(name) for name in names] == FROZEN_SPLITS


def test_split_does_not_depend_on_how_accents_are_written():
    assert split_of_name("caf\u00e9.png") == split_of_name("cafe\u0301.png")


def test_shares_are_8_1_1():
    count = dict.fromkeys(SPLITS, 0)
    for number in range(5000):
        count[split_of_name(f"{number}.png")] += 1
    assert abs(count["train"] / 5000 - 0.8) < 0.03
    assert abs(count["test"] / 5000 - 0.1) < 0.02


def test_moving_the_folder_changes_nothing(classes, tmp_path):
    before = load(classes, "train").fingerprint
    (tmp_path / "elsewhere").mkdir()
    moved = classes.rename(tmp_path / "elsewhere" / "pictures")
    assert load(moved, "train").fingerprint == before


def test_own_splits_are_honoured(tmp_path):
    for split, number in (("train", 4), ("validation", 3), ("test", 2)):
        for position in range(number):
            save(grey(position), tmp_path / split / "ab"[position % 2] / f"{position}.png")
    assert [len(load(tmp_path, split)) for split in SPLITS] == [4, 3, 2]
    assert load(tmp_path, "test").class_names == ("a", "b")
    assert load(tmp_path, "test").labels.tolist() == [0, 1]


@pytest.mark.parametrize("wrapped", [(), ("outer",), ("outer", "images")])
@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (("train", "val"), {"train": 40, "validation": 20}),
        (("Training", "Testing"), {"test": 20}),
        (("train", "valid", "test"), {"train": 40, "validation": 20, "test": 20}),
    ],
)
def test_folders_of_splits_are_not_mixed(tmp_path, wrapped, named, expected):
    for place, name in enumerate(named):
        for position in range(40 if place == 0 else 20):
            path = tmp_path.joinpath(*wrapped, name, "ab"[position % 2], f"{position}.png")
            save(grey(100 * place + position), path)
    for split, number in expected.items():
        data = load(tmp_path, split)
        assert (len(data), data.class_names) == (number, ("a", "b"))
    parts = {
        split: {image.tobytes() for image in load(tmp_path, split).images} for split in expected
    }
    assert sum(map(len, parts.values())) == len(set().union(*parts.values()))
    assert len(load(tmp_path, "all")) == 40 + 20 * (len(named) - 1)


def test_what_is_validated_on_is_not_trained_on_where_no_folder_says_it(tmp_path):
    for split, number in (("train", 40), ("test", 5)):
        for position in range(number):
            save(grey(position), tmp_path / split / f"{position}.png")
    train, validation = (load(tmp_path, split) for split in ("train", "validation"))
    assert len(train) + len(validation) == 40
    assert not {i.tobytes() for i in train.images} & {i.tobytes() for i in validation.images}


def test_unless_a_split_is_chosen_all_images_are_taken_or_those_for_tests(classes, tmp_path):
    everything = load(classes, None)
    assert (len(everything), everything.split) == (60, "all")
    assert everything.files[0] == "ape/small/0.PGM"
    for split, number in (("train", 4), ("val", 2)):
        for position in range(number):
            save(grey(position), tmp_path / "own" / split / f"{position}.png")
    with pytest.warns(UserWarning, match="no test images of its own: its validation images"):
        assert len(load(tmp_path / "own", None)) == 2
    with pytest.raises(InputError, match=r"no test images \(train 4, validation 2\).*--split"):
        load(tmp_path / "own", "test")


def test_only_what_is_wanted_is_read_and_all_where_there_is_no_more(classes):
    (classes / "cat" / "7.png").write_bytes(grey_png_cut_off(classes / "cat" / "7.png"))
    some = load(classes, "all", samples=5, seed=3)
    assert (len(some), len(set(some.indices.tolist()))) == (5, 5)
    whole = load(classes, "all", skip_unreadable=True, samples=60, seed=3)
    assert whole.indices[:5].tolist() == some.indices.tolist()
    np.testing.assert_array_equal(whole.images[:5], some.images)
    with pytest.warns(UserWarning, match="pictures .test. has [0-9]+ images, fewer than 300"):
        load(classes, "test", samples=300)


def grey_png_cut_off(path):
    return path.read_bytes()[:50]  # within the pixels: what comes before says a whole image


def test_what_cannot_be_read_is_skipped_when_told_and_listed(classes):
    (classes / "cat" / "empty.png").write_bytes(b"")
    (classes / "cat" / "7.png").write_bytes(grey_png_cut_off(classes / "cat" / "7.png"))
    with pytest.raises(InputError, match="--skip-unreadable"):
        load(classes, "all")
    with pytest.warns(
        UserWarning, match=r"2 files of pictures .* skipped: cat/empty.png, cat/7.png"
    ):
        data = load(classes, "all", skip_unreadable=True)
    assert data.skipped == ("cat/empty.png", "cat/7.png")
    assert len(data) == len(data.labels) == len(data.files) == len(data.indices) == 59
    assert "cat/7.png" not in data.files


def test_linked_folders_are_classes_but_no_circle_is_followed(classes, tmp_path):
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "cat").symlink_to(classes / "cat")
    (linked / "ape").symlink_to(classes / "ape")
    (classes / "cat" / "up").symlink_to(classes)
    found, expected = load(linked, "train"), load(classes, "train")
    assert found.class_names == ("ape", "cat")
    assert len(load(linked, "all")) >= 60
    assert {i.tobytes() for i in expected.images} <= {
        i.tobytes() for i in load(linked, "all").images
    }


def test_names_beyond_utf_8_are_read_and_can_be_printed(tmp_path):
    for place in (b"caf\xe9", b"th\xe9"):
        folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + place))
        folder.mkdir()
        grey(0).save(folder / os.fsdecode(b"\xe9.png"))
    data = load(tmp_path, "all")
    assert data.class_names == ("caf\\xe9", "th\\xe9")
    assert data.files == ("caf\\xe9/\\xe9.png", "th\\xe9/\\xe9.png")
    json.dumps(data.files).encode("utf-8")


def test_images_are_upright_as_exif_tells(one_split):
    folder, _ = one_split
    pixels = np.zeros((6, 12), np.uint8)
    pixels[:, 6:] = 200
    exif = Image.Exif()
    for orientation in range(1, 9):
        exif[ExifTags.Base.Orientation] = orientation
        image = Image.fromarray(pixels if orientation < 5 else pixels.T)
        path = folder / "test" / f"{orientation}.png"
        path.parent.mkdir(exist_ok=True)
        image.save(path, exif=exif)
    images = load(folder).images
    assert images.shape == (8, 1, 6, 12)
    for image, orientation in zip(images, range(1, 9), strict=True):
        expected = ImageOps.exif_transpose(Image.open(folder / "test" / f"{orientation}.png"))
        np.testing.assert_array_equal(image[0], np.asarray(expected))


def test_pages_and_palettes_are_said(one_split):
    folder, _ = one_split
    (folder / "test").mkdir()
    pages = [grey(number) for number in range(3)]
    pages[0].save(folder / "test" / "0.tif", save_all=True, append_images=pages[1:])
    palette = grey(4).convert("P", palette=Image.Palette.ADAPTIVE)
    palette.save(folder / "test" / "1.png")
    with pytest.warns(UserWarning, match="palette") as said:
        data = load(folder)
    messages = [str(one.message) for one in said]
    assert any("1 files hold several pages or frames, of which the first" in m for m in messages)
    assert any("1 files are coded by a palette" in message for message in messages)
    assert data.shape == (1, 6, 5)  # a palette of greys is grey
    np.testing.assert_array_equal(data.images[0, 0], np.asarray(pages[0]))


def test_every_ending_that_is_not_read_is_said(one_split):
    folder, _ = one_split
    for name in ("0.jfif", "1.JPE", "2.pbm"):
        path = folder / "test" / name
        path.parent.mkdir(exist_ok=True)
        grey(0).convert("1" if name == "2.pbm" else "L").save(
            path, format="PPM" if name == "2.pbm" else "JPEG"
        )
    (folder / "test" / "3.heic").write_bytes(b"photo")
    (folder / "test" / "labels.csv").write_text("0")
    with pytest.warns(UserWarning, match=r"1 files are left out.*\(.heic 1\)"):
        assert len(load(folder)) == 3


def test_images_outside_of_the_splits_are_said(one_split):
    folder, add = one_split
    add(grey(0), "0.png")
    save(grey(1), folder / "more" / "1.png")
    with pytest.warns(UserWarning, match="1 images are left out, which lie outside"):
        assert len(load(folder)) == 1


def test_images_that_memory_cannot_hold_are_refused_before(classes, monkeypatch):
    monkeypatch.setattr(sources, "physical_memory", lambda: 1000.0)
    with pytest.raises(InputError, match=r"60 images of 'pictures', 1×6×5, take .* GiB.*samples"):
        load(classes, "all")
    assert len(load(classes, "all", samples=3)) == 3


def test_images_outside_subfolders_have_no_classes(classes):
    save(grey(0), classes / "loose.png")
    assert load(classes, "train").labels is None
    assert load(classes, "train").class_names == ()


def test_hidden_and_other_files_are_left_out(classes):
    before = load(classes, "train").fingerprint
    for name in (".DS_Store", "._1.png", "notes.txt", ".cache/1.png"):
        path = classes / "cat" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"nothing")
    assert load(classes, "train").fingerprint == before


@pytest.fixture
def one_split(tmp_path):
    """Return a folder in which all images are test images, and a function that adds one."""
    (tmp_path / "train").mkdir()

    def add(image: Image.Image, name: str) -> None:
        save(image, tmp_path / "test" / name)

    return tmp_path, add


def test_one_colour_image_makes_all_colour(one_split):
    folder, add = one_split
    add(grey(0), "0.png")
    add(Image.new("RGBA", (5, 6), (10, 20, 30, 128)), "1.png")
    data = load(folder)
    assert data.shape == (3, 6, 5)
    assert (data.images[0, 0] == data.images[0, 2]).all()
    assert data.images[1, :, 0, 0].tolist() == [10, 20, 30]


def test_colour_is_decided_by_the_whole_folder(one_split):
    folder, add = one_split
    add(grey(0), "0.png")
    save(Image.new("RGB", (5, 6)), folder / "train" / "0.png")
    assert load(folder).shape == (3, 6, 5)


@pytest.mark.parametrize("mode", ["1", "LA", "P", "CMYK"])
def test_modes_of_8_bits_are_read(one_split, mode):
    folder, add = one_split
    add(Image.new("L", (5, 6), 255).convert(mode), "0.tif" if mode == "CMYK" else "0.png")
    assert (load(folder).images >= 254).all()


def test_deeper_pixels_are_refused(one_split):
    folder, add = one_split
    add(Image.fromarray(np.full((5, 6), 40_000, np.uint16)), "0.png")
    with pytest.raises(InputError, match=r"mode 'I;16': expected 8 bits a channel"):
        load(folder)


def test_different_sizes_need_a_size(one_split):
    folder, add = one_split
    add(grey(0, (6, 5)), "0.png")
    add(grey(1, (10, 20)), "1.png")
    with pytest.raises(InputError) as caught:
        load(folder)
    message = str(caught.value)
    assert "'test/0.png' has 5 by 6 pixels, 'test/1.png' 20 by 10" in message
    assert "size=32" in message
    assert load(folder, size=8).shape == (1, 8, 8)
    assert load(folder, size=8).size == 8


def test_size_takes_the_central_square(one_split):
    folder, add = one_split
    pixels = np.zeros((10, 30), np.uint8)
    pixels[:, 10:20] = 200
    add(Image.fromarray(pixels), "0.png")
    assert (load(folder, size=5).images == 200).all()


@pytest.mark.parametrize("content", [b"", b"plain text"])
def test_file_that_is_no_image(one_split, content):
    folder, add = one_split
    add(grey(0), "0.png")
    (folder / "test" / "1.png").write_bytes(content)
    with pytest.raises(InputError, match=r"1\.png' cannot be read as an image") as caught:
        load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp"])
def test_truncated_image(one_split, suffix):
    folder, add = one_split
    add(grey(0, (64, 64)), f"0.{suffix}")
    path = folder / "test" / f"0.{suffix}"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="cannot be read as an image"):
        load(folder)


def test_folder_without_images(tmp_path):
    with pytest.raises(InputError, match=r"holds no images: expected files that end in \.avif, "):
        load(tmp_path)
    save(grey(0), tmp_path / "only.png")
    empty = next(split for split in SPLITS if split != split_of_name("only.png"))
    with pytest.raises(InputError, match=rf"split '{empty}' of .* is empty \(train"):
        load(tmp_path, empty)
