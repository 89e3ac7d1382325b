"""Networks in the ONNX format, run by onnxruntime: the way in for every other framework."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentgeo.checkpoints.card import NO_DECODER, Card
from latentgeo.checkpoints.source import Source
from latentgeo.errors import InputError, reason_of
from latentgeo.foreign.room import check_room
from latentgeo.models import Function
from latentgeo.models.layouts import Outputs

SUFFIX = ".onnx"

_WHOLE = "forward"
_COPIES = 3  # what is read, what onnxruntime keeps, and what it makes of it
_COLOURS = (1, 3)
_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
}
_NUMPY = {
    **_DTYPES,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}


class OnnxNetwork(Function):
    """A network of an ONNX file: its input are the images or the latents.

    Images with channels last are known by the shapes that the file states. A fixed number of
    images is taken batch by batch. Further inputs are arguments.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    output : str, optional
        The output that it gives; all of them if left out.
    decodes : bool, default=False
        Whether it gives images, rather than takes them.

    Raises
    ------
    InputError
        When onnxruntime is not installed, the file cannot be run, or it has no such output.
    """

    def __init__(self, path: Path, output: str | None = None, *, decodes: bool = False) -> None:
        super().__init__(self._run)
        self._session, self.files = _open_session(path)
        self._inputs = self._session.get_inputs()
        self._input = next((one for one in self._inputs if len(one.shape) > 1), self._inputs[0])
        outputs = {one.name: one for one in self._session.get_outputs()}
        if output is not None and output not in outputs:
            raise InputError(
                f"{str(path)!r} has no output {output!r}; expected one of {', '.join(outputs)}"
            )
        self.outputs = list(outputs) if output is None else [output]
        if self._input.type not in _DTYPES:
            raise InputError(
                f"{str(path)!r} takes {self._input.type}; expected one of {', '.join(_DTYPES)}"
            )
        images = outputs[self.outputs[0]] if decodes else self._input
        self.axes = len(images.shape)
        self.channels_last = _is_channels_last(images.shape)
        channels = images.shape[-1 if self.channels_last else 1] if self.axes == 5 else None
        self.volume_channels = (channels,) if isinstance(channels, int) else ()
        self.described = path.name
        digest = hashlib.sha256(b"".join(map(_digest, self.files))).digest()
        # A weight of its own, so that the hash of the weights tells one file from another.
        self.register_buffer("files_sha256", torch.tensor(list(digest), dtype=torch.uint8))

    def _run(self, values: NDArray[Any], **arguments: Any) -> Any:
        others = self._others(arguments)
        dtype = _DTYPES[self._input.type]
        whole = np.rint(values) if dtype == np.uint8 else values
        fixed = self._input.shape[0] if self._input.shape else None
        size = fixed if isinstance(fixed, int) and fixed > 0 else len(values)
        found = [
            self._batch(whole[start : start + size].astype(dtype), size, others)
            for start in range(0, len(values), size)
        ]
        outputs = [np.concatenate(parts) for parts in zip(*found, strict=True)]
        named = Outputs(zip(self.outputs, outputs, strict=True))
        return outputs[0] if len(outputs) == 1 else named

    def _others(self, arguments: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Return the inputs beside the images or latents."""
        others = [one for one in self._inputs if one is not self._input]
        if {one.name for one in others} != set(arguments):
            names = ", ".join(f"{one.name} {one.shape}" for one in self._inputs)
            said = f", and was given {', '.join(arguments)}" if arguments else ""
            raise InputError(
                f"{self.described!r} has {len(self._inputs)} inputs ({names}){said}; expected one, "
                "the images or the latents, and the others as arguments (--encode-argument, "
                "--decode-argument NAME=VALUE); or export it without them"
            )
        return {one.name: np.asarray(arguments[one.name], _NUMPY[one.type]) for one in others}

    def _batch(
        self, values: NDArray[Any], size: int, others: Mapping[str, NDArray[Any]]
    ) -> list[NDArray[Any]]:
        lacking = size - len(values)
        padded = np.concatenate([values, np.repeat(values[-1:], lacking, axis=0)])
        outputs = self._session.run(self.outputs, {self._input.name: padded, **others})
        return [np.asarray(output)[: len(values)] for output in outputs]


def is_onnx(path: Path) -> bool:
    """Return whether a file is one of ONNX, by its name."""
    return path.suffix.lower() == SUFFIX


def find_encoder(folder: Path) -> Path | None:
    """Return the ONNX file of a folder that encodes: the only one, or the only encoder."""
    files = sorted(path for path in folder.iterdir() if is_onnx(path))
    encoders = [path for path in files if "encoder" in path.stem.lower()]
    chosen = files if len(files) == 1 else encoders
    if files and len(chosen) != 1:
        raise InputError(
            f"folder {str(folder)!r} holds {', '.join(path.name for path in files)}; give the file "
            "of the encoder, and --decoder that of the decoder"
        )
    return chosen[0] if chosen else None


def open_onnx(path: Path, card: Card) -> Source:
    """Open the encoder of an ONNX file, and the decoder's: the card's, or the one beside it.

    Parameters
    ----------
    path : pathlib.Path
        The file; "decoder" in place of "encoder" in its name is the file of the decoder.
    card : Card
        Names the decoder's file where it is called otherwise, and the outputs that are the latent
        (`encode`) and the image (`decode`) where there are several.

    Returns
    -------
    Source

    Raises
    ------
    InputError
        When a file is missing or cannot be run.
    """
    if card.layers:
        raise InputError(
            f"{str(path)!r} shows no layers within; export the network with that output, and name "
            "it (--encode)"
        )
    encoder = OnnxNetwork(path, _output(card.encode))
    place = _decoder_of(path, card)
    decoder = None if place is None else OnnxNetwork(place, _output(card.decode), decodes=True)
    both = [encoder] if decoder is None else [encoder, decoder]
    facts = {
        "outputs": encoder.outputs,
        "channels_last": [one.channels_last for one in both],
    }
    known = Card(encode=_WHOLE) if decoder else Card(encode=_WHOLE, decode=NO_DECODER)
    files = tuple(file for one in both for file in one.files)
    return Source("onnx", encoder, known, files, encoder=encoder, decoder=decoder, facts=facts)


def _output(named: str | None) -> str | None:
    return None if named == _WHOLE else named


def _decoder_of(path: Path, card: Card) -> Path | None:
    if card.decode == NO_DECODER:
        return None
    if card.decoder is not None:
        place = path.parent / card.decoder
        if not place.is_file():
            raise InputError(f"decoder {str(place)!r} does not exist; correct --decoder")
        return place
    place = path.with_name(path.name.replace("encoder", "decoder"))
    return place if place != path and place.is_file() else None


def _is_channels_last(shape: list[Any]) -> bool:
    """Return whether signals, images or volumes come with their channels last."""
    return len(shape) in (3, 4, 5) and shape[-1] in _COLOURS and shape[1] not in _COLOURS


def _open_session(path: Path) -> tuple[Any, tuple[Path, ...]]:
    """Open a file from memory, with the files of numbers beside it that it names, and no others.

    What a model names elsewhere cannot be reached: onnxruntime is given bytes, never a path.
    """
    runtime = _package(path)
    beside = _external(path)
    files = (path, *beside)
    stored = sum(file.stat().st_size for file in files)
    check_room(path, float(_COPIES * stored), stored)
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised
    options.intra_op_num_threads = torch.get_num_threads()
    held = [file.read_bytes() for file in beside]
    if held:
        options.add_external_initializers_from_files_in_memory(
            [file.name for file in beside], held, [len(content) for content in held]
        )
    try:
        session = runtime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime has a class of its own for every kind
        raise InputError(
            f"{str(path)!r} cannot be run by onnxruntime: {reason_of(error)}; export it again, and "
            "keep files of external data in the same folder"
        ) from error
    return session, files


def _external(path: Path) -> list[Path]:
    """Return the plain files beside a model that it names: those of external data among them."""
    content = path.read_bytes()
    beside = (file for file in sorted(path.parent.iterdir()) if file != path)
    return [
        file
        for file in beside
        if file.is_file() and not file.is_symlink() and file.name.encode() in content
    ]


def _package(path: Path) -> ModuleType:
    try:
        import onnxruntime
    except ImportError:
        raise InputError(
            f"{str(path)!r} needs the package onnxruntime; pip install 'latentgeo[onnx]'"
        ) from None
    found: ModuleType = onnxruntime
    return found


def _digest(path: Path) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
