"""Weights that are split into several files, and files of other frameworks."""

import json
import warnings
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.distributed import checkpoint
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

from latentgeo.checkpoints import open_checkpoint
from latentgeo.checkpoints.weights import read_weights
from latentgeo.errors import InputError

from .hostile import Payload
from .nets import Small, small

SHAPE = (3, 8, 8)
IMAGES = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))


def split(folder, kind, stem="model", **changes):
    """Write the weights of `small` into three files with an index, as transformers does."""
    state = small().state_dict()
    names = list(state)
    suffix = {"safetensors": "safetensors", "bin": "bin"}[kind]
    mapped = {}
    for number in range(3):
        file = f"{stem}-{number + 1:05d}-of-00003.{suffix}"
        part = {name: state[name].contiguous() for name in names[number::3]}
        mapped |= dict.fromkeys(part, file)
        (save_file if kind == "safetensors" else torch.save)(part, folder / file)
    index = folder / f"{stem}.{suffix}.index.json"
    content = {"metadata": {"total_size": 1}, "weight_map": {**mapped, **changes}}
    index.write_text(json.dumps(content), encoding="utf-8")
    return index


def _check(model):
    with torch.inference_mode():
        assert torch.equal(model.encode(IMAGES), small().encode(IMAGES))


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
@pytest.mark.parametrize("whole", [True, False], ids=["folder", "index"])
def test_weights_in_several_files(kind, whole, tmp_path):
    index = split(tmp_path, kind)
    path = tmp_path if whole else index
    model = open_checkpoint(path, model=Small, image_shape=SHAPE)
    _check(model)
    assert len(model.provenance["files_sha256"]) == 4
    assert f"joined 3 files of {index.name!r}" in model.provenance["weights"]


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_diffusers_folders_in_several_files(suffix, tmp_path):
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    net = diffusers.AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    ).eval()
    net.save_pretrained(tmp_path, max_shard_size="4KB", safe_serialization=suffix == "safetensors")
    assert (tmp_path / f"diffusion_pytorch_model.{suffix}.index.json").is_file()
    model = open_checkpoint(tmp_path, image_shape=(3, 16, 16))
    images = torch.rand(2, 3, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(model.encode(images), net.encode(2 * images - 1).latents)


@pytest.mark.parametrize("name", ["../evil.bin", "/etc/passwd", "a/b.bin", "", ".", "..", 3, None])
def test_names_in_an_index_are_no_paths(name, tmp_path):
    index = split(tmp_path, "bin", extra=name)
    with pytest.raises(InputError, match="which is no name of a file beside it"):
        read_weights(index)


def test_an_index_that_lists_itself_is_refused(tmp_path):
    with pytest.raises(InputError, match="another index"):
        read_weights(split(tmp_path, "bin", extra="model.bin.index.json"))


def test_an_index_and_its_files_have_to_agree(tmp_path):
    index = split(tmp_path, "safetensors", extra="model-00001-of-00003.safetensors")
    with pytest.raises(InputError, match="does not hold the tensors that"):
        read_weights(index)
    index = split(tmp_path, "safetensors", extra="gone.safetensors")
    with pytest.raises(InputError, match=r"gone\.safetensors.* does not exist"):
        read_weights(index)
    with pytest.raises(InputError, match="expected at most 100"):
        read_weights(split(tmp_path, "safetensors"), max_bytes=100)


@pytest.mark.parametrize(
    "content", ["", "[]", "{", "{}", '{"weight_map": 3}', '{"weight_map": {}}', "[" * 100_000]
)
def test_what_is_no_index_is_refused(content, tmp_path):
    path = tmp_path / "model.bin.index.json"
    path.write_text(content or " ", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_weights(path)
    assert "\n" not in str(caught.value)


def test_a_payload_in_one_of_the_files_does_not_run(tmp_path):
    index = split(tmp_path, "bin")
    torch.save({"a": Payload(tmp_path / "ran")}, tmp_path / "model-00002-of-00003.bin")
    with pytest.raises(InputError, match="nothing of it was run"):
        read_weights(index)
    assert not (tmp_path / "ran").exists()


# Files of other frameworks


def _keras(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", b"\x89HDF\r\n\x1a\n")


WRITERS = {
    "model.keras": _keras,
    "model.h5": lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100)),
    "onnx.bin": lambda path: path.write_bytes(b"\x08\x09\x12\x07pytorch\x1a\x03" + bytes(90)),
    "saved_model.pb": lambda path: path.write_bytes(b"\x08\x01\x12\xe5\x9c\x02" + bytes(90)),
    "model.tflite": lambda path: path.write_bytes(b" \x00\x00\x00TFL3" + bytes(90)),
    "z.npy": lambda path: np.save(path, np.ones(3)),
    "w.npz": lambda path: np.savez(path, **{"encoder.0.weight": np.ones(3)}),
    "flax.msgpack": lambda path: path.write_bytes(b"\x82\xa6params\x81\xa7Dense_0\x82" + bytes(90)),
    "pointer.safetensors": lambda path: path.write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", encoding="utf-8"
    ),
    "README.md": lambda path: path.write_text("# A naïve model\n" * 200, encoding="utf-8"),
}


@pytest.mark.parametrize(
    ("name", "words", "way_out"),
    [
        ("model.keras", "a .keras archive", "format='onnx'"),
        ("model.h5", "an HDF5 file", "format='onnx'"),
        ("onnx.bin", "an ONNX model", "rename it to end in .onnx"),
        ("z.npy", "a NumPy array", "latents are analysed without --data"),
        ("w.npz", "a NumPy archive", "safetensors.numpy.save_file"),
        ("flax.msgpack", "msgpack, as Flax writes it", "jax2onnx"),
        ("saved_model.pb", "the graph of a SavedModel", "give the folder that holds it"),
        ("model.tflite", "a model of TensorFlow Lite", "export the network to ONNX"),
        ("pointer.safetensors", "a Git LFS pointer", "git lfs pull"),
        ("README.md", "text (it begins '# A naïve model", "name the file that holds the weights"),
    ],
)
@pytest.mark.parametrize("model", [None, Small], ids=["alone", "with a model"])
def test_a_file_says_what_it_is_and_what_to_do(name, words, way_out, model, tmp_path):
    WRITERS[name](tmp_path / name)
    with pytest.raises(InputError) as caught:
        open_checkpoint(tmp_path / name, model=model, image_shape=SHAPE)
    message = str(caught.value)
    assert words in message
    assert way_out in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("saved_model.pb", "SavedModel of TensorFlow.*tf2onnx"),
        ("checkpoint", "checkpoint of TensorFlow.*restore it.*tf2onnx"),
        ("_METADATA", "orbax.*ONNX"),
        (".metadata", "torch.distributed in pieces.*dcp_to_torch FOLDER"),
        ("__0_0.distcp", "torch.distributed in pieces.*dcp_to_torch FOLDER"),
        ("zero_to_fp32.py", "DeepSpeed in pieces.*zero_to_fp32.py FOLDER"),
    ],
)
def test_folders_of_other_frameworks_say_so(name, words, tmp_path):
    (tmp_path / name).write_bytes(b"\x08\x01")
    with pytest.raises(InputError, match=words):
        open_checkpoint(tmp_path, image_shape=SHAPE)


def test_pieces_of_training_in_parallel_are_joined_as_the_message_says(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checkpoint.save({"model": small().state_dict()}, checkpoint_id=tmp_path / "pieces")
    with pytest.raises(InputError, match="in pieces"):
        open_checkpoint(tmp_path / "pieces", model=Small, image_shape=SHAPE)
    dcp_to_torch_save(tmp_path / "pieces", tmp_path / "model.pt")
    _check(open_checkpoint(tmp_path / "model.pt", model=Small, image_shape=SHAPE))


@pytest.mark.parametrize("folder", ["checkpoints", "version_0/checkpoints", "checkpoint"])
def test_weights_in_folders_below_are_named(folder, tmp_path):
    (tmp_path / folder).mkdir(parents=True)
    torch.save(small().state_dict(), tmp_path / folder / "last.ckpt")
    with pytest.raises(InputError, match=f"below it lie {folder}/last.ckpt; give one of them"):
        open_checkpoint(tmp_path, model=Small, image_shape=SHAPE)
