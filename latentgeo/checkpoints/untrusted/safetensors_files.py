"""Safetensors files, checked by their header before they are mapped."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from latentgeo.checkpoints.untrusted.torch_files import first_line
from latentgeo.errors import InputError, reason_of
from latentgeo.foreign import parse_json

_LONGEST_HEADER = 100_000_000  # the limit of the library itself
_BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}
_MOST_DIMENSIONS = 64


def load_safetensors(path: Path) -> dict[str, Tensor]:
    """Check a file and map its tensors.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    dict of str to torch.Tensor
        The tensors, on the CPU.

    Raises
    ------
    InputError
        When its header lies or the file is cut short.
    """
    _check_header(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise _damaged(path, str(error)) from None


def _check_header(path: Path) -> None:
    """Check that the header tells where every byte of the file belongs."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > _LONGEST_HEADER:
            raise _damaged(path, f"its header has {length} bytes, over {_LONGEST_HEADER}")
        if 8 + length > size:
            raise _damaged(
                path, f"its header of {length} bytes runs beyond the {size} bytes of the file"
            )
        header = _parse(stream.read(length), path)
    _check_metadata(header.pop("__metadata__", {}), path)
    ranges = [(*_extent(name, entry, path), name) for name, entry in header.items()]
    _check_ranges(sorted(ranges), size - 8 - length, path)


def _parse(text: bytes, path: Path) -> dict[str, Any]:
    try:
        header = parse_json(text.decode("utf-8"))
    except ValueError as error:
        raise _damaged(path, f"its header is not JSON ({reason_of(error)})") from None
    if not isinstance(header, dict):
        raise _damaged(path, "its header is no JSON object")
    return header


def _check_metadata(metadata: Any, path: Path) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _damaged(path, "its '__metadata__' is no mapping of texts")


def _extent(name: str, entry: Any, path: Path) -> tuple[int, int]:
    """Return where a tensor begins and ends, having checked that this suits its shape."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _damaged(path, f"tensor {name!r} lacks dtype, shape or data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise InputError(
            f"tensor {name!r} in {str(path)!r} is of type {dtype!r}, expected one of "
            f"{', '.join(_BITS)}; save the weights as F32, F16 or BF16"
        )
    if not _are_sizes(shape) or len(shape) > _MOST_DIMENSIONS:
        raise _damaged(path, f"tensor {name!r} has no shape that can be")
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _damaged(path, f"tensor {name!r} has no place that can be")
    expected = _BITS[dtype] // 8
    for n in shape:
        expected *= n
    if expected != offsets[1] - offsets[0]:
        raise _damaged(
            path,
            f"tensor {name!r} of shape {tuple(shape)} and type {dtype} takes {expected} bytes, "
            f"but the header gives it {offsets[1] - offsets[0]}",
        )
    return offsets[0], offsets[1]


def _check_ranges(ranges: list[tuple[int, int, str]], size: int, path: Path) -> None:
    """Check that the tensors cover the file's bytes, each byte once."""
    free = 0
    for start, end, name in ranges:
        if start < free:
            raise _damaged(path, f"tensor {name!r} overlaps another one")
        if start > free:
            raise _damaged(path, f"{start - free} bytes before tensor {name!r} are nobody's")
        free = end
    if free > size:
        raise _damaged(path, f"its tensors take {free} bytes, but {size} are there")
    if free < size:
        raise _damaged(path, f"{size - free} bytes after the last tensor are nobody's")


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(n) is int and 0 <= n < 1 << 63 for n in values)


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(
        f"{str(path)!r} is a damaged safetensors file: {first_line(reason)}; "
        "download or copy it again"
    )
