"""Published data sets as torchvision and Kaggle leave them."""

import gzip
import hashlib
import io
import pickle
import tarfile

import numpy as np
import pytest
from datasets import Dataset as Data
from datasets import Features
from datasets import Image as OfPictures
from PIL import Image
from scipy.io import savemat

from latentgeo.datasets import cifar10, idx, load, sources, svhn
from latentgeo.datasets.download import RemoteFile
from latentgeo.errors import InputError
from latentgeo.foreign import room

IMAGES = "t10k-images-idx3-ubyte"
LABELS = "t10k-labels-idx1-ubyte"


@pytest.fixture
def mnist(small_mnist, monkeypatch):
    """Return small test files, unpacked, which count as the published ones."""
    contents = [gzip.decompress(content) for content in small_mnist[2]]
    pair = tuple(
        RemoteFile(f"{name}.gz", 1, "0" * 64, (), hashlib.sha256(content).hexdigest())
        for name, content in zip((IMAGES, LABELS), contents, strict=True)
    )
    monkeypatch.setitem(idx.MNIST_FILES, "test", pair)
    return contents


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


PLACES = {
    "own gzip": ("mnist/{0}.gz", gzip.compress),
    "unpacked": ("mnist/{0}", bytes),
    "raw": ("mnist/raw/{0}", bytes),
    "torchvision": ("MNIST/raw/{0}", bytes),
    "Kaggle": ("mnist/{1}", bytes),
    "Kaggle, nested": ("mnist/{1}/{1}", bytes),
}


@pytest.mark.parametrize("kind", PLACES)
def test_mnist_is_known_by_its_content(tmp_path, mnist, small_mnist, kind):
    place, pack = PLACES[kind]
    for name, content in zip((IMAGES, LABELS), mnist, strict=True):
        put(tmp_path / place.format(name, name.replace("-idx", ".idx")), pack(content))
    data = load("mnist", root=tmp_path)
    np.testing.assert_array_equal(data.images[:, 0], small_mnist[0])
    np.testing.assert_array_equal(data.labels, small_mnist[1])
    folder = tmp_path / place.split("/")[0]
    if "nested" not in kind:  # and by its path, where no checksum is known
        assert load(folder, None).images.tobytes() == data.images.tobytes()


def test_another_content_is_refused_under_the_name(tmp_path, mnist):
    put(tmp_path / "mnist" / "raw" / IMAGES, mnist[0][:-1] + b"\0")
    put(tmp_path / "mnist" / "raw" / LABELS, mnist[1])
    with pytest.raises(InputError, match="is not the file that it should be"):
        load("mnist", root=tmp_path)


def test_idx_files_beside_their_archives_are_one_set_and_two_sets_none(tmp_path, mnist):
    for name, content in zip((IMAGES, LABELS), mnist, strict=True):
        put(tmp_path / "raw" / name, content)
        put(tmp_path / "raw" / f"{name}.gz", gzip.compress(content))
    assert len(load(tmp_path, None)) == 12
    with pytest.raises(InputError, match="idx files of test images alone, none for split 'train'"):
        load(tmp_path, "train")
    put(tmp_path / "raw" / f"emnist-{IMAGES}", mnist[0])
    with pytest.raises(InputError, match="two sets of test images"):
        load(tmp_path, None)


def batch(values, protocol, order="C"):
    """Write a batch as the version for Python has it: what pickles of Python 2 hold, in text."""
    held = {
        "batch_label": "testing batch 1 of 1",
        "labels": values[:, 0].tolist(),
        "data": np.array(values[:, 1:], order=order),
        "filenames": [f"{place}.png" for place in range(len(values))],
    }
    return pickle.dumps(held, protocol=protocol)


@pytest.fixture
def records():
    values = np.random.default_rng(0).integers(0, 256, (4, 3073), dtype=np.uint8)
    values[:, 0] %= 10
    return values


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("place", ["cifar10/cifar-10-batches-py", "cifar-10-batches-py"])
def test_the_version_for_python_is_read_without_unpickling(
    tmp_path, records, protocol, order, place, monkeypatch
):
    put(tmp_path / place / "test_batch", batch(records, protocol, order))
    monkeypatch.setattr(pickle, "loads", None)
    data = load("cifar10", root=tmp_path)
    np.testing.assert_array_equal(data.labels, records[:, 0])
    np.testing.assert_array_equal(data.images.reshape(4, -1), records[:, 1:])
    by_path = load(tmp_path / place, None)
    assert by_path.class_names == data.class_names == cifar10.CLASS_NAMES
    np.testing.assert_array_equal(by_path.images, data.images)


@pytest.mark.parametrize("python", [False, True])
def test_archives_and_folders_of_cifar10(tmp_path, records, python):
    name, inner = ("test_batch", "py") if python else ("test_batch.bin", "bin")
    content = batch(records, 2) if python else records.tobytes()
    if python:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            member = tarfile.TarInfo(f"cifar-10-batches-{inner}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        put(tmp_path / "cifar10" / "cifar-10-python.tar.gz", buffer.getvalue())
    else:
        put(tmp_path / "cifar10" / f"cifar-10-batches-{inner}" / name, content)
    data = load("cifar10", root=tmp_path)
    np.testing.assert_array_equal(data.images.reshape(4, -1), records[:, 1:])


def test_idx_files_without_images_or_labels_are_one_line(tmp_path):
    put(tmp_path / IMAGES, bytes([0, 0, 8, 3]) + np.array([0, 8, 8], ">u4").tobytes())
    with pytest.raises(InputError, match="labels-idx1-ubyte' does not exist; images and their"):
        load(tmp_path, None)
    put(tmp_path / LABELS, bytes([0, 0, 8, 1, 0, 0, 0, 0]))
    with pytest.raises(InputError, match=r"hold no images \(shape \(0, 8, 8\)\)"):
        load(tmp_path, None)


def write_idx(folder, monkeypatch):
    put(folder / IMAGES, bytes([0, 0, 8, 3]) + np.array([5, 200, 200], ">u4").tobytes())
    put(folder / LABELS, bytes([0, 0, 8, 1, 0, 0, 0, 0]))


def write_bomb(folder, monkeypatch):
    write_idx(folder, monkeypatch)
    path = folder / IMAGES
    put(folder / f"{IMAGES}.gz", gzip.compress(path.read_bytes() + bytes(200_000)))
    path.unlink()
    put(folder / f"{LABELS}.gz", gzip.compress((folder / LABELS).read_bytes()))


def write_cifar_folder(folder, monkeypatch):
    put(folder / "cifar-10-batches-bin" / "test_batch.bin", bytes(100 * 3073))


def write_cifar_archive(folder, monkeypatch):
    with tarfile.open(folder / "cifar-10-python.tar.gz", mode="w:gz") as tar:
        member = tarfile.TarInfo("cifar-10-batches-py/test_batch")
        member.size = 200_000
        tar.addfile(member, io.BytesIO(bytes(member.size)))


def write_svhn(folder, monkeypatch):
    pixels = np.zeros((32, 32, 3, 50), np.uint8)
    for part, file in dict(svhn.FILES).items():
        content = {"X": pixels, "y": np.ones((50, 1), np.uint8)}
        savemat(folder / file.name, content, do_compression=True)
        digest = hashlib.sha256((folder / file.name).read_bytes()).hexdigest()
        monkeypatch.setitem(svhn.FILES, part, RemoteFile(file.name, file.n_bytes, digest, ()))


def write_saved(folder, monkeypatch):
    pictures = [Image.new("RGB", (60, 60)) for _ in range(20)]
    Data.from_dict({"image": pictures}, Features({"image": OfPictures()})).save_to_disk(folder)


@pytest.mark.parametrize(
    "write",
    [write_idx, write_bomb, write_cifar_folder, write_cifar_archive, write_svhn, write_saved],
)
def test_what_memory_cannot_hold_is_refused_by_what_the_file_says(tmp_path, monkeypatch, write):
    write(tmp_path, monkeypatch)
    for module in (room, sources):
        monkeypatch.setattr(module, "physical_memory", lambda: 100_000.0)
    with pytest.raises(InputError, match=r"there is room for|this machine has") as error:
        load(tmp_path, None)
    assert "\n" not in str(error.value)


def test_images_are_drawn_before_they_are_resized(tmp_path, mnist, monkeypatch):
    for name, content in zip((IMAGES, LABELS), mnist, strict=True):
        put(tmp_path / name, content)
    expected = load(tmp_path, None, size=40).take(3, seed=1)
    monkeypatch.setattr(sources, "physical_memory", lambda: 5000.0)
    found = load(tmp_path, None, size=40, samples=3, seed=1)
    np.testing.assert_array_equal(found.images, expected.images)
    assert found.fingerprint == expected.fingerprint
    with pytest.raises(InputError, match="12 images of 'the data', 1×40×40, take"):
        load(tmp_path, None, size=40)


class Payload:
    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize(
    "content",
    [b"", b"text", pickle.dumps({"labels": [1], "data": Payload()}), pickle.dumps([b"0" * 3072])],
)
def test_a_batch_that_is_none_is_refused_and_not_run(tmp_path, content, capsys):
    put(tmp_path / "cifar-10-batches-py" / "test_batch", content)
    with pytest.raises(InputError, match=r"test_batch' (is no pickle|holds)") as error:
        load(tmp_path / "cifar-10-batches-py", None)
    assert "\n" not in str(error.value)
    assert capsys.readouterr().out == ""


def test_svhn_lies_beside_or_is_given_by_its_path(tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 5), dtype=np.uint8)
    classes = np.array([[1], [2], [10], [4], [5]], np.uint8)
    for part, file in dict(svhn.FILES).items():
        savemat(tmp_path / file.name, {"X": pixels, "y": classes})
        digest = hashlib.sha256((tmp_path / file.name).read_bytes()).hexdigest()
        monkeypatch.setitem(svhn.FILES, part, RemoteFile(file.name, file.n_bytes, digest, ()))
    for data in (load("svhn", root=tmp_path), load(tmp_path, None)):
        assert data.labels.tolist() == [1, 2, 0, 4, 5]


def test_celeba_as_kaggle_leaves_it(tmp_path):
    folder = tmp_path / "celeba"
    names = [f"{number:06}.jpg" for number in range(1, 5)]
    (folder / "img_align_celeba" / "img_align_celeba").mkdir(parents=True)
    rows = "".join(f"{name},{part}\n" for name, part in zip(names, (0, 0, 1, 2), strict=True))
    (folder / "list_eval_partition.csv").write_text(f"image_id,partition\n{rows}")
    for number, name in enumerate(names):
        Image.new("RGB", (178, 218), (40 * number, 0, 0)).save(
            folder / "img_align_celeba" / "img_align_celeba" / name
        )
    for source in ("celeba", folder):
        parts = [load(source, split, root=tmp_path) for split in ("train", "validation", "test")]
        assert [len(part) for part in parts] == [2, 1, 1]
