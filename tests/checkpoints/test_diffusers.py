"""Autoencoders of diffusers, saved by diffusers itself."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from latentgeo.checkpoints import open_checkpoint
from latentgeo.errors import InputError

diffusers = pytest.importorskip("diffusers")

SHAPE = (3, 16, 16)
IMAGES = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))
BLOCKS = {"block_out_channels": (8, 16), "norm_num_groups": 4, "layers_per_block": 1}


def _kl():
    torch.manual_seed(0)
    return diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        **BLOCKS,
    )


def _vq():
    torch.manual_seed(0)
    return diffusers.VQModel(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=3,
        num_vq_embeddings=16,
        **BLOCKS,
    )


def _tiny():
    torch.manual_seed(0)
    return diffusers.AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    )


def _latents(net, images):
    output = net.encode(images)
    return output.latent_dist.mean if hasattr(output, "latent_dist") else output.latents


@pytest.mark.parametrize("make", [_kl, _vq, _tiny])
@pytest.mark.parametrize("safe", [True, False], ids=["safetensors", "bin"])
def test_a_folder(make, safe, tmp_path):
    net = make().eval()
    net.save_pretrained(tmp_path, safe_serialization=safe)
    model = open_checkpoint(tmp_path, image_shape=SHAPE)
    assert model.stochastic is (make is _kl)
    with torch.inference_mode():
        expected = _latents(net, 2 * IMAGES - 1)
        torch.testing.assert_close(model.encode(IMAGES), expected)
        decoded = (net.decode(expected).sample / 2 + 0.5).clamp(0, 1)
        torch.testing.assert_close(model.decode(expected), decoded)
    assert model.provenance["class"] == type(net).__name__


def _asymmetric():
    torch.manual_seed(0)
    return diffusers.AsymmetricAutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        down_block_out_channels=(8, 16),
        up_block_out_channels=(8, 16),
        norm_num_groups=4,
    )


def _dc():
    torch.manual_seed(0)
    return diffusers.AutoencoderDC(
        encoder_block_types=("ResBlock",) * 2,
        decoder_block_types=("ResBlock",) * 2,
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        latent_channels=4,
        encoder_qkv_multiscales=((), ()),
        decoder_qkv_multiscales=((), ()),
    )


@pytest.mark.parametrize("make", [_asymmetric, _dc])
def test_other_classes_that_encode_and_decode(make, tmp_path):
    net = make().eval()
    net.save_pretrained(tmp_path)
    model = open_checkpoint(tmp_path, image_shape=SHAPE)
    with torch.inference_mode():
        output = net.encode(2 * IMAGES - 1)
        expected = output.latent_dist.mean if make is _asymmetric else output.latent
        torch.testing.assert_close(model.encode(IMAGES), expected)
        decoded = (net.decode(expected).sample / 2 + 0.5).clamp(0, 1)
        torch.testing.assert_close(model.decode(expected), decoded)


def _with_old_attention(state):
    """Return weights under the names of attention that diffusers wrote before 0.18."""
    swaps = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = {}
    for name, tensor in state.items():
        if ".attentions.0." in name:
            for new, old in swaps.items():
                name = name.replace(f".{new}.", f".{old}.")
        renamed[name] = tensor.contiguous()
    return renamed


@pytest.mark.parametrize("safe", [True, False], ids=["safetensors", "bin"])
def test_old_names_of_attention(safe, tmp_path):
    net = _kl().eval()
    net.save_pretrained(tmp_path, safe_serialization=safe)
    old = _with_old_attention(net.state_dict())
    assert any(".proj_attn." in name for name in old)
    if safe:
        save_file(old, tmp_path / "diffusion_pytorch_model.safetensors")
    else:
        torch.save(old, tmp_path / "diffusion_pytorch_model.bin")
    model = open_checkpoint(tmp_path, image_shape=SHAPE)
    with torch.inference_mode():
        expected = diffusers.AutoencoderKL.from_pretrained(tmp_path)
        torch.testing.assert_close(model.encode(IMAGES), _latents(expected, 2 * IMAGES - 1))
        torch.testing.assert_close(model.encode(IMAGES), _latents(net, 2 * IMAGES - 1))


@pytest.mark.parametrize("name", ["utils", "DDPMPipeline", "__name__", "ModelMixin"])
def test_names_that_are_no_autoencoder_are_refused(name, tmp_path):
    _tiny().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config["_class_name"] = name
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(InputError, match=f"diffusers class '{name}' is unknown"):
        open_checkpoint(tmp_path, image_shape=SHAPE)


def test_the_vae_of_a_pipeline(tmp_path):
    net = _kl().eval()
    net.save_pretrained(tmp_path / "vae")
    model = open_checkpoint(tmp_path, image_shape=SHAPE)
    with torch.inference_mode():
        torch.testing.assert_close(model.encode(IMAGES), _latents(net, 2 * IMAGES - 1))
        spread = net.encode(2 * IMAGES - 1).latent_dist.logvar
        torch.testing.assert_close(model.posterior(IMAGES).log_variance, spread)


def _as_ldm(state):
    """Return an AutoencoderKL's weights under the names of the first latent diffusion models."""
    levels = 2
    swaps = []
    for level in range(levels):
        swaps += [
            (f"encoder.down_blocks.{level}.resnets.", f"encoder.down.{level}.block."),
            (f"encoder.down_blocks.{level}.downsamplers.0.", f"encoder.down.{level}.downsample."),
            (f"decoder.up_blocks.{level}.resnets.", f"decoder.up.{levels - 1 - level}.block."),
            (
                f"decoder.up_blocks.{level}.upsamplers.0.",
                f"decoder.up.{levels - 1 - level}.upsample.",
            ),
            (f"encoder.down_blocks.{level}.attentions.", f"encoder.down.{level}.attn."),
            (f"decoder.up_blocks.{level}.attentions.", f"decoder.up.{levels - 1 - level}.attn."),
        ]
    swaps += [
        ("mid_block.resnets.0.", "mid.block_1."),
        ("mid_block.resnets.1.", "mid.block_2."),
        ("mid_block.attentions.0.", "mid.attn_1."),
        (".group_norm.", ".norm."),
        (".to_q.", ".q."),
        (".to_k.", ".k."),
        (".to_v.", ".v."),
        (".to_out.0.", ".proj_out."),
        ("conv_norm_out.", "norm_out."),
        ("conv_shortcut.", "nin_shortcut."),
    ]
    renamed = {}
    for name, tensor in state.items():
        for new, old in swaps:
            name = name.replace(new, old)
        is_attention = ".attn" in name and name.endswith(".weight") and ".norm." not in name
        renamed[name] = tensor[:, :, None, None].clone() if is_attention else tensor
    return renamed


@pytest.mark.parametrize(
    ("kind", "attention", "prefix"),
    [
        ("AutoencoderKL", "", None),
        ("AutoencoderKL", "", ""),
        ("AutoencoderKL", "Attn", "vae."),
        ("AutoencoderKL", "Attn", None),
        ("VQModel", "", "first_stage_model."),
        ("VQModel", "Attn", ""),
    ],
)
def test_a_single_file_is_known_by_its_keys(kind, attention, prefix, tmp_path):
    # 32 groups cannot be read off the weights, and are what every published one has.
    torch.manual_seed(0)
    codebook = {"num_vq_embeddings": 9, "vq_embed_dim": 4} if kind == "VQModel" else {}
    net = getattr(diffusers, kind)(
        down_block_types=("DownEncoderBlock2D", f"{attention}DownEncoderBlock2D"),
        up_block_types=(f"{attention}UpDecoderBlock2D", "UpDecoderBlock2D"),
        block_out_channels=(32, 64),
        layers_per_block=1,
        latent_channels=4,
        **codebook,
    ).eval()
    state = net.state_dict()
    if prefix is not None:
        state = {f"{prefix}{name}": tensor for name, tensor in _as_ldm(state).items()}
        state[f"{prefix}loss.logvar"] = torch.zeros(())  # of its training
    save_file(
        {name: tensor.contiguous() for name, tensor in state.items()}, tmp_path / "vae.safetensors"
    )
    model = open_checkpoint(tmp_path / "vae.safetensors", image_shape=SHAPE)
    with torch.inference_mode():
        torch.testing.assert_close(model.encode(IMAGES), _latents(net, 2 * IMAGES - 1))


def test_folders_that_cannot_be_opened(tmp_path):
    _tiny().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))

    def refused(message, **changes):
        (tmp_path / "config.json").write_text(json.dumps({**config, **changes}), encoding="utf-8")
        with pytest.raises(InputError, match=message) as caught:
            open_checkpoint(tmp_path, image_shape=SHAPE)
        assert "\n" not in str(caught.value)

    refused("diffusers class 'UNet2DModel' is unknown", _class_name="UNet2DModel")
    refused("describes no AutoencoderTiny that diffusers", num_encoder_blocks=[1])
    refused("weight", latent_channels=7)
    weights = load_file(tmp_path / "diffusion_pytorch_model.safetensors")
    weights["encoder.layers.0.weight"][0] = np.nan
    save_file(weights, tmp_path / "diffusion_pytorch_model.safetensors")
    refused("NaN")


def test_without_diffusers_the_way_out_is_named(tmp_path, monkeypatch):
    _tiny().save_pretrained(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "diffusers", None)
    with pytest.raises(InputError, match=r"pip install 'latentgeo\[diffusers\]'"):
        open_checkpoint(tmp_path, image_shape=SHAPE)
