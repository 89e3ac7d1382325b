"""Autoencoders of diffusers: folders, single files, and TAESD's own files."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from latentgeo.checkpoints.card import Card
from latentgeo.checkpoints.source import Source
from latentgeo.checkpoints.untrusted import Weights
from latentgeo.checkpoints.weights import fit_weights, read_weights
from latentgeo.errors import InputError, reason_of
from latentgeo.foreign import read_json
from latentgeo.models import Preprocessing

_CONFIG = "config.json"
_STEM = "diffusion_pytorch_model"
_IN_MINUS_ONE_TO_ONE = Preprocessing(range=(-1.0, 1.0))  # all of diffusers' autoencoders
_ATTENTION = re.compile(r"\.mid\.attn|\.mid_block\.attentions")
_RESTORE = "restore it from where it came"
_ATTENTION_OF_LEVEL = re.compile(r"(encoder\.down|decoder\.up)\.\d+\.attn\.")
_CODEBOOK = "quantize.embedding.weight"
_LDM_PREFIXES = ("first_stage_model.", "vae.")

Tensors = Mapping[str, Tensor]


def class_in(folder: Path) -> str | None:
    """Return the class that a folder's `config.json` names in diffusers' manner, or None."""
    path = folder / _CONFIG
    if not path.is_file():
        return None
    try:
        values = read_json(path, _RESTORE)
    except InputError:
        return None
    name = values.get("_class_name") if isinstance(values, dict) else None
    return name if isinstance(name, str) else None


def open_folder(folder: Path, card: Card) -> Source:
    """Open a folder that diffusers saved.

    Parameters
    ----------
    folder : pathlib.Path
        With `config.json` and the weights.
    card : Card
        May name which weights.

    Returns
    -------
    Source
        The autoencoder.

    Raises
    ------
    InputError
        For another class, missing weights, or weights that do not fit.
    """
    name = class_in(folder) or ""
    path = folder / card.weights if card.weights else _find_weights(folder)
    config = read_json(folder / _CONFIG, _RESTORE)
    options = {key: value for key, value in config.items() if not key.startswith("_")}
    return _filled(name, options, read_weights(path, ema=card.ema), path, card)


def recognises(tensors: Tensors) -> bool:
    """Return whether these weights are of an autoencoder that `open_file` knows by its keys."""
    return _is_taesd(tensors) or _is_kl(tensors)


def open_file(path: Path, weights: Weights, card: Card) -> Source:
    """Open a single file of weights, the network of which is known by its keys.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    weights : Weights
        What it holds.
    card : Card
        May name the decoder's file; that of TAESD is found by its name.

    Returns
    -------
    Source
        The autoencoder.

    Raises
    ------
    InputError
        When the other half of TAESD is missing, or the weights do not fit.
    """
    if _is_taesd(weights.tensors):
        return _open_taesd(path, weights, card)
    tensors = _without_prefix(weights.tensors)
    name, options = _options_of(tensors)
    if "encoder.down.0.block.0.conv1.weight" in tensors:
        tensors = _renamed(tensors, options)
    return _filled(name, options, weights._replace(tensors=dict(tensors)), path, card)


def _renamed(tensors: Tensors, options: Mapping[str, Any]) -> Tensors:
    """Give the weights of a latent diffusion model the names of diffusers."""
    _import()
    from diffusers.loaders import single_file_utils

    # diffusers knows neither attention within the levels nor a codebook.
    attention = [name for name in tensors if _ATTENTION_OF_LEVEL.match(name)]
    rest = {name: value for name, value in tensors.items() if name not in set(attention)}
    found: dict[str, Tensor] = single_file_utils.convert_ldm_vae_checkpoint(rest, options)  # type: ignore[no-untyped-call]
    levels = len(options["block_out_channels"])
    for level in range(levels):
        for old, new in (
            (f"encoder.down.{level}.attn", f"encoder.down_blocks.{level}.attentions"),
            (f"decoder.up.{level}.attn", f"decoder.up_blocks.{levels - 1 - level}.attentions"),
        ):
            own = [name for name in attention if name.startswith(f"{old}.")]
            single_file_utils.update_vae_attentions_ldm_to_diffusers(  # type: ignore[no-untyped-call]
                own, found, tensors, mapping={"old": old, "new": new}
            )
    return {**found, **{name: value for name, value in rest.items() if name == _CODEBOOK}}


def _filled(
    name: str, options: Mapping[str, Any], weights: Weights, path: Path, card: Card
) -> Source:
    """Build one of diffusers' classes and fill in the weights."""
    net = _build(name, options)
    renamed = dict(weights.tensors)
    net._fix_state_dict_keys_on_load(renamed)  # the names of attention before diffusers 0.18
    weights = weights._replace(tensors=renamed)
    fit = fit_weights(net, weights, strict=card.strict, prefix=card.prefix, path=path)
    known = Card(name=name, preprocessing=_IN_MINUS_ONE_TO_ONE)
    return Source("diffusers", net, known, weights.files, facts={"class": name, **fit.facts()})


def _build(name: str, options: Mapping[str, Any]) -> Any:
    diffusers = _import()
    found = getattr(diffusers, name, None)
    if not (isinstance(found, type) and issubclass(found, diffusers.ModelMixin)):
        raise InputError(
            f"diffusers class {name!r} is unknown to diffusers {diffusers.__version__}; expected "
            "an autoencoder such as AutoencoderKL, or install a newer diffusers"
        )
    if not (hasattr(found, "encode") and hasattr(found, "decode")):
        raise InputError(
            f"diffusers class {name!r} is unknown as an autoencoder, having no encode and decode; "
            "give the folder of a vae, or open the network by its code (--model)"
        )
    try:
        net: nn.Module = found.from_config(dict(options))  # type: ignore[attr-defined] # of diffusers
    except Exception as error:  # a configuration is anybody's text
        raise InputError(
            f"{_CONFIG} describes no {name} that diffusers {diffusers.__version__} can build: "
            f"{reason_of(error)}"
        ) from error
    return net


def _import() -> Any:
    try:
        import diffusers
    except ImportError:
        raise InputError(
            "this checkpoint is an autoencoder of diffusers, which is not installed; "
            "python -m pip install 'latentgeo[diffusers]'"
        ) from None
    return diffusers


def _find_weights(folder: Path) -> Path:
    files = [path for path in folder.iterdir() if path.name.startswith(_STEM)]
    for suffix in (".safetensors", ".bin", ".safetensors.index.json", ".bin.index.json"):
        plain = folder / f"{_STEM}{suffix}"
        if plain in files:
            return plain
    if len(files) == 1:
        return files[0]
    raise InputError(
        f"folder {str(folder)!r} holds {sorted(path.name for path in files) or 'no weights'}; "
        f"expected {_STEM}.safetensors, or name one (weights=…, --weights)"
    )


def _is_taesd(tensors: Tensors) -> bool:
    return _is_half(tensors, "encoder") or _is_half(tensors, "decoder")


def _is_half(tensors: Tensors, half: str) -> bool:
    """Return TAESD's halves by their first convolution, after which come blocks of three."""
    first, block = {
        "encoder": ("0.weight", "1.conv.0.weight"),
        "decoder": ("1.weight", "3.conv.0.weight"),
    }[half]
    blocks = (tensors[name] for name in (first, block) if name in tensors)
    return [tensor.ndim for tensor in blocks] == [4, 4] and (
        (half == "encoder") == ("0.weight" in tensors)
    )


def _open_taesd(path: Path, weights: Weights, card: Card) -> Source:
    encoder_path, decoder_path = _halves_of_taesd(path, weights, card)
    encoder = weights if encoder_path == path else read_weights(encoder_path)
    decoder = weights if decoder_path == path else read_weights(decoder_path)
    for half, found, where in (
        ("encoder", encoder, encoder_path),
        ("decoder", decoder, decoder_path),
    ):
        if not _is_half(found.tensors, half):
            raise InputError(f"{str(where)!r} does not hold TAESD's {half}; name the other file")
    joined = {
        **{f"encoder.layers.{name}": tensor for name, tensor in encoder.tensors.items()},
        **{_in_tiny_decoder(name): tensor for name, tensor in decoder.tensors.items()},
    }
    channels = decoder.tensors["1.weight"].shape[1]
    source = _filled(
        "AutoencoderTiny",
        {"latent_channels": channels},
        weights._replace(tensors=joined),
        path,
        card,
    )
    named = source.card.updated(Card(name=encoder_path.name.split("_encoder")[0]))
    return Source(source.kind, source.net, named, (encoder_path, decoder_path), facts=source.facts)


def _halves_of_taesd(path: Path, weights: Weights, card: Card) -> tuple[Path, Path]:
    if card.decoder is not None:
        return path, path.parent / card.decoder
    own = "encoder" if _is_half(weights.tensors, "encoder") else "decoder"
    other = "decoder" if own == "encoder" else "encoder"
    sibling = path.with_name(path.name.replace(own, other))
    if sibling == path or not sibling.is_file():
        raise InputError(
            f"{str(path)!r} holds TAESD's {own} alone, and {sibling.name!r} is not beside it; "
            "give the encoder's file, and name the decoder's (decoder=…, --decoder)"
        )
    return (path, sibling) if own == "encoder" else (sibling, path)


def _in_tiny_decoder(name: str) -> str:
    # TAESD's own first layer is its clamp, which diffusers does outside of its layers.
    place, _, rest = name.partition(".")
    return f"decoder.layers.{int(place) - 1}.{rest}" if place.isdigit() else name


def _is_kl(tensors: Tensors) -> bool:
    names = _without_prefix(tensors)
    return "encoder.conv_in.weight" in names and bool(_blocks(names))


def _without_prefix(tensors: Tensors) -> Tensors:
    for prefix in _LDM_PREFIXES:
        own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        if own:
            return own
    return tensors


def _blocks(tensors: Tensors) -> list[list[Tensor]]:
    """Return the first weights of the residual blocks in each level of the encoder."""
    levels: dict[int, dict[int, Tensor]] = {}
    for name, tensor in tensors.items():
        found = re.fullmatch(
            r"encoder\.down(?:_blocks)?\.(\d+)\.(?:block|resnets)\.(\d+)\.conv1\.weight", name
        )
        if found:
            levels.setdefault(int(found[1]), {})[int(found[2])] = tensor
    return [list(levels[level].values()) for level in sorted(levels)]


def _attends(tensors: Tensors, *levels: str) -> str:
    """Return "Attn", as diffusers says it, where a level by one of these names has attention."""
    return "Attn" if any(name.startswith(levels) for name in tensors) else ""


def _options_of(tensors: Tensors) -> tuple[str, dict[str, Any]]:
    """Read class and sizes of an AutoencoderKL or VQModel off its weights."""
    blocks = _blocks(tensors)
    levels = len(blocks)
    options = {
        "in_channels": tensors["encoder.conv_in.weight"].shape[1],
        "out_channels": tensors["decoder.conv_out.weight"].shape[0],
        "latent_channels": tensors["decoder.conv_in.weight"].shape[1],
        "block_out_channels": tuple(level[0].shape[0] for level in blocks),
        "layers_per_block": len(blocks[0]),
        "down_block_types": tuple(
            _attends(tensors, f"encoder.down.{i}.attn.", f"encoder.down_blocks.{i}.attentions.")
            + "DownEncoderBlock2D"
            for i in range(levels)
        ),
        "up_block_types": tuple(
            _attends(
                tensors,
                f"decoder.up.{levels - 1 - i}.attn.",
                f"decoder.up_blocks.{i}.attentions.",
            )
            + "UpDecoderBlock2D"
            for i in range(levels)
        ),
        "mid_block_add_attention": any(_ATTENTION.search(name) for name in tensors),
    }
    if _CODEBOOK in tensors:
        number, length = len(tensors[_CODEBOOK]), tensors[_CODEBOOK].shape[-1]
        return "VQModel", {**options, "num_vq_embeddings": number, "vq_embed_dim": length}
    return "AutoencoderKL", {
        **options,
        "use_quant_conv": "quant_conv.weight" in tensors,
        "use_post_quant_conv": "post_quant_conv.weight" in tensors,
    }
