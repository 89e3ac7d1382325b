import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import latentgeo
from latentgeo import analyze, encode, pipeline
from latentgeo.checkpoints import (
    Card,
    check_round_trip,
    consent,
    info,
    init_card,
    list_layers,
    open_checkpoint,
    read_card,
    write_card,
)
from latentgeo.datasets import ImageDataset
from latentgeo.errors import InputError
from latentgeo.interpolation import interpolate_images
from latentgeo.latents import split_parts
from latentgeo.models import ModelConfig, build, save_model

from .nets import Small, small

HERE = Path(__file__).parent
NETS = str(HERE / "nets.py")
SHAPE = (3, 8, 8)


@pytest.fixture(autouse=True)
def _own_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(consent, "user_config_path", lambda _: tmp_path / "settings")


@pytest.fixture
def images():
    return ImageDataset.from_array(np.random.default_rng(0).random((6, *SHAPE)))


@pytest.fixture
def folder(tmp_path):
    """Somebody's model: weights in a folder, and the code in a file beside them."""
    place = tmp_path / "theirs"
    place.mkdir()
    torch.save(small().state_dict(), place / "model.pt")
    shutil.copy(NETS, place / "nets.py")
    return place


def _same_latents(model, images):
    batch = images.batch(slice(None))
    with torch.inference_mode():
        torch.testing.assert_close(model.encode(batch), small().encode(batch))
        torch.testing.assert_close(
            model.decode(model.encode(batch)), small().decode(small().encode(batch))
        )


def test_our_own_run_is_opened_as_before(tmp_path):
    ours = build(ModelConfig(recipe="cae", image_shape=(1, 28, 28), options={"widths": [4, 4, 8]}))
    save_model(ours, tmp_path / "run")
    assert open_checkpoint(tmp_path / "run").weights_sha256() == ours.weights_sha256()
    assert latentgeo.load(tmp_path / "run").config == ours.config
    with pytest.raises(InputError, match="is a run of latentgeo, which needs no model, encode"):
        open_checkpoint(tmp_path / "run", model="a:b", encode="x")


@pytest.mark.parametrize(
    "model", [f"{NETS}:Small", Small, Small(), "callable"], ids=["name", "class", "module", "call"]
)
def test_a_module_however_it_is_given(model, folder, images):
    given = (lambda: Small()) if model == "callable" else model
    _same_latents(open_checkpoint(folder / "model.pt", model=given, image_shape=SHAPE), images)


def test_a_module_that_comes_with_its_weights(images):
    _same_latents(open_checkpoint(None, model=small(), image_shape=SHAPE), images)
    _same_latents(open_checkpoint(None, model=f"{NETS}:small", image_shape=SHAPE), images)
    with pytest.raises(InputError, match="neither a checkpoint nor a model was given"):
        open_checkpoint(None)


def test_a_card_says_what_keywords_say(folder, images):
    opening = Card(model=f"{NETS}:Small", encode="nothing", weights="model.pt")
    with pytest.raises(InputError, match="has no 'nothing'"):
        open_checkpoint(folder, image_shape=SHAPE, opening=opening)
    model = open_checkpoint(folder, image_shape=SHAPE, opening=opening, encode="encode")
    _same_latents(model, images)
    assert "model" not in model.provenance["card"]  # where the code lies is this machine's affair


def test_weights_are_named_once(folder, images):
    weights = str(folder / "model.pt")
    for path in (None, weights):
        model = open_checkpoint(path, model=Small, weights=weights, image_shape=SHAPE)
        _same_latents(model, images)
    with pytest.raises(InputError, match=r"is a file, and the weights are 'other\.pt'; give one"):
        open_checkpoint(weights, model=Small, weights="other.pt", image_shape=SHAPE)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".safetensors"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_files_of_weights_of_every_kind(suffix, dtype, tmp_path):
    state = {name: tensor.to(dtype) for name, tensor in small().state_dict().items()}
    path = tmp_path / f"model{suffix}"
    if suffix == ".safetensors":
        save_file(state, path)
    elif suffix == ".ckpt":
        prefixed = {f"model.{name}": tensor for name, tensor in state.items()}
        torch.save({"state_dict": prefixed, "epoch": 3, "pytorch-lightning_version": "2.6"}, path)
    else:
        torch.save(state, path)
    model = open_checkpoint(path, model=Small, image_shape=SHAPE)
    found = model.encoder.net.net.state_dict()
    for name, tensor in state.items():
        assert found[name].dtype == torch.float32
        torch.testing.assert_close(found[name], tensor.float())


def test_missing_and_left_over_weights_are_never_silent(folder):
    state = small().state_dict()
    del state["head.bias"]
    state["other.weight"] = torch.zeros(2)
    torch.save(state, folder / "model.pt")
    with pytest.raises(InputError, match=r"head\.bias"):
        open_checkpoint(folder / "model.pt", model=Small, image_shape=SHAPE)
    with pytest.warns(UserWarning, match=r"other\.weight"):
        model = open_checkpoint(folder / "model.pt", model=Small, image_shape=SHAPE, strict=False)
    assert "head.bias" in json.dumps(model.provenance["weights"])


def test_a_card_makes_the_folder_enough_once_its_code_was_named(folder, images, monkeypatch):
    write_card(folder, Card(model="nets.py:Small", weights="model.pt", image_shape=SHAPE))
    with pytest.raises(InputError, match=r"names code, 'nets.py:Small', which runs .* --model"):
        open_checkpoint(folder)
    _same_latents(open_checkpoint(folder, model=f"{folder / 'nets.py'}:Small"), images)
    _same_latents(open_checkpoint(folder), images)
    _same_latents(open_checkpoint(folder / "model.pt"), images)
    with (folder / "nets.py").open("a", encoding="utf-8") as file:
        file.write("\n# changed\n")
    with pytest.raises(InputError, match="in the state that it is in now"):
        open_checkpoint(folder)


def test_code_of_a_card_does_not_run_without_consent(folder):
    (folder / "nets.py").write_text(
        "from pathlib import Path\nPath(__file__).with_name('ran').touch()\n", encoding="utf-8"
    )
    write_card(folder, Card(model="nets.py:Small", weights="model.pt", image_shape=SHAPE))
    with pytest.raises(InputError, match="names code"):
        open_checkpoint(folder)
    assert not (folder / "ran").exists()


def test_weights_without_a_network_ask_for_one(folder):
    with pytest.raises(InputError, match=r"not known by its keys; name the code .* --model"):
        open_checkpoint(folder, image_shape=SHAPE)
    torch.save({}, folder / "other.pt")
    with pytest.raises(InputError, match=r"holds model.pt, other.pt; give one of the files"):
        open_checkpoint(folder, image_shape=SHAPE)
    with pytest.raises(InputError, match="does not exist; give a run folder"):
        open_checkpoint(folder / "nowhere")


def test_layers_in_one_pass_and_their_own_latents(folder, images):
    model = open_checkpoint(
        folder / "model.pt", model=Small, image_shape=SHAPE, layers=("bottleneck", "head")
    )
    assert model.parts == {"bottleneck": (4, 2, 2), "head": (2, 1, 1)}
    assert not model.decodes
    latents = split_parts(encode(model, images, noise=(0.0, 0.1)), model.parts)
    batch = images.batch(slice(None))
    with torch.inference_mode():
        np.testing.assert_allclose(
            latents["bottleneck"]["mean"][0], small().encode(batch), atol=1e-6
        )
        np.testing.assert_allclose(
            latents["head"]["mean"][0, ..., 0, 0], small()(batch)[1], atol=1e-6
        )


def test_one_layer_may_have_a_decoder(folder, images):
    model = open_checkpoint(
        folder / "model.pt", model=Small, image_shape=SHAPE, layers=["bottleneck"], decode="decode"
    )
    assert model.decodes
    assert not model.parts
    _same_latents(model, images)


def test_which_images_it_takes_must_be_known(folder):
    with pytest.raises(InputError, match="does not say which images it takes"):
        open_checkpoint(folder / "model.pt", model=Small)


def test_provenance_tells_files_code_and_what_was_done(folder):
    model = open_checkpoint(
        folder / "model.pt",
        model=f"{NETS}:Small",
        image_shape=SHAPE,
        preprocessing={"range": (-1, 1)},
    )
    found = json.loads(json.dumps(model.provenance))
    assert found["kind"] == "module"
    assert set(found["files_sha256"]) == {"model.pt"}
    assert len(found["model_sha256"]) == 64
    assert found["card"]["preprocessing"] == {"range": [-1.0, 1.0]}
    assert model.identity["preprocessing"]["range"] == [-1.0, 1.0]
    assert model.identity["model_sha256"] == found["model_sha256"]
    facts = info(folder / "model.pt", model=f"{NETS}:Small", image_shape=SHAPE)
    assert facts["parameters"] == sum(weight.numel() for weight in Small().parameters())
    assert facts["latent_shape"] == [4, 2, 2]
    assert str(folder) not in json.dumps(facts)


def test_a_card_is_made_by_looking(folder, images):
    card, layers = init_card(
        folder, model=f"{folder / 'nets.py'}:Small", image_shape=SHAPE, encode="encode"
    )
    marked = [layer.name for layer in layers if layer.latent]
    assert "bottleneck" in marked
    assert "down.0" not in marked
    assert {layer.name: layer.shape for layer in layers}["down.0"] == (8, 4, 4)
    text = card.read_text(encoding="utf-8")
    assert "* bottleneck" in text
    assert read_card(folder).model == "nets.py:Small"
    _same_latents(open_checkpoint(folder), images)
    with pytest.raises(InputError, match="exists already"):
        init_card(folder, model=f"{folder / 'nets.py'}:Small", image_shape=SHAPE)
    with pytest.raises(InputError, match="does not take a tensor of shape"):
        init_card(folder, model=f"{folder / 'nets.py'}:Small", image_shape=(5, 8, 8), force=True)


def test_a_card_that_would_not_open_is_not_written(folder):
    options = {"model": f"{folder / 'nets.py'}:Small", "image_shape": SHAPE}
    with pytest.raises(InputError, match=r"No card was written.* latents: bottleneck \(4x2x2\)"):
        init_card(folder, decode="up.0", **options)
    assert read_card(folder) is None


def test_an_image_is_not_marked_as_a_latent():
    class Named(nn.Module):
        """Gives an image under the name of a latent, and one that is wider than an image."""

        def __init__(self):
            super().__init__()
            self.encoder = nn.Conv2d(1, 32, 3, 2, 1)
            self.mean = nn.ConvTranspose2d(32, 1, 4, 2, 1)

        def forward(self, images):
            return self.mean(self.encoder(images))

    layers = list_layers(Named(), torch.zeros(1, 1, 8, 8))
    assert [layer.name for layer in layers if layer.latent] == ["encoder"]


def test_every_file_has_a_card_of_its_own_with_paths_relative_to_it(folder, images, monkeypatch):
    shutil.copy(folder / "model.pt", folder / "other.pt")
    (folder.parent / "code.py").write_text((folder / "nets.py").read_text(encoding="utf-8"))
    for name in ("model.pt", "other.pt"):
        options = {"model": f"{folder.parent / 'code.py'}:Small", "name": name[:2]}
        card, _ = init_card(folder / name, image_shape=SHAPE, **options)
        assert card.name == f"{name}.latentgeo.yaml"
        assert str(folder) not in card.read_text(encoding="utf-8")
        assert read_card(folder / name).model == "../code.py:Small"
    assert open_checkpoint(folder / "other.pt").config.recipe == "ot"
    monkeypatch.chdir(folder.parent)
    _same_latents(open_checkpoint(folder / "model.pt"), images)
    (folder / "other.pt").unlink()
    (folder / "other.pt.latentgeo.yaml").unlink()
    assert open_checkpoint(folder).config.recipe == "mo"  # the only one there is


@pytest.mark.filterwarnings("ignore:.*images:UserWarning")
def test_data_are_resized_to_what_the_card_says(folder, tmp_path, monkeypatch, run_cli):
    write_card(folder, Card(weights="model.pt", image_shape=(3, 16, 16)))
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(6):
        shade = Image.new("RGB", (20 + number, 30), (40 * number, 0, 0))
        shade.save(pictures / f"{number}.png")
    options = {"data": pictures, "opening": Card(model=f"{NETS}:Small")}
    with pytest.raises(InputError, match=r"the model takes \(3, 16, 16\)"):
        analyze(folder, size=12, **options)

    def stop(model, images, settings, *_):
        raise InputError(f"analyses {images.shape}, told {settings.size}")

    monkeypatch.setattr(pipeline, "_encode", stop)
    with pytest.raises(InputError, match=r"analyses \(3, 16, 16\), told 16"):
        analyze(folder, **options)
    command = ["encode", folder, "--model", f"{NETS}:Small", "--data", pictures, "--noise", "0"]
    assert run_cli(*command, "-o", tmp_path / "z")[0] == 0
    entries = {"model": f"{NETS}:Small"}
    assert info(folder, data=pictures, **entries)["on_data"]["images"] == 6
    taken = info(folder, data=pictures, image_shape=(3, 8, 8), **entries)
    assert taken["image_shape"] == [3, 8, 8]
    paths = interpolate_images(folder, pairs=2, steps=3, **options)
    assert json.loads(paths.tree.attrs["provenance"])["settings"]["size"] == 16


def test_info_says_decibels_and_nats(folder, images):
    options = {"model": Small, "image_shape": SHAPE}
    found = info(folder, data=images, **options)["on_data"]
    clean = images.batch(slice(None))
    with torch.inference_mode():
        decoded = small().decode(small().encode(clean))
    log_likelihood = clean * decoded.log() + (1 - clean) * (1 - decoded).log()
    assert found["bernoulli_nats"] == pytest.approx(-float(log_likelihood.sum()) / 6, rel=1e-5)
    assert found["squared_error"] == pytest.approx(float(((clean - decoded) ** 2).sum()) / 6, 1e-5)
    assert found["divergence_nats"] is None
    assert found["images"] == 6
    json.dumps(found, allow_nan=False)
    with pytest.raises(InputError, match="has no decoder, so nothing is reconstructed"):
        info(folder, data=images, decode="none", **options)
    with pytest.raises(InputError, match=r"images of shape \(3, 8, 8\), the model takes"):
        info(folder, data=images, model=Small, image_shape=(3, 16, 16))


class Mirror(nn.Module):
    """An autoencoder for one coding: what is coded otherwise comes back wrong."""

    def __init__(self, low, high):
        super().__init__()
        self.low, self.high = low, high

    def encode(self, images):
        return images.clamp(self.low, self.high)

    def decode(self, latents):
        return latents


class Strange(Mirror):
    """A model of other images: another coding does better, and still worse than nothing."""

    def __init__(self):
        super().__init__(-1, 1)

    def encode(self, images):
        return -images.abs()


def test_a_wrong_range_is_seen_by_the_round_trip():
    dark = np.random.default_rng(0).random((20, 1, 8, 8)) * 0.9 + 0.05
    data = ImageDataset.from_array(dark)
    wrong = open_checkpoint(
        None, model=Mirror(0, 1), image_shape=(1, 8, 8), preprocessing={"range": (-1, 1)}
    )
    trip = check_round_trip(wrong, data)
    assert trip.alternatives_db["[0, 1]"] == 100.0  # exact, and JSON knows no infinity
    assert trip.psnr_db < 20
    assert "the range or the normalisation of the input is probably wrong" in trip.suspicion
    assert "try --range 0,1" in trip.suspicion
    right = open_checkpoint(
        None, model=Mirror(-1, 1), image_shape=(1, 8, 8), preprocessing={"range": (-1, 1)}
    )
    assert check_round_trip(right, data).suspicion is None
    strange = open_checkpoint(None, model=Strange(), image_shape=(1, 8, 8))
    assert "no other input scaling helps" in check_round_trip(strange, data).suspicion
    blank = open_checkpoint(None, model=Mirror(0.5, 0.5001), image_shape=(1, 8, 8))
    assert "no other input scaling helps" in check_round_trip(blank, data).suspicion
    headless = open_checkpoint(None, model=small(), image_shape=SHAPE, layers=["bottleneck"])
    assert check_round_trip(headless, data) is None
