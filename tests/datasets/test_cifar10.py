import io
import tarfile

import numpy as np
import pytest

from latentgeo.datasets import cifar10, load
from latentgeo.errors import InputError

MEMBERS = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]


def archive(contents: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.type, member.size = kind, len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def records():
    """Return three records for each of the six files: a class, then red, green and blue."""
    values = np.random.default_rng(0).integers(0, 256, (6, 3, 3073), dtype=np.uint8)
    values[:, :, 0] %= 10
    return values


@pytest.fixture
def put(tmp_path, monkeypatch, cached):
    def put(content: bytes) -> None:
        file = cached(content, tmp_path / "cifar10", "cifar-10-binary.tar.gz")
        monkeypatch.setattr(cifar10, "ARCHIVE", file)

    return put


def test_splits_pixels_and_classes(tmp_path, put, records, hold_out_two):
    put(archive({name: part.tobytes() for name, part in zip(MEMBERS, records, strict=True)}))
    train, validation, test = (
        load("cifar10", split, root=tmp_path) for split in ("train", "validation", "test")
    )
    assert (len(train), len(validation), len(test)) == (13, 2, 3)
    published = records[:5].reshape(15, 3073)
    np.testing.assert_array_equal(
        np.concatenate([train.labels, validation.labels]), published[:, 0]
    )
    # Planes follow each other: 1,024 bytes of red, of green, of blue, each row by row.
    np.testing.assert_array_equal(test.images[1, 2, 3], records[5, 1, 1 + 2048 + 96 :][:32])
    assert test.class_names[6] == "frog"
    assert list((tmp_path / "cifar10").iterdir()) == [tmp_path / "cifar10/cifar-10-binary.tar.gz"]


@pytest.mark.parametrize(
    "batch", [bytes(3072), bytes(3074), b"", bytes([10]) + bytes(3072)], ids=len
)
def test_records_of_wrong_length_or_class(tmp_path, put, batch):
    put(archive({"test_batch.bin": batch}))
    with pytest.raises(InputError, match=r"test_batch.bin' in .* expected records of 3073 bytes"):
        load("cifar10", root=tmp_path)


def test_archive_without_the_batches(tmp_path, put):
    put(archive({"readme.html": b"hello"}))
    with pytest.raises(InputError, match="expected CIFAR-10, binary version"):
        load("cifar10", root=tmp_path)


def test_member_that_is_no_file(tmp_path, put):
    put(archive({"test_batch.bin": b""}, kind=tarfile.DIRTYPE))
    with pytest.raises(InputError, match="is not a file"):
        load("cifar10", root=tmp_path)


def test_link_out_of_the_archive_is_not_followed(tmp_path, put):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(3073))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        member.type, member.linkname = tarfile.SYMTYPE, str(secret)
        tar.addfile(member)
    put(buffer.getvalue())
    with pytest.raises(InputError, match="cannot be read"):
        load("cifar10", root=tmp_path)


def test_no_archive_at_all(tmp_path, put, records):
    whole = archive({"test_batch.bin": records.tobytes()})
    for content in (whole[: len(whole) // 2], b"plain text"):
        put(content)
        with pytest.raises(InputError, match="cannot be read"):
            load("cifar10", root=tmp_path)
