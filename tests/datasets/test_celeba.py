import zipfile

import numpy as np
import pytest
from PIL import Image

from latentgeo.datasets import load
from latentgeo.errors import InputError

PARTITION = "000001.jpg 0\n000002.jpg 0\n000003.jpg 1\n000004.jpg 2\n"
NAMES = [line.split()[0] for line in PARTITION.splitlines()]


def face(number: int) -> Image.Image:
    """Draw a grey picture with a block of colour that fills exactly the central crop."""
    pixels = np.full((218, 178, 3), 128, np.uint8)
    pixels[35:183, 15:163] = (40 * number, 0, 255)
    return Image.fromarray(pixels)


@pytest.fixture
def celeba(tmp_path):
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    (folder / "list_eval_partition.txt").write_text(PARTITION)
    for number, name in enumerate(NAMES, start=1):
        face(number).save(folder / "img_align_celeba" / name, quality=100, subsampling=0)
    return folder


def to_zip(folder, names=NAMES):
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        for name in names:
            archive.write(folder / "img_align_celeba" / name, f"img_align_celeba/{name}")
    for path in (folder / "img_align_celeba").iterdir():
        path.unlink()
    (folder / "img_align_celeba").rmdir()


@pytest.mark.parametrize("zipped", [False, True])
def test_splits_crop_and_size(celeba, tmp_path, zipped):
    if zipped:
        to_zip(celeba)
    train, validation, test = (
        load("celeba", split, root=tmp_path) for split in ("train", "validation", "test")
    )
    assert (len(train), len(validation), len(test)) == (2, 1, 1)
    assert train.shape == (3, 64, 64)
    assert train.labels is None
    # The crop holds nothing of the grey border.
    expected = np.array([80, 0, 255]).reshape(3, 1, 1)
    assert np.abs(train.images[1].astype(int) - expected).max() <= 12
    assert load("celeba", root=tmp_path, size=32).shape == (3, 32, 32)


def test_folder_and_zip_give_the_same(celeba, tmp_path):
    before = load("celeba", "train", root=tmp_path).fingerprint
    to_zip(celeba)
    assert load("celeba", "train", root=tmp_path).fingerprint == before


def test_missing_files_say_what_to_put_where(tmp_path):
    with pytest.raises(InputError) as caught:
        load("celeba", root=tmp_path)
    message = str(caught.value)
    folder = tmp_path / "celeba"
    assert f"{str(folder / 'list_eval_partition.txt')!r} is missing" in message
    assert "cannot be downloaded by a program" in message
    assert f"put both into {str(folder)!r}" in message
    assert "LATENTGEO_DATA" in message
    assert "\n" not in message
    folder.mkdir()
    (folder / "list_eval_partition.txt").write_text(PARTITION)
    with pytest.raises(InputError, match=r"img_align_celeba\.zip' is missing"):
        load("celeba", root=tmp_path)


@pytest.mark.parametrize("line", ["000001.jpg", "000001.jpg 3", "../secret.jpg 2", "a b 2"])
def test_partition_of_another_kind(celeba, tmp_path, line):
    (celeba / "list_eval_partition.txt").write_text(PARTITION + line)
    with pytest.raises(InputError, match=r"line 5 of .* expected a file's name and 0, 1 or 2"):
        load("celeba", root=tmp_path)


def test_split_without_images(celeba, tmp_path):
    (celeba / "list_eval_partition.txt").write_text("000001.jpg 0\n")
    with pytest.raises(InputError, match="puts no image into split 'test'"):
        load("celeba", root=tmp_path)


def test_image_that_is_not_there(celeba, tmp_path):
    (celeba / "img_align_celeba" / "000004.jpg").unlink()
    with pytest.raises(InputError, match=r"000004\.jpg' cannot be read"):
        load("celeba", root=tmp_path)
    to_zip(celeba, NAMES[:3])
    with pytest.raises(InputError, match=r"lacks 'img_align_celeba/000004\.jpg'"):
        load("celeba", root=tmp_path)


def test_image_of_another_size(celeba, tmp_path):
    Image.new("RGB", (64, 64)).save(celeba / "img_align_celeba" / "000004.jpg")
    with pytest.raises(InputError, match="64 by 64 pixels: expected the aligned images of 178 by"):
        load("celeba", root=tmp_path)


def test_truncated_image_and_zip(celeba, tmp_path):
    path = celeba / "img_align_celeba" / "000004.jpg"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"000004\.jpg' cannot be read as an image"):
        load("celeba", root=tmp_path)
    to_zip(celeba)
    archive = celeba / "img_align_celeba.zip"
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"img_align_celeba\.zip' cannot be read"):
        load("celeba", root=tmp_path)
