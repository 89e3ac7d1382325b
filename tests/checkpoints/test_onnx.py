"""Networks of other frameworks, in ONNX files."""

import os

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from latentgeo import InputError, encode, load
from latentgeo.checkpoints import info
from latentgeo.datasets import ImageDataset

SHAPE = (1, 4, 6)
PIXELS = np.random.default_rng(0).random((7, *SHAPE), dtype=np.float32)
IMAGES = ImageDataset.from_array(PIXELS)
WEIGHT = np.random.default_rng(1).normal(size=(24, 5)).astype(np.float32)


def model(nodes, inputs, outputs, weights=(), **kinds):
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(n, kinds.get(n, TensorProto.FLOAT), s) for n, s in inputs],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs],
        [numpy_helper.from_array(value, name) for name, value in weights],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 9
    return made


def flat_encoder(batch="n", weight=WEIGHT):
    """Vectors from images (n, C, H, W)."""
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["z"]),
    ]
    return model(nodes, [("x", [batch, *SHAPE])], [("z", [batch, 5])], [("w", weight)])


def flat_decoder():
    nodes = [
        helper.make_node("MatMul", ["z", "w"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["x"]),
    ]
    weights = [("w", WEIGHT.T.copy()), ("shape", np.array([-1, *SHAPE]))]
    return model(nodes, [("z", ["n", 5])], [("x", ["n", *SHAPE])], weights)


@pytest.fixture
def pair(tmp_path):
    onnx.save(flat_encoder(), tmp_path / "encoder.onnx")
    onnx.save(flat_decoder(), tmp_path / "decoder.onnx")
    return tmp_path


def test_an_encoder_is_run_with_the_decoder_beside_it(pair):
    for place in (pair, pair / "encoder.onnx"):
        net = load(place, image_shape=SHAPE)
        found = encode(net, IMAGES)
        expected = PIXELS.reshape(7, -1) @ WEIGHT
        np.testing.assert_allclose(found["mean"].values[0, :, :, 0, 0], expected, rtol=1e-5)
        decoded = net.decode(torch.from_numpy(expected)[..., None, None]).numpy()
        again = (expected @ WEIGHT.T).clip(0, 1).reshape(decoded.shape)
        np.testing.assert_allclose(decoded, again, atol=1e-5)
    assert set(net.provenance["files_sha256"]) == {"encoder.onnx", "decoder.onnx"}
    assert info(pair, image_shape=SHAPE)["kind"] == "onnx"


def test_without_a_decoder_the_latents_are_there(pair):
    assert not load(pair / "encoder.onnx", image_shape=SHAPE, decode="none").decodes
    (pair / "decoder.onnx").rename(pair / "other.onnx")
    assert not load(pair / "encoder.onnx", image_shape=SHAPE).decodes
    assert load(pair / "encoder.onnx", image_shape=SHAPE, decoder="other.onnx").decodes
    with pytest.raises(InputError, match="does not exist; correct --decoder"):
        load(pair / "encoder.onnx", image_shape=SHAPE, decoder="none.onnx")


def test_a_fixed_number_of_images_is_taken_batch_by_batch(tmp_path):
    onnx.save(flat_encoder(batch=3), tmp_path / "net.onnx")
    found = encode(load(tmp_path, image_shape=SHAPE), IMAGES)["mean"].values
    np.testing.assert_allclose(found[0, :, :, 0, 0], PIXELS.reshape(7, -1) @ WEIGHT, rtol=1e-5)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.UINT8])
def test_channels_that_come_last_and_other_numbers(tmp_path, kind):
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Tile", ["f", "times"], ["z"]),
    ]
    shape = ["n", 4, 6, 1]
    encoder = model(
        nodes, [("x", shape)], [("z", ["n", 4, 6, 2])], [("times", np.array([1, 1, 1, 2]))], x=kind
    )
    nodes = [helper.make_node("ReduceMean", ["z"], ["x"], axes=[3], keepdims=1)]
    onnx.save(encoder, tmp_path / "encoder.onnx")
    onnx.save(model(nodes, [("z", ["n", 4, 6, 2])], [("x", shape)]), tmp_path / "decoder.onnx")
    preprocessing = {"range": (0, 255)} if kind == TensorProto.UINT8 else {}
    net = load(tmp_path, image_shape=SHAPE, preprocessing=preprocessing)
    assert net.latent_shape == (2, 4, 6)
    images = torch.from_numpy(PIXELS)
    np.testing.assert_allclose(net.decode(net.encode(images)), images, atol=1 / 255)
    assert net.provenance["channels_last"] == [True, True]


def test_mean_and_spread_are_found_among_the_outputs(tmp_path):
    nodes = [
        helper.make_node("Flatten", ["x"], ["mean"]),
        helper.make_node("Neg", ["mean"], ["spread"]),
        helper.make_node("Add", ["mean", "spread"], ["drawn"]),
    ]
    outputs = [(name, ["n", 24]) for name in ("drawn", "mean", "spread")]
    onnx.save(model(nodes, [("x", ["n", *SHAPE])], outputs), tmp_path / "net.onnx")
    net = load(tmp_path / "net.onnx", image_shape=SHAPE, posterior={"items": (1, 2)})
    assert net.stochastic
    np.testing.assert_allclose(
        net.encode(torch.from_numpy(PIXELS))[..., 0, 0], PIXELS.reshape(7, -1)
    )
    assert net.provenance["outputs"] == ["drawn", "mean", "spread"]


def external(path, name):
    """Save a model whose numbers lie in another file."""
    made = flat_encoder()
    tensor = made.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    content = tensor.raw_data
    tensor.ClearField("raw_data")
    for key, value in (("location", name), ("offset", "0"), ("length", str(len(content)))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    path.write_bytes(made.SerializeToString())
    return content


def test_numbers_beside_the_file_are_read_and_hashed(tmp_path):
    (tmp_path / "net.onnx.data").write_bytes(external(tmp_path / "net.onnx", "net.onnx.data"))
    net = load(tmp_path, image_shape=SHAPE)
    expected = PIXELS.reshape(7, -1) @ WEIGHT
    np.testing.assert_allclose(net.encode(torch.from_numpy(PIXELS))[..., 0, 0], expected, rtol=1e-5)
    before = net.weights_sha256()
    (tmp_path / "net.onnx.data").write_bytes((2 * WEIGHT).tobytes())
    assert load(tmp_path, image_shape=SHAPE).weights_sha256() != before


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "link", "sub/../../secret"])
def test_no_file_beyond_the_folder_is_read(tmp_path, name):
    folder = tmp_path / "model"
    folder.mkdir()
    content = external(folder / "net.onnx", name)
    (tmp_path / "secret").write_bytes(content)
    (folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="cannot be run by onnxruntime") as error:
        load(folder / "net.onnx", image_shape=SHAPE)
    assert "\n" not in str(error.value)


def test_an_encoding_of_another_network_or_preprocessing_is_another(pair, tmp_path):
    out = tmp_path / "encoded"
    encode(load(pair, image_shape=SHAPE), IMAGES, out=out)
    encode(load(pair, image_shape=SHAPE), IMAGES, out=out)  # goes on with what is there
    with pytest.raises(InputError, match="preprocessing is"):
        encode(load(pair, image_shape=SHAPE, preprocessing={"range": (-1, 1)}), IMAGES, out=out)
    onnx.save(flat_encoder(weight=2 * WEIGHT), pair / "encoder.onnx")
    with pytest.raises(InputError, match="weights_sha256 is"):
        encode(load(pair, image_shape=SHAPE), IMAGES, out=out)


@pytest.mark.parametrize("content", [b"", b"text", b"\x08\x07\x12\x00", os.urandom(200)])
def test_a_broken_file_is_one_line(tmp_path, content, run_cli):
    (tmp_path / "net.onnx").write_bytes(content)
    code, _, said = run_cli("info", tmp_path / "net.onnx", "--image-shape", "1,4,6")
    assert (code, len(said.strip().splitlines())) == (2, 1)
    assert "cannot be run by onnxruntime" in said


def test_what_does_not_fit_is_one_line(tmp_path):
    two = model(
        [helper.make_node("Add", ["x", "y"], ["z"])],
        [("x", ["n", *SHAPE]), ("y", ["n", *SHAPE])],
        [("z", ["n", *SHAPE])],
    )
    onnx.save(two, tmp_path / "two.onnx")
    with pytest.raises(InputError, match=r"has 2 inputs \(x .*, y .*expected one"):
        load(tmp_path, image_shape=SHAPE)
    onnx.save(flat_encoder(), tmp_path / "one.onnx")
    with pytest.raises(InputError, match=r"does not take a tensor of shape \(2, 3, 8, 8\)"):
        load(tmp_path / "one.onnx", image_shape=(3, 8, 8))
    with pytest.raises(
        InputError, match=r"holds one\.onnx, two\.onnx; give the file of the encoder"
    ):
        load(tmp_path, image_shape=SHAPE)


def test_without_the_package_a_line_says_what_to_install(pair, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"pip install 'latentgeo\[onnx\]'"):
        load(pair, image_shape=SHAPE)
