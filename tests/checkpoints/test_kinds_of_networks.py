"""Networks as they are met: half precision, flat input, load hooks, meta devices, no functions."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import spectral_norm, weight_norm
from torch.nn.utils.parametrizations import weight_norm as parametrized_weight_norm

from latentgeo import analyze, encode, wrap
from latentgeo.checkpoints import caveats, check_round_trip, info, open_checkpoint
from latentgeo.datasets import ImageDataset
from latentgeo.errors import InputError
from latentgeo.geometry import mode_ranks

SHAPE = (1, 8, 8)
RANDOM = np.random.default_rng(0)
PIXELS = torch.rand(40, *SHAPE, generator=torch.Generator().manual_seed(4))
HALF = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)


@pytest.fixture
def images():
    return ImageDataset.from_array(PIXELS.numpy(), name="x")


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.Tanh())
        self.decoder = nn.Sequential(nn.ConvTranspose2d(4, 1, 4, 2, 1), nn.Sigmoid())


def tiny():
    torch.manual_seed(0)
    return Tiny()


def opened(net, **options):
    return open_checkpoint(None, model=net, image_shape=SHAPE, **options)


# Half precision


@HALF
def test_networks_in_half_precision_are_given_images_in_it(dtype, images):
    model = opened(tiny().to(dtype))
    with torch.inference_mode():
        expected = tiny().to(dtype).encoder(PIXELS.to(dtype))
        assert torch.equal(model.encode(PIXELS), expected.float())
        decoded = tiny().to(dtype).decoder(expected)
        assert torch.equal(model.decode(model.encode(PIXELS)), decoded.float())
    name = str(dtype).removeprefix("torch.")
    assert encode(model, images).attrs["source_dtype"] == name
    assert model.provenance["dtype"] == name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an untrained model gives no images back
        found = analyze({"m": model}, data=images, noise=[0, 0.1], samples=20, tsne_seeds=())
    assert found.summary["models"]["m"]["source_dtype"] == name


class Mixed(nn.Module):
    """Normalises in single precision, computes in half."""

    def __init__(self, dtype, cast_back):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.BatchNorm2d(1)
        self.body = nn.Conv2d(1, 8, 3, 1, 1).to(dtype)
        self.dtype, self.cast_back = dtype, cast_back

    def encode(self, images):
        latents = self.body(self.first(images).to(self.dtype))
        return latents.float() if self.cast_back else latents


@HALF
@pytest.mark.parametrize("cast_back", [False, True], ids=["half", "cast back"])
def test_the_dtype_is_that_of_the_arithmetic_that_made_the_latent(dtype, cast_back, images):
    found = encode(opened(Mixed(dtype, cast_back)), images)
    assert found.attrs["source_dtype"] == str(dtype).removeprefix("torch.")


class LowRank(nn.Module):
    """8 channels of 2 patterns: a latent of rank 2, which leaves in half precision."""

    def __init__(self, dtype):
        super().__init__()
        torch.manual_seed(0)
        self.scale = nn.Parameter(torch.ones(1))
        self.mix = nn.Parameter(torch.randn(8, 2))
        self.dtype = dtype

    def encode(self, images):
        two = torch.cat([images, images.flip(-1)], 1) * self.scale
        return torch.einsum("cj,bjhw->bchw", self.mix, two).to(self.dtype)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2], ids=str)
def test_weights_of_eight_bits_are_converted_to_what_the_network_computes_in(dtype, tmp_path):
    state = {name: value.to(dtype) for name, value in tiny().state_dict().items()}
    torch.save(state, tmp_path / "w.pt")
    model = open_checkpoint(tmp_path / "w.pt", model=Tiny, image_shape=SHAPE)
    expected = tiny()
    expected.load_state_dict({name: value.float() for name, value in state.items()})
    with torch.inference_mode():
        assert torch.equal(model.encode(PIXELS), expected.encoder(PIXELS))
    with pytest.raises(InputError, match="make the network in float32, to which weights of 8 bits"):
        opened(tiny().to(dtype))


@HALF
def test_ranks_follow_the_dtype(dtype, images):
    found = encode(opened(LowRank(dtype)), images)
    latents = torch.from_numpy(found["mean"].values[0])
    ranks = mode_ranks(latents, source_dtype=found.attrs["source_dtype"])
    assert torch.equal(ranks, mode_ranks(latents, source_dtype=dtype))
    assert int(ranks[:, 2].max()) <= 2
    assert int(mode_ranks(latents)[:, 2].min()) > 2


def test_a_network_in_double_precision_is_recorded_in_what_its_latents_are_kept_in(images):
    model = opened(tiny().double())
    torch.testing.assert_close(
        model.encode(PIXELS), tiny().double().encoder(PIXELS.double()), rtol=0, atol=0
    )
    assert encode(model, images).attrs["source_dtype"] == "float32"


def test_codes_of_whole_numbers_are_not_taken_for_half_precision(images):
    class Rounds(Tiny):
        def encode(self, images):
            return torch.round(4 * self.encoder(images))

    assert encode(opened(Rounds()), images).attrs["source_dtype"] == "float32"


# Flat input


class Flat(nn.Module):
    """An autoencoder of vectors."""

    def __init__(self, dtype=torch.float32):
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 6)).to(dtype)
        self.decoder = nn.Sequential(nn.Linear(6, 64), nn.Sigmoid()).to(dtype)

    def forward(self, vectors):
        return self.decoder(self.encoder(vectors))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_networks_of_vectors_are_given_flattened_images(dtype, images):
    model = opened(Flat(dtype))
    with torch.inference_mode():
        expected = Flat(dtype)(PIXELS.flatten(1).to(dtype)).reshape(PIXELS.shape)
        assert torch.equal(model.decode(model.encode(PIXELS)), expected.float())
    assert model.latent_shape == (6, 1, 1)
    assert model.identity["input_form"] == "vectors"
    assert model.provenance["input_form"] == "vectors"
    assert check_round_trip(model, images).alternatives_db.keys() == {"[-1, 1]"}


def test_a_flat_network_of_another_size_is_refused_in_the_plainest_words():
    with pytest.raises(InputError, match=r"encoder Flat\.encoder does not take a tensor") as caught:
        open_checkpoint(None, model=Flat(), image_shape=(1, 9, 9))
    assert "colour" not in str(caught.value)


def test_the_hint_at_colour_is_given_where_colour_is_the_matter():
    with pytest.raises(InputError, match="if it takes colour, say grey_to_rgb"):
        opened(nn.ModuleDict({"encoder": nn.Conv2d(3, 4, 3)}))


# Decoders that do not fit


class Skips(Tiny):
    """A U-Net: its decoder wants more than the latent."""

    def decode(self, latents, skips):
        return self.decoder(latents) + skips


def test_a_decoder_that_does_not_fit_can_be_left_out(images):
    with pytest.raises(InputError, match=r"decoder Skips\.decode does not take.*--decode none"):
        opened(Skips())
    model = opened(Skips(), decode="none")
    assert not model.decodes
    assert "psnr" not in encode(model, images)
    grows = nn.ModuleDict({"encoder": nn.Conv2d(1, 2, 3), "decoder": nn.Conv2d(2, 1, 1)})
    with pytest.raises(InputError, match=r"decoder gives.* of ModuleDict\.decoder;.*--decode none"):
        opened(grows)
    assert not opened(grows, decode="none").decodes


def test_encoder_and_decoder_may_lie_in_two_files(tmp_path, monkeypatch):
    (tmp_path / "far").mkdir()
    net = tiny()
    for part, place in (("encoder", "e.pt"), ("decoder", "far/d.pt")):
        state = {f"module.{name}": value for name, value in getattr(net, part).state_dict().items()}
        torch.save(state, tmp_path / place)
    other = Tiny()
    options = {"model": lambda: other, "image_shape": SHAPE}
    model = open_checkpoint(tmp_path / "e.pt", decoder="far/d.pt", **options)  # beside the first
    monkeypatch.chdir(tmp_path / "far")
    again = open_checkpoint(tmp_path / "e.pt", decoder="d.pt", **options)  # as seen from here
    with torch.inference_mode():
        expected = net.decoder(net.encoder(PIXELS))
        for one in (model, again):
            assert torch.equal(one.decode(one.encode(PIXELS)), expected)
    assert model.provenance["files_sha256"].keys() == {"e.pt", "d.pt"}
    assert "decoder: stripped the prefix 'module.'" in model.provenance["weights"]
    other.head = nn.Linear(2, 2)
    with pytest.raises(InputError, match=r"neither to its encoder .*\(head\.weight, head\.b"):
        open_checkpoint(tmp_path / "e.pt", decoder="d.pt", **options)
    with pytest.warns(UserWarning, match="neither to its encoder"):
        let = open_checkpoint(tmp_path / "e.pt", decoder="d.pt", strict=False, **options)
    assert let.provenance["mismatch"]["missing"] == ["head.weight", "head.bias"]
    del other.decoder
    with pytest.raises(InputError, match="Tiny has no module 'decoder'"):
        open_checkpoint(tmp_path / "e.pt", decoder="d.pt", **options)


def test_weights_of_the_encoder_alone_need_no_decoder(tmp_path):
    torch.save(tiny().encoder.state_dict(), tmp_path / "e.pt")
    options = {"model": Tiny, "image_shape": SHAPE}
    with pytest.raises(InputError, match=r"of Tiny\.encoder alone.*--decoder.*--decode none"):
        open_checkpoint(tmp_path / "e.pt", **options)
    model = open_checkpoint(tmp_path / "e.pt", decode="none", **options)
    with torch.inference_mode():
        assert torch.equal(model.encode(PIXELS), tiny().encoder(PIXELS))
    assert "mismatch" not in model.provenance


def test_a_decoder_alone_is_not_ignored():
    with pytest.raises(InputError, match=r"decoder 'other\.pt' names the file of the decoder"):
        opened(tiny(), decoder="other.pt")


# Modules that rename what they load


class Renamed(Tiny):
    def __init__(self):
        super().__init__()
        self.register_load_state_dict_pre_hook(self._old)

    @staticmethod
    def _old(module, state, prefix, *_):
        for name in [name for name in state if name.startswith("enc.")]:
            state["encoder." + name[4:]] = state.pop(name)


def normed(norm):
    def make():
        net = Tiny()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net.encoder[0] = norm(net.encoder[0])
        return net

    return make


def _saved(make, rename=lambda name: name):
    torch.manual_seed(3)
    net = make()
    return net, {rename(name): value for name, value in net.state_dict().items()}


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._fsdp_wrapped_module."])
@pytest.mark.parametrize(
    ("saved", "model"),
    [
        ((normed(weight_norm),), normed(parametrized_weight_norm)),
        ((Tiny, lambda name: name.replace("encoder.", "enc.")), Renamed),
        ((normed(parametrized_weight_norm),), normed(parametrized_weight_norm)),
        ((normed(spectral_norm),), normed(spectral_norm)),
    ],
    ids=["old weight norm", "own hook", "new weight norm", "spectral norm"],
)
def test_whatever_strict_loading_takes_is_taken(saved, model, prefix, tmp_path):
    net, state = _saved(*saved)
    torch.save({prefix + name: value for name, value in state.items()}, tmp_path / "w.pt")
    found = open_checkpoint(tmp_path / "w.pt", model=model, image_shape=SHAPE)
    with torch.inference_mode():
        torch.testing.assert_close(found.encode(PIXELS), net.eval().encoder(PIXELS))
    assert "mismatch" not in found.provenance


def test_what_strict_loading_refuses_leaves_the_module_as_it_was(tmp_path):
    net = Renamed()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = {"enc.0.weight": torch.ones(4, 1, 3, 3), "enc.9.bias": torch.ones(4)}
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(InputError, match="does not fit Renamed"):
        open_checkpoint(tmp_path / "w.pt", model=net, image_shape=SHAPE)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize(
    "inserted", ["_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."]
)
def test_what_wrappers_of_torch_put_in_between_is_taken_off(inserted, tmp_path):
    net, state = _saved(Tiny, lambda name: name.replace("encoder.", f"encoder.{inserted}"))
    torch.save({f"{inserted}{name}": value for name, value in state.items()}, tmp_path / "w.pt")
    found = open_checkpoint(tmp_path / "w.pt", model=Tiny, image_shape=SHAPE)
    with torch.inference_mode():
        assert torch.equal(found.encode(PIXELS), net.encoder(PIXELS))
    assert f"stripped {inserted!r}" in found.provenance["weights"]


def test_a_mismatch_that_was_let_through_is_named_wherever_results_are_read(tmp_path, images):
    _, state = _saved(Tiny)
    state["encoder.2.weight"] = torch.ones(2)
    del state["decoder.0.bias"]
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(InputError) as caught:
        open_checkpoint(tmp_path / "w.pt", model=Tiny, image_shape=SHAPE)
    cause, hint = str(caught.value).index("another variant"), str(caught.value).index("--allow-mi")
    assert cause < hint
    options = {"model": Tiny, "image_shape": SHAPE, "strict": False}
    with pytest.warns(UserWarning, match="does not fit Tiny"):
        facts = info(tmp_path / "w.pt", **options)
    expected = {"missing": ["decoder.0.bias"], "unexpected": ["encoder.2.weight"]}
    assert json.loads(json.dumps(facts))["mismatch"] == expected
    with pytest.warns(UserWarning, match="does not fit Tiny"):
        model = open_checkpoint(tmp_path / "w.pt", **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an untrained model gives no images back
        found = analyze({"m": model}, data=images, samples=8, noise=[0], tsne_seeds=())
    entry = found.summary["models"]["m"]
    assert entry["verdict"].startswith("Weights that do not fit were accepted: 1 of the network")
    (left,) = [one for one in entry["omitted"] if one["analysis"].startswith("the weights")]
    assert "(decoder.0.bias); 1 of the file" in left["reason"]
    assert "(encoder.2.weight)" in left["reason"]
    assert found.models[0].marked == "m (not learned, weights do not fit)"


def test_what_is_doubtful_is_said_in_sentences():
    assert caveats({}) == []
    assert caveats({"round_trip": None}) == []
    found = caveats(
        {"not_a_function": ["draws"], "round_trip": {"suspicion": "the range is wrong"}}
    )
    assert found[0].startswith("Its encoder is not a function of the image: encoding a batch twice")
    assert found[1] == "The range is wrong."


# The meta device


def empty():
    with torch.device("meta"):
        return Tiny()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_weights_are_put_in_place_of_a_module_without_values(dtype, tmp_path):
    net, state = _saved(Tiny)
    torch.save({name: value.to(dtype) for name, value in state.items()}, tmp_path / "w.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = open_checkpoint(tmp_path / "w.pt", model=empty, image_shape=SHAPE)
    expected = {name: value.to(dtype).float() for name, value in net.state_dict().items()}
    net.load_state_dict(expected)
    with torch.inference_mode():
        assert torch.equal(found.encode(PIXELS), net.encoder(PIXELS))


def test_a_module_without_values_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"on the meta device: .* has no values; give its"):
        opened(empty())
    _, state = _saved(Tiny)
    del state["decoder.0.bias"]
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"meta device, and .* no values for 'decoder\.0\.bias'"):
        open_checkpoint(tmp_path / "w.pt", model=empty, image_shape=SHAPE, strict=False)


# Encoders that are no functions


class Samples(Tiny):
    def encode(self, images):
        latents = self.encoder(images)
        return latents + 0.3 * torch.randn_like(latents)


class Drops(Tiny):
    def encode(self, images):
        return torch.dropout(self.encoder(images), 0.5, train=True)


class OfTheBatch(Tiny):
    def encode(self, images):
        latents = self.encoder(images)
        return latents - latents.mean(dim=0, keepdim=True)


@pytest.mark.parametrize(
    ("make", "way", "words"),
    [
        (Samples, "draws", "encoding a batch twice gives different latents"),
        (Drops, "draws", "encoding a batch twice gives different latents"),
        (OfTheBatch, "batch", "depends on the rest of its batch"),
    ],
)
def test_an_encoder_that_is_no_function_is_seen_and_recorded(make, way, words, images):
    with pytest.warns(UserWarning, match=words) as told:
        model = opened(make())
    assert len(told) == 1
    assert "\n" not in str(told[0].message)
    assert model.provenance["not_a_function"] == [way]
    assert json.loads(encode(model, images).attrs["provenance"])["not_a_function"] == [way]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_a_function_is_not_warned_of(dtype, images):
    net = nn.ModuleDict({"encoder": nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))})
    state = torch.random.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = opened(net.to(dtype))
    assert torch.equal(state, torch.random.get_rng_state())
    assert "not_a_function" not in model.provenance
    assert "not_a_function" not in json.loads(encode(model, images).attrs["provenance"])


# Other axes than those of images


class Axes(nn.Module):
    """A convolutional autoencoder over one, two or three axes."""

    def __init__(self, axes, channels):
        super().__init__()
        torch.manual_seed(0)
        down = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[axes]
        up = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[axes]
        self.encoder = nn.Sequential(down(channels, 6, 3, 2, 1), nn.Tanh())
        self.decoder = nn.Sequential(up(3, channels, 4, 2, 1), nn.Sigmoid())

    def encode(self, values):
        return self.encoder(values)

    def decode(self, latents):
        return self.decoder(latents)

    def forward(self, values):
        return self.decode(self.encode(values).chunk(2, 1)[0])


@pytest.mark.parametrize(
    ("axes", "channels", "shape", "given", "latent", "form"),
    [
        (1, 3, (3, 1, 16), (3, 16), (3, 8), "signals"),
        (1, 1, (1, 1, 16), (1, 16), (3, 8), "signals"),
        (2, 1, (1, 8, 12), (1, 8, 12), (3, 4, 6), None),
        (1, 5, (1, 5, 16), (5, 16), (3, 8), "rows"),
        (3, 1, (8, 4, 6), (1, 8, 4, 6), (3, 4, 2, 3), "volumes"),
        (3, 3, (24, 4, 6), (3, 8, 4, 6), (3, 4, 2, 3), "volumes of 3 channels"),
        (3, 2, (8, 4, 6), (2, 4, 4, 6), (3, 2, 2, 3), "volumes of 2 channels"),
    ],
)
def test_signals_volumes_and_oblong_images_go_through(axes, channels, shape, given, latent, form):
    net = Axes(axes, channels)
    model = open_checkpoint(None, model=net, image_shape=shape, posterior={"layout": "halves"})
    assert model.latent_shape == latent
    assert model.provenance.get("input_form") == form
    images = torch.rand(5, *shape, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        mean = net.encode(images.reshape(5, *given)).chunk(2, 1)[0]
        assert torch.equal(model.encode(images).flatten(), mean.flatten())
        decoded = net(images.reshape(5, *given)).reshape(images.shape)
        assert torch.equal(model.decode(model.encode(images)), decoded)
    trip = check_round_trip(model, ImageDataset.from_array(images.numpy()))
    assert trip.own_forward["distance"] < 1e-6


class Video(nn.Module):
    """Takes videos, of which an image is one frame."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Conv3d(3, 4, (1, 3, 3), (1, 2, 2), (0, 1, 1))
        self.decoder = nn.ConvTranspose3d(4, 3, (1, 4, 4), (1, 2, 2), (0, 1, 1))


def test_images_are_given_to_networks_of_videos_as_one_frame():
    model = open_checkpoint(None, model=Video(), image_shape=(3, 8, 8))
    assert model.latent_shape == (4, 4, 4)
    assert model.provenance["input_form"] == "frames"
    assert model.decode(model.encode(torch.rand(2, 3, 8, 8))).shape == (2, 3, 8, 8)


def test_a_batch_is_not_taken_for_channels():
    # Two images (2, 1, 4, 8) would be one volume of two channels for such a convolution.
    net = nn.ModuleDict({"encoder": nn.Conv3d(2, 5, 3, 1, 1)})
    model = open_checkpoint(None, model=net, image_shape=(2, 4, 8))
    assert model.provenance["input_form"] == "frames"
    assert model.latent_shape == (5, 4, 8)


def test_latents_are_not_those_of_a_batch_that_was_taken_for_channels():
    # Two flattened signals (2, 2·16) would be one signal of two channels, and give two rows.
    net = nn.ModuleDict({"encoder": nn.Conv1d(2, 2, 3, 1, 1)})
    model = open_checkpoint(None, model=net, image_shape=(2, 1, 16))
    assert (model.provenance["input_form"], model.latent_shape) == ("signals", (2, 16))


class Asks(nn.Module):
    """Has arguments of its own that have to be given."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Conv2d(1, 4, 3, 2, 1)
        self.last = nn.ConvTranspose2d(4, 1, 4, 2, 1)

    def encode(self, images, *, scale):
        return scale * self.encoder(images)

    def decode(self, latents, *, gain):
        return torch.sigmoid(gain * self.last(latents))


def test_what_encodes_and_what_decodes_are_given_arguments(run_cli):
    torch.manual_seed(0)
    net = Asks()
    with pytest.raises(InputError, match=r"missing .* 'scale'; give it arguments .*--encode-arg"):
        opened(net)
    with pytest.raises(InputError, match=r"missing .* 'gain'; give it arguments .*--decode-arg"):
        opened(net, encode_arguments={"scale": 2.0})
    model = opened(net, encode_arguments={"scale": 2.0}, decode_arguments={"gain": 3.0})
    layer = opened(net, encode_arguments={"scale": 2.0}, encode="encode", layers=["encoder"])
    with torch.inference_mode():
        assert torch.equal(model.encode(PIXELS), 2 * net.encoder(PIXELS))
        assert torch.equal(layer.encode(PIXELS), net.encoder(PIXELS))
        latents = 2 * net.encoder(PIXELS)
        assert torch.equal(model.decode(latents), torch.sigmoid(3 * net.last(latents)))
    assert model.identity["encode_arguments"] == {"scale": 2.0}
    assert model.identity["decode_arguments"] == {"gain": 3.0}
    options = ["--encode-argument", "scale=2", "--decode-argument", "gain=1", "--json"]
    where = ["--model", f"{Path(__file__)}:Asks", "--image-shape", "1,8,8"]
    code, said, _ = run_cli("info", *where, *options)
    assert (code, json.loads(said)["decodes"]) == (0, True)


def test_latents_that_look_like_the_images_of_a_whole_autoencoder_are_warned_of():
    whole = {"encode": "forward", "decode": "none", "posterior": {"layout": "point"}}
    with pytest.warns(UserWarning, match="have the shape of its images, 1×8×8; if these are"):
        opened(Flat(), **whole)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened(Flat())


# What training leaves beside an autoencoder


OF_TRAINING = {
    "discriminator": {"discriminator.0.weight": 3, "discriminator.0.bias": 3},
    "loss": {"loss.discriminator.main.0.weight": 2, "loss.perceptual_loss.net.0.bias": 2},
    "copy": {"ema.encoder.0.weight": (4, 1, 3, 3), "ema.encoder.0.bias": 4, "model_ema.decay": ()},
    "critic and optimiser": {"critic.weight": 2, "optim_d.state": 2, "netD.0.weight": 2},
}


@pytest.mark.parametrize("prefix", ["", "module.", "model."])
@pytest.mark.parametrize("kind", OF_TRAINING)
def test_what_belongs_to_training_is_set_aside_and_named(kind, prefix, tmp_path):
    net, state = _saved(Tiny)
    state |= {name: torch.ones(shape) for name, shape in OF_TRAINING[kind].items()}
    torch.save({f"{prefix}{name}": value for name, value in state.items()}, tmp_path / "w.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = open_checkpoint(tmp_path / "w.pt", model=Tiny, image_shape=SHAPE)
    with torch.inference_mode():
        assert torch.equal(found.encode(PIXELS), net.encoder(PIXELS))
    assert "mismatch" not in found.provenance
    (note,) = [one for one in found.provenance["weights"] if one.startswith("set aside")]
    assert all(name.partition(".")[0] in note for name in OF_TRAINING[kind])


@pytest.mark.parametrize("name", ["decoder.7.weight", "encoder.loss.weight", "head.bias", "disco"])
def test_what_may_be_a_part_of_the_network_is_not_set_aside(name, tmp_path):
    _, state = _saved(Tiny)
    torch.save({**state, name: torch.ones(2)}, tmp_path / "w.pt")
    with pytest.raises(InputError, match="holds 1 tensor too many"):
        open_checkpoint(tmp_path / "w.pt", model=Tiny, image_shape=SHAPE)


class OfOneSize(nn.Module):
    """A dense layer after convolutions fixes the size, as in most autoencoders of vectors."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 2, 4, 4), nn.Flatten(), nn.Linear(2 * 64, 3))


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 12, 20)])
def test_a_network_of_another_size_is_named_with_it(shape):
    with pytest.raises(InputError, match=r"it takes images of 32×32: .*--input-size 32"):
        open_checkpoint(None, model=OfOneSize(), image_shape=shape)
    size = {"preprocessing": {"size": 32}}
    assert open_checkpoint(None, model=OfOneSize(), image_shape=shape, **size).latent_shape == (
        3,
        1,
        1,
    )


@pytest.mark.parametrize("given", [Samples().eval().encode, lambda x: x + RANDOM.random()])
def test_functions_in_python_that_are_none_of_the_image_are_seen(given, images):
    model = wrap(given, None, image_shape=SHAPE)
    with pytest.warns(UserWarning, match="is not a function of the image") as told:
        latents = encode(model, images)
    assert len(told) == 1
    assert json.loads(latents.attrs["provenance"])["not_a_function"] == ["draws"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode(model, images)  # it was said


class Squeezes(nn.Module):
    """Drops every axis of one, and so a batch of one."""

    def __init__(self):
        super().__init__()
        self.body, self.back = nn.Linear(64, 6), nn.Linear(3, 64)

    def encode(self, images):
        return self.body(images.flatten(1))[:, :, None].squeeze().chunk(2, -1)

    def decode(self, latents):
        return self.back(latents).sigmoid().view(-1, 1, 8, 8).squeeze()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_batch_of_one_is_a_batch_whatever_a_network_squeezes(count):
    net = Squeezes()
    model = opened(net)
    values = torch.rand(3, 1, 8, 8)
    with torch.inference_mode():
        whole, part = model.posterior(values), model.posterior(values[:count])
        torch.testing.assert_close(part.mean, whole.mean[:count])
        torch.testing.assert_close(part.log_variance, whole.log_variance[:count])
        assert model.decode(part.mean).shape == (count, 1, 8, 8)
