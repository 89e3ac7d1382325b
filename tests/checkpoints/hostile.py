"""Files that somebody made to do harm, or that were harmed, for the tests."""

import pickle
import zipfile
from pathlib import Path

import torch

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = str(proof)

    def __reduce__(self):
        return eval, (f"open({self.proof!r}, 'w').close()",)


def instructions(*steps: bytes) -> bytes:
    """Return a pickle from its instructions."""
    return b"\x80\x02" + b"".join(steps) + b"."


def text(value: str) -> bytes:
    """Return the instruction that pushes a text."""
    raw = value.encode()
    return b"X" + len(raw).to_bytes(4, "little") + raw


def number(value: int) -> bytes:
    """Return the instruction that pushes a whole number."""
    raw = value.to_bytes(10, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def name(module: str, what: str) -> bytes:
    """Return the instruction that imports."""
    return b"c" + module.encode() + b"\n" + what.encode() + b"\n"


def call(module: str, what: str, *arguments: bytes) -> bytes:
    """Return the instructions that call a function."""
    return name(module, what) + b"(" + b"".join(arguments) + b"tR"


def storage(numel: int, key: str = "0", kind: str = "FloatStorage") -> bytes:
    """Return the instructions that refer to a storage."""
    return (
        b"("
        + text("storage")
        + name("torch", kind)
        + text(key)
        + text("cpu")
        + number(numel)
        + b"tQ"
    )


def sizes(*values: int) -> bytes:
    """Return the instructions that make a tuple of numbers."""
    return b"(" + b"".join(number(value) for value in values) + b"t"


def tensor(
    stored: bytes, shape: tuple[int, ...], stride: tuple[int, ...], offset: int = 0
) -> bytes:
    """Return the instructions that make a tensor."""
    hooks = name("collections", "OrderedDict") + b")R"
    parts = (stored, number(offset), sizes(*shape), sizes(*stride), b"\x89", hooks)
    return call("torch._utils", "_rebuild_tensor_v2", *parts)


def state_dict(*values: bytes) -> bytes:
    """Return the pickle of a dictionary with the values "a", "b", …."""
    items = b"".join(text(chr(ord("a") + i)) + value for i, value in enumerate(values))
    return instructions(b"}(", items, b"u")


def write_archive(
    path: Path, entries: dict[str, bytes], *, root: str = "archive", **options
) -> Path:
    """Write entries as torch.save does."""
    with zipfile.ZipFile(path, "w", **options) as archive:
        for entry, content in entries.items():
            archive.writestr(f"{root}/{entry}" if root else entry, content)
    return path


def write_pickle(path: Path, content: bytes, **storages: bytes) -> Path:
    """Write a pickle as the main one of an archive of torch.save, with the storages' bytes."""
    data = {f"data/{key.removeprefix('s')}": value for key, value in storages.items()}
    return write_archive(path, {"data.pkl": content, "version": b"3\n", **data})


def write_legacy(path: Path, *pickles: bytes, rest: bytes = b"") -> Path:
    """Write pickles as torch.save did before 1.6; `pickles` replace the first ones."""
    made = [
        pickle.dumps(LEGACY_MAGIC, 2),
        pickle.dumps(LEGACY_PROTOCOL, 2),
        pickle.dumps(SYSTEM, 2),
        pickle.dumps({}, 2),
        pickle.dumps([], 2),
    ]
    made[: len(pickles)] = pickles
    path.write_bytes(b"".join(made) + rest)
    return path


def some_tensors() -> dict[str, torch.Tensor]:
    """Return a small state dict."""
    generator = torch.Generator().manual_seed(3)
    return {
        "conv.weight": torch.randn(4, 3, 2, 2, generator=generator),
        "conv.bias": torch.randn(4, generator=generator),
        "norm.num_batches_tracked": torch.tensor(7),
    }
