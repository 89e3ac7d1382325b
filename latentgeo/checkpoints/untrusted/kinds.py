"""What kind of file somebody's weights are, by their content."""

import io
import os
import pickletools
import re
import struct
import zipfile
from pathlib import Path
from typing import Literal

from latentgeo.errors import InputError

Kind = Literal["safetensors", "torch", "torch-legacy", "torchscript", "torch-export", "unknown"]

ZIP = b"PK\x03\x04"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # the number that torch.save wrote first before 1.6
_START = 1024
_LONGEST_HEADER = 1 << 40  # a true header is far shorter; text in its place gives far more

_FROM_KERAS = (
    "which is not read; load it in Keras, export it with model.export('model.onnx', "
    "format='onnx'), and give that file"
)
_KNOWN = (
    (b"version https://git-lfs", "a Git LFS pointer; fetch the file itself with `git lfs pull`"),
    (
        b"\x89HDF\r\n\x1a\n",
        f"an HDF5 file (Keras?), {_FROM_KERAS}",
    ),
    (
        b"\x93NUMPY",
        "a NumPy array; latents are analysed without --data, images are given as --data, and "
        "weights are saved as safetensors",
    ),
    (b"\x08\x01\x12", "the graph of a SavedModel of TensorFlow; give the folder that holds it"),
    (
        b"MATLAB ",
        "a MATLAB file, which is not read; save its weights with safetensors.numpy.save_file, what "
        "scipy.io.loadmat or h5py gives",
    ),
    (b"\x1f\x8b", "compressed with gzip; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"GGUF", "a GGUF file, whose weights are quantised; take them from safetensors"),
    (b"PK\x05\x06", "an empty zip archive; copy it again from where it came"),
)
_COPY = "download or copy it again"


def kind_of(path: str | Path) -> Kind:
    """Return what kind of file it is, by its first bytes and the names of its entries.

    Nothing is loaded or trusted: that a file is of a kind does not say that it is whole.

    Parameters
    ----------
    path : str or pathlib.Path
        The file; its suffix does not matter.

    Returns
    -------
    str
        "safetensors"; "torch" for what torch.save writes, "torch-legacy" for what it wrote before
        PyTorch 1.6; "torchscript"; "torch-export" for .pt2 archives; or "unknown".

    Raises
    ------
    InputError
        When there is no such file, it is a folder, is empty or cannot be read.
    """
    place = existing_file(path)
    start = read_start(place)
    if start.startswith(ZIP):
        return _kind_of_zip(place)
    if _is_legacy(start):
        return "torch-legacy"
    if len(start) > 8 and start[8:9] == b"{" and _header_length(start) < _LONGEST_HEADER:
        return "safetensors"
    return "unknown"


def existing_file(path: str | Path) -> Path:
    """Return the path of a file that is there, holds something and may be read."""
    place = Path(path)
    if place.is_dir():
        raise InputError(
            f"weights {str(place)!r} is a folder; name the file in it that holds the weights"
        )
    if not place.exists():
        raise InputError(f"weights {str(place)!r} does not exist; give a file of weights")
    if not place.is_file():
        raise InputError(f"weights {str(place)!r} is no regular file; give a file of weights")
    if not os.access(place, os.R_OK):
        raise InputError(f"weights {str(place)!r} may not be read; change its permissions")
    if place.suffix == ".distcp":
        raise InputError(
            f"{str(place)!r} is a piece of a checkpoint of torch.distributed, as FSDP writes it; "
            "join the pieces: python -m torch.distributed.checkpoint.format_utils dcp_to_torch "
            f"{place.parent} model.pt"
        )
    if place.stat().st_size == 0:
        raise InputError(f"weights {str(place)!r} is empty (0 bytes); {_COPY}")
    return place


def read_start(path: Path) -> bytes:
    """Read the first bytes of a file."""
    with path.open("rb") as stream:
        return stream.read(_START)


def describe_unknown(start: bytes) -> str:
    """Describe what a file of unknown kind probably is, and what to do."""
    for signature, what in _KNOWN:
        if start.startswith(signature):
            return what
    text = start.lstrip().lower()
    if text.startswith(b"<"):
        return f"a web page, probably an error message in place of the file; {_COPY}"
    if text.startswith((b"{", b"[")):
        return "JSON; name the file that holds the tensors"
    if start[257:262] == b"ustar":
        return "a tar archive (PyTorch 0.1 or packed); unpack it, or save it again with torch.save"
    if start[4:8] == b"TFL3":
        return "a model of TensorFlow Lite, which is not read; export the network to ONNX (tf2onnx)"
    if (start.startswith(ZIP) and b"config.json" in start) or b"metadata.json" in start[:80]:
        return f"a .keras archive, {_FROM_KERAS}"
    if re.match(rb"\x08[\x01-\x20][\x12\x3a]", start):
        return "an ONNX model; rename it to end in .onnx, and give it without --model"
    if start.startswith(ZIP) and re.match(rb".{26}[^/]{0,200}\.npy", start, re.DOTALL):
        return (
            "a NumPy archive (.npz); latents are analysed without --data, images are given as "
            "--data, and weights are saved as safetensors: "
            "safetensors.numpy.save_file(dict(numpy.load('weights.npz')), 'weights.safetensors')"
        )
    if start.startswith(ZIP):
        return "a zip archive, but not one of PyTorch's; unpack it and name the file of weights"
    if re.match(rb"[\x81-\x8f\xde][\x00-\xff]{0,2}[\xa0-\xbf]\w", start):
        return (
            "msgpack, as Flax writes it, which is not read; give the network's function to "
            "latentgeo.wrap in Python, or export it to ONNX (jax2onnx) and give the file"
        )
    if start[:1] == b"\x80" and start[1:2] <= b"\x05":
        return (
            "a pickle that torch.save did not write; save the weights with "
            "torch.save(model.state_dict(), …) or as safetensors"
        )
    if _is_text(start):
        shown = " ".join(start[:40].decode("utf-8", "ignore").split())
        return (
            f"text (it begins {shown!r}), neither safetensors nor what torch.save writes; name the "
            "file that holds the weights"
        )
    return f"neither safetensors nor what torch.save writes; if it was one of them, {_COPY}"


def _is_text(start: bytes) -> bool:
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError as error:
        text = start[: error.start].decode("utf-8") if error.start > len(start) - 4 else "\0"
    return all(character.isprintable() or character in "\r\n\t\ufeff" for character in text)


def _kind_of_zip(path: Path) -> Kind:
    names = _names(path)
    if names & {"constants.pkl", "bytecode.pkl"}:
        return "torchscript"
    if names & {"archive_format", "archive_version"} or _EXPORT_BEFORE_2_8 in names:
        return "torch-export"
    if "data.pkl" in names:
        return "torch"
    return "unknown"


_EXPORT_BEFORE_2_8 = "serialized_exported_program.json"


def _names(path: Path) -> set[str]:
    """Return the names of a zip archive's entries, without the folder that they lie in."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError, OSError):
        # A torn archive is most often one of weights, and what reads those says what is wrong.
        return {"data.pkl"}
    # PyTorch's reader looks names up without regard to case.
    return {name.partition("/")[2].casefold() or name.casefold() for name in names}


def _is_legacy(start: bytes) -> bool:
    """Return whether the first pickle is the number that torch.save wrote."""
    try:
        numbers = [arg for _, arg, _ in pickletools.genops(io.BytesIO(start)) if arg is not None]
    except (ValueError, IndexError, struct.error, EOFError, OverflowError):
        return False
    return _LEGACY_MAGIC in numbers[:3]  # after the protocol and the length of the frame


def _header_length(start: bytes) -> int:
    return int.from_bytes(start[:8], "little")
