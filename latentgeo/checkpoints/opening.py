"""Open a checkpoint, whoever made it."""

import re
import warnings
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from torch import nn

from latentgeo.checkpoints import archives, diffusers_models, onnx_models, ours, pythae_runs
from latentgeo.checkpoints.accepted import check_is_checkpoint
from latentgeo.checkpoints.card import CARD, NO_DECODER, Card, read_card
from latentgeo.checkpoints.members import Member, Tapped, find_decoder, find_encoder
from latentgeo.checkpoints.modules import Model, open_module
from latentgeo.checkpoints.repeats import warn_of_repeats
from latentgeo.checkpoints.source import Source
from latentgeo.checkpoints.untrusted import Program, read_untrusted
from latentgeo.errors import InputError
from latentgeo.files import sha256_of_file
from latentgeo.foreign import read_json
from latentgeo.models import Autoencoder, Shape, wrap
from latentgeo.models.folder import CONFIG, WEIGHTS
from latentgeo.training import RunFolder

_GENERIC_NAMES = ("model", "weights", "checkpoint", "best", "last", "pytorch_model")
_SPLIT = re.compile(r"-\d{5}-of-\d{5}\.")  # one of several files, which an index lists
_TO_ONNX = "which is not read; export the network to ONNX and give that"
_JAX = (
    "a checkpoint of orbax (JAX), which is not read; restore it, and give its function to "
    "latentgeo.wrap in Python, or export that to ONNX (jax2onnx) and give the file"
)
_OTHERS = {
    ".metadata": "a checkpoint of torch.distributed in pieces, as FSDP writes it, which is not "
    "read; join them: python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER "
    "model.pt",
    "zero_to_fp32.py": "a checkpoint of DeepSpeed in pieces, which is not read; join them with the "
    "script in it: python zero_to_fp32.py FOLDER OUT",
    "saved_model.pb": f"a SavedModel of TensorFlow, {_TO_ONNX}: python -m tf2onnx.convert "
    "--saved-model FOLDER --output model.onnx",
    "keras_metadata.pb": f"a model of Keras, {_TO_ONNX}: "
    "encoder.export('encoder.onnx', format='onnx')",
    "_METADATA": _JAX,
    "_CHECKPOINT_METADATA": _JAX,
    "checkpoint": "a checkpoint of TensorFlow, which is not read; restore it into the model in "
    "TensorFlow, save that as a SavedModel, and export it to ONNX: python -m tf2onnx.convert "
    "--saved-model FOLDER --output model.onnx",
}
_SAID = ("dtype", "input_form", "not_a_function")  # what was found out by running it
_SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".pt2")
_MOST, _SHOWN = 200, 5  # entries of a folder that are looked at, and files that are named
_RARER = (".pth.tar", ".pt.tar", ".ckpt.tar", ".th", ".pkl", ".model")  # where there is no other


def open_checkpoint(
    path: str | Path | None,
    *,
    model: Model | None = None,
    image_shape: Shape | None = None,
    opening: Card | None = None,
    **entries: Any,
) -> Autoencoder:
    """Open a checkpoint: a run of ours, or what others trained.

    What it is, is found by looking: a run folder of ours; a folder of diffusers or pythae; an
    archive of `torch.export` or TorchScript; a single file of diffusers or TAESD. For anything
    else, `model` gives the network. Nothing is ever unpickled; code runs only where `model`
    names it, and a program (`torch.export`, TorchScript) only where `trust_code` says so.

    Parameters
    ----------
    path : str, pathlib.Path or None
        A folder or a file of weights. None where `model` is a network with its weights in it.
    model : str, torch.nn.Module or callable, optional
        The network: itself, a function or class that gives it, or the name of one,
        "package.module:factory" or "file.py:factory". A NAMED FACTORY IS CODE THAT RUNS. Once you
        have named it, the card beside the checkpoint may name it for you, until it changes.
    image_shape : (C, H, W), optional
        Shape of the data's images, where neither the checkpoint nor its card knows it.
    opening : Card, optional
        How to open it. What is set here goes before the card beside the checkpoint.
    **entries
        Entries of `Card`, before those of `opening`: `encode`, `encode_arguments`, `decode`,
        `decode_arguments`, `layers`, `preprocessing`, `posterior`, `weights`, `decoder`,
        `arguments`, `name`, `ema`, `prefix`, `strict`, `trust_code`.

    Returns
    -------
    Autoencoder
        On the CPU, in evaluation mode. Its `provenance` tells the files with their hashes and
        what was done to the weights.

    Raises
    ------
    InputError
        When there is no such checkpoint; it is broken, unsafe or incomplete; weights do not fit
        the network; or images do not go through it.

    Examples
    --------
    >>> model = open_checkpoint(
    ...     "vae/model.pt", model="nets.py:VAE", image_shape=(1, 32, 32), encode="encoder",
    ...     posterior={"layout": "interleaved"},
    ... )  # doctest: +SKIP
    """
    check_is_checkpoint(path)
    overrides = (opening or Card()).updated(Card.of(**entries))
    place, overrides = _resolve_path(None if path is None else Path(path), overrides)
    if place is not None and is_ours(place):
        return _open_ours(place, model, overrides)
    source, card = find_source(place, model, overrides)
    return make_autoencoder(source, card, image_shape, place)


def find_source(path: Path | None, model: Model | None, overrides: Card) -> tuple[Source, Card]:
    """Find the network of a checkpoint that is not ours, and all that is known of it.

    Parameters
    ----------
    path : pathlib.Path or None
        A folder or a file of weights.
    model : str, torch.nn.Module, callable or None
        As in `open_checkpoint`; if None, what `overrides` names.
    overrides : Card
        The entries that the caller sets.

    Returns
    -------
    tuple of Source and Card
        The card: `overrides` before the card beside the checkpoint, before what the source knows.
    """
    code = overrides.model if model is None else model
    if overrides.decoder is not None and Path(overrides.decoder).is_file():  # as seen from here
        overrides = overrides.updated(Card(decoder=str(Path(overrides.decoder).resolve())))
    known = _card(path).updated(overrides.without("model"))
    source = _find_source(path, code, known)
    return source, source.card.updated(known)


def name_of(path: Path) -> str:
    """Name a checkpoint after its folder or file, or the folder where a file says nothing."""
    if path.is_dir():
        return path.name
    return path.resolve().parent.name if path.stem in _GENERIC_NAMES else path.stem


def is_ours(path: Path) -> bool:
    """Return whether a folder is a run of ours, or was one before it lost a file."""
    return path.is_dir() and (RunFolder(path).run.is_file() or _is_our_config(path))


def _is_our_config(folder: Path) -> bool:
    """Return our `config.json` from others of that name; a broken one by the weights beside it."""
    try:
        values = read_json(folder / CONFIG, "restore it from where it came")
    except OSError:
        return False
    except InputError:
        return (folder / WEIGHTS).is_file()
    return isinstance(values, dict) and "recipe" in values


def _open_ours(path: Path, model: Model | None, overrides: Card) -> Autoencoder:
    given = ["model"] * (model is not None) + sorted(overrides.model_fields_set)
    if given:
        raise InputError(
            f"checkpoint {str(path)!r} is a run of latentgeo, which needs no {', '.join(given)}; "
            "leave that out"
        )
    return ours.load(path)


def _resolve_path(path: Path | None, overrides: Card) -> tuple[Path | None, Card]:
    """Return where the checkpoint lies: the path, or the weights that were named without one."""
    if overrides.weights is None or (path is not None and not path.is_file()):
        return path, overrides
    named = Path(overrides.weights)
    if path is not None and path != named:
        raise InputError(
            f"checkpoint {str(path)!r} is a file, and the weights are {overrides.weights!r}; give "
            "one of them"
        )
    return named, overrides.without("weights")


def _card(path: Path | None) -> Card:
    """Read the card beside the weights; an empty one where there is none."""
    if path is None:
        return Card()
    if not path.exists():
        raise InputError(
            f"checkpoint {str(path)!r} does not exist; give a run folder that `latentgeo train` "
            "made, or a folder or file of a third-party model"
        )
    card = read_card(path) or Card()
    return card.without("weights") if path.is_file() else card  # the file is the weights


def _find_source(path: Path | None, model: Model | None, card: Card) -> Source:
    if model is not None or card.model is not None:
        file = _single_file(path, card) if path is not None and path.is_dir() else path
        return open_module(path, file, model, card)
    if path is None:
        raise InputError("neither a checkpoint nor a model was given; give one of them")
    return _open_folder(path, card) if path.is_dir() else _open_file(path, card)


def _open_folder(folder: Path, card: Card) -> Source:
    if diffusers_models.class_in(folder) is not None:
        return diffusers_models.open_folder(folder, card)
    if diffusers_models.class_in(folder / "vae") is not None:  # a whole pipeline
        return diffusers_models.open_folder(folder / "vae", card)
    if pythae_runs.is_run(folder):
        return pythae_runs.open_run(folder, card)
    return _open_file(_single_file(folder, card), card)


def _open_file(path: Path, card: Card) -> Source:
    if is_ours(path.parent):
        raise InputError(f"{str(path)!r} is a file of a latentgeo run; give its folder")
    if onnx_models.is_onnx(path):
        return onnx_models.open_onnx(path, card)
    weights = read_untrusted(path, ema=card.ema)
    if isinstance(weights, Program):
        return archives.open_archive(weights, card)
    if diffusers_models.recognises(weights.tensors):
        return diffusers_models.open_file(path, weights, card)
    raise InputError(
        f"{str(path)!r} holds weights ({len(weights.tensors)} tensors, the first "
        f"{next(iter(weights.tensors), 'none')!r}) of a network that is not known by its keys; "
        "name the code that makes it: --model package.module:factory or file.py:factory"
    )


def _single_file(folder: Path, card: Card) -> Path:
    """Return the file of weights in a folder: the card's, or the only one."""
    if card.weights is not None:
        path = folder / card.weights
        if not path.is_file():
            raise InputError(
                f"weights {str(path)!r} do not exist; correct {CARD}, or give another file"
            )
        return path
    names = sorted(path.name for path in folder.iterdir())
    indices = [name for name in names if re.search(r"\.index(\.\w+)?\.json$", name)]
    whole = [n for n in names if n.endswith(_SUFFIXES) and not _SPLIT.search(n)]
    whole = whole or [name for name in names if name.endswith(_RARER)]
    files = [folder / name for name in indices + whole]
    if any(name.endswith(".distcp") for name in names):
        raise InputError(f"folder {str(folder)!r} is {_OTHERS['.metadata']}")
    if len(files) == 1:
        return files[0]
    if not files and (onnx := onnx_models.find_encoder(folder)) is not None:
        return onnx
    if not files:
        for name, what in _OTHERS.items():
            if (folder / name).is_file():
                raise InputError(f"folder {str(folder)!r} is {what}")
        if below := _weights_below(folder):
            raise InputError(
                f"folder {str(folder)!r} holds no weights itself; below it lie "
                f"{', '.join(below)}; give one of them as the checkpoint"
            )
        raise InputError(
            f"folder {str(folder)!r} holds no weights; expected a run folder that `latentgeo "
            "train` made (model.safetensors and config.json), or weights that others saved"
        )
    raise InputError(
        f"folder {str(folder)!r} holds {', '.join(path.name for path in files)}; give one of the "
        "files as the checkpoint, or name it (weights=…, --weights), and that of the decoder where "
        "it is apart (decoder=…, --decoder)"
    )


def _weights_below(folder: Path) -> list[str]:
    """List weights in the folders of a folder, as logs of training hold them."""
    inside = [place for place in sorted(folder.iterdir()) if place.is_dir()][:_MOST]
    found = [
        path.relative_to(folder).as_posix()
        for pattern in ("*", "*/*")
        for place in inside
        for path in islice(place.glob(pattern), _MOST)
        if path.name.endswith((*_SUFFIXES, *_RARER)) and path.is_file()
    ]
    return sorted(found)[:_SHOWN]


def make_autoencoder(
    source: Source, card: Card, image_shape: Shape | None, path: Path | None
) -> Autoencoder:
    """Find the encoder and the decoder in a network; takes what `find_source` gives.

    Raises what `open_checkpoint` does.
    """
    shape = image_shape or card.image_shape
    if shape is None:
        named = "the model" if card.name is None else f"model {card.name!r}"
        raise InputError(
            f"{named} does not say which images it takes; give image_shape (C, H, W), "
            "on the command line --image-shape 3,64,64"
        )
    encoder, decoder = _parts(source, card)
    model = wrap(
        encoder,
        decoder,
        image_shape=shape,
        name=card.name or ("custom" if path is None else name_of(path)),
        preprocessing=card.preprocessing,
        posterior=card.posterior,
    )
    if isinstance(encoder, Tapped) and len(card.layers) > 1:
        model.parts = dict(encoder.shapes)
    if decoder is None and not card.layers:
        _warn_of_images(model, card.preprocessing.shape(shape))
    warn_of_repeats(model)
    model.identity |= {
        "encode": card.encode,
        "encode_arguments": card.encode_arguments,
        "decode_arguments": card.decode_arguments,
        "layers": list(card.layers),
        "model_sha256": source.facts.get("model_sha256"),  # the same weights in other code
    }
    model.provenance = {
        "kind": source.kind,
        "files_sha256": {file.name: sha256_of_file(file) for file in source.files},
        "card": card.model_dump(mode="json", exclude_unset=True, exclude={"trust_code"}),
        **source.facts,
        **{name: model.identity[name] for name in _SAID if name in model.identity},
        "weights_sha256": model.weights_sha256(),
    }
    return model


def _warn_of_images(model: Autoencoder, seen: Shape) -> None:
    """Tell of latents that look like images: those of a whole autoencoder would."""
    flat = (seen[0] * seen[1] * seen[2],)
    if model.latent_shape == seen or tuple(n for n in model.latent_shape if n > 1) == flat:
        warnings.warn(
            f"model {model.config.recipe!r}: its latents have the shape of its images, "
            f"{'×'.join(map(str, seen))}; if these are reconstructions by a whole autoencoder, "
            "give its encoder alone, or name what encodes (--encode, --layer)",
            stacklevel=4,
        )


def _parts(source: Source, card: Card) -> tuple[nn.Module, nn.Module | None]:
    """Return the encoder and the decoder, with the arguments that they are given."""
    encoder = _given(source.encoder, card.encode_arguments) or find_encoder(
        source.net, card.encode, card.layers, card.encode_arguments
    )
    if card.decode == NO_DECODER:
        return encoder, None
    decoder = _given(source.decoder, card.decode_arguments) or find_decoder(
        source.net, card.decode, card.layers, card.decode_arguments
    )
    return encoder, decoder


def _given(part: nn.Module | None, arguments: Mapping[str, Any]) -> nn.Module | None:
    return Member(part, "forward", arguments) if part is not None and arguments else part
