"""Networks of other frameworks, in ONNX files."""

import json
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
        [helper.make_tensor_value_info(n, kinds.get(n, TensorProto.FLOAT), s) for n, s in outputs],
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


HALVES = {"float16": TensorProto.FLOAT16, "float32": TensorProto.FLOAT}


@pytest.mark.parametrize("dtype", HALVES)
def test_the_precision_that_made_the_latent_is_recorded(tmp_path, dtype):
    ends = HALVES[dtype]
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["z"]),
    ]
    weight = WEIGHT.astype(dtype)
    made = model(nodes, [("x", ["n", *SHAPE])], [("z", ["n", 5])], [("w", weight)], x=ends, z=ends)
    onnx.save(made, tmp_path / "encoder.onnx")
    nodes = [
        helper.make_node("MatMul", ["z", "w"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["x"]),
    ]
    weights = [("w", WEIGHT.T.astype(dtype)), ("shape", np.array([-1, *SHAPE]))]
    made = model(nodes, [("z", ["n", 5])], [("x", ["n", *SHAPE])], weights, x=ends, z=ends)
    onnx.save(made, tmp_path / "decoder.onnx")
    net = load(tmp_path, image_shape=SHAPE)
    found = encode(net, IMAGES)
    assert found.attrs["source_dtype"] == net.provenance["dtype"] == dtype
    assert found["mean"].dtype == np.float32
    half = PIXELS.reshape(7, -1).astype(dtype) @ weight
    np.testing.assert_allclose(found["mean"].values[0, :, :, 0, 0], half, rtol=1e-2, atol=1e-2)
    assert net.decode(net.encode(torch.from_numpy(PIXELS))).dtype == torch.float32


def of_three_outputs(tmp_path, *names):
    nodes = [
        helper.make_node("Flatten", ["x"], [names[1]]),
        helper.make_node("Neg", [names[1]], [names[2]]),
        helper.make_node("Add", [names[1], names[2]], [names[0]]),
    ]
    outputs = [(name, ["n", 24]) for name in names]
    onnx.save(model(nodes, [("x", ["n", *SHAPE])], outputs), tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


def test_an_output_is_the_latent_that_is_named(tmp_path, run_cli):
    path = of_three_outputs(tmp_path, "drawn", "code", "turned")
    for name, sign in (("code", 1), ("turned", -1)):
        with pytest.warns(UserWarning, match="have the shape of its images"):
            net = load(path, image_shape=SHAPE, encode=name)
        np.testing.assert_allclose(
            net.encode(torch.from_numpy(PIXELS))[..., 0, 0], sign * PIXELS.reshape(7, -1)
        )
        assert (net.identity["encode"], net.provenance["outputs"]) == (name, [name])
    with pytest.raises(InputError, match="has no output 'nix'; expected one of drawn, code, turn"):
        load(path, image_shape=SHAPE, encode="nix")
    with pytest.raises(InputError, match="shows no layers within"):
        load(path, image_shape=SHAPE, layers=("code",))
    code, said, _ = run_cli("info", path, "--encode", "code", "--image-shape", "1,4,6", "--json")
    assert (code, json.loads(said)["latent_shape"]) == (0, [24, 1, 1])


@pytest.mark.filterwarnings("ignore:.* have the shape of its images")
def test_mean_and_spread_are_known_by_their_names_or_their_places(tmp_path):
    named = load(of_three_outputs(tmp_path, "z", "mu", "logvar"), image_shape=SHAPE)
    path = of_three_outputs(tmp_path, "12", "13", "14")
    placed = load(path, image_shape=SHAPE, posterior={"items": ("1", "2")})
    for net in (named, placed):
        assert net.stochastic
        np.testing.assert_allclose(
            net.encode(torch.from_numpy(PIXELS))[..., 0, 0], PIXELS.reshape(7, -1)
        )


def test_further_inputs_are_arguments(tmp_path):
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Mul", ["flat", "by"], ["s"]),
        helper.make_node("MatMul", ["s", "w"], ["z"]),
    ]
    inputs = [("by", []), ("x", ["n", *SHAPE])]
    onnx.save(model(nodes, inputs, [("z", ["n", 5])], [("w", WEIGHT)]), tmp_path / "net.onnx")
    net = load(tmp_path, image_shape=SHAPE, encode_arguments={"by": 2})
    expected = 2 * PIXELS.reshape(7, -1) @ WEIGHT
    np.testing.assert_allclose(net.encode(torch.from_numpy(PIXELS))[..., 0, 0], expected, rtol=1e-5)
    for given in ({}, {"by": 1, "more": 2}, {"x": 1}):
        with pytest.raises(InputError, match=r"has 2 inputs \(by .*as arguments"):
            load(tmp_path, image_shape=SHAPE, encode_arguments=given)


@pytest.mark.parametrize(
    ("taken", "shape", "form"),
    [
        ([16, 1], (1, 1, 16), "signals"),
        ([1, 16], (1, 1, 16), "signals"),
        ([8, 4, 6, 3], (24, 4, 6), "volumes of 3 channels"),
        ([3, 8, 4, 6], (24, 4, 6), "volumes of 3 channels"),
        ([1, 8, 4, 6], (8, 4, 6), "volumes"),
    ],
    ids=str,
)
def test_signals_and_volumes_with_channels_first_or_last(tmp_path, taken, shape, form):
    last = taken[-1] in (1, 3) and taken[0] not in (1, 3)
    axes = list(range(1, len(taken))) if last else list(range(2, len(taken) + 1))
    nodes = [helper.make_node("ReduceMean", ["x"], ["z"], axes=axes, keepdims=0)]
    made = model(nodes, [("x", ["n", *taken])], [("z", ["n", taken[-1] if last else taken[0]])])
    onnx.save(made, tmp_path / "net.onnx")
    net = load(tmp_path, image_shape=shape)
    images = torch.rand(3, *shape)
    channels = net.latent_shape[0]
    assert net.provenance["input_form"] == form
    torch.testing.assert_close(
        net.encode(images)[..., 0, 0], images.reshape(3, channels, -1).mean(-1)
    )


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
