from pathlib import PurePosixPath

import numpy as np
import pytest
from PIL import Image

from latentgeo.datasets import load
from latentgeo.datasets.folder import split_of
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
        if split_of(PurePosixPath(path.relative_to(classes).as_posix())) == "train"
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
    assert [split_of(PurePosixPath(name)) for name in names] == FROZEN_SPLITS


def test_split_does_not_depend_on_how_accents_are_written():
    assert split_of(PurePosixPath("caf\u00e9.png")) == split_of(PurePosixPath("cafe\u0301.png"))


def test_shares_are_8_1_1():
    count = dict.fromkeys(SPLITS, 0)
    for number in range(5000):
        count[split_of(PurePosixPath(f"{number}.png"))] += 1
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


def test_own_splits_without_validation(tmp_path):
    for split in ("train", "test"):
        save(grey(0), tmp_path / split / "1.png")
    with pytest.raises(InputError, match=r"split 'validation' .*train 1, validation 0, test 1"):
        load(tmp_path, "validation")
    assert load(tmp_path, "test").labels is None


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
    with pytest.raises(InputError, match=r"holds no images: expected files that end in \.bmp, "):
        load(tmp_path)
    save(grey(0), tmp_path / "only.png")
    empty = next(split for split in SPLITS if split != split_of(PurePosixPath("only.png")))
    with pytest.raises(InputError, match=rf"split '{empty}' of folder .* is empty \(train"):
        load(tmp_path, empty)
