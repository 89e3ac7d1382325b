import json
import signal
import subprocess
import sys
import time
from importlib.metadata import version

import numpy as np
import pytest
import torch
import xarray as xr

from latentgeo.datasets import ImageDataset, load, perturb
from latentgeo.errors import InputError
from latentgeo.latents import encode
from latentgeo.metrics import psnr
from latentgeo.models import ModelConfig, build, save_model

NOISE = (0.0, 0.1, 0.3)


def _model(recipe="cae", **options):
    torch.manual_seed(0)
    config = ModelConfig(
        recipe=recipe, image_shape=(1, 28, 28), options={"widths": (4, 4, 6), **options}
    )
    return build(config).eval()


@pytest.fixture(scope="module")
def images():
    return load("digits").take(20, seed=1)


@pytest.fixture(scope="module")
def latents(images):
    return encode(_model(), images, noise=NOISE, batch_size=8)


def test_named_dimensions_and_coordinates(latents, images):
    assert dict(latents["mean"].sizes) == {
        "noise": 3,
        "sample": 20,
        "channel": 6,
        "row": 7,
        "column": 7,
    }
    np.testing.assert_array_equal(latents["sample"], images.indices)
    np.testing.assert_array_equal(latents["label"], images.labels)
    np.testing.assert_array_equal(latents["noise"], NOISE)
    assert "sampled" not in latents


def test_latents_are_those_of_the_model_on_the_perturbed_images(latents, images):
    everything = images.batch(slice(None))
    for level in NOISE:
        noisy = perturb(everything, "gaussian", level, seed=0, indices=images.indices)
        with torch.inference_mode():
            expected = _model().encode(noisy)
        np.testing.assert_allclose(latents["mean"].sel(noise=level), expected, atol=1e-5)


def test_psnr_is_against_the_clean_image(latents, images):
    everything = images.batch(slice(None))
    with torch.inference_mode():
        noisy = perturb(everything, "gaussian", 0.3, seed=0, indices=images.indices)
        decoded = _model().decode(_model().encode(noisy))
    expected = psnr(decoded, everything, data_range=1.0)
    np.testing.assert_allclose(latents["psnr"].sel(noise=0.3), expected, rtol=1e-4)


def test_batches_do_not_matter(latents, images):
    other = encode(_model(), images, noise=NOISE, batch_size=20)
    np.testing.assert_allclose(other["mean"], latents["mean"], atol=1e-5)


@pytest.mark.parametrize("recipe", ["cae", "vae"])
def test_passes_side_by_side_give_the_same_latents(images, recipe, two_threads):
    seen, found = [], {}
    for identity in ({"layer": "of others"}, {}):
        model = _model(recipe)
        model.identity = identity
        model.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
        seen.clear()
        found[bool(identity)] = encode(model, images, noise=NOISE, draws=2)
        # Networks of others are called once at a time, with all images of a batch.
        assert set(seen) == ({20} if identity else {10})
    assert set(found[True]) == set(found[False])
    for name, values in found[True].items():
        np.testing.assert_allclose(found[False][name], values, atol=1e-5)


def test_same_image_meets_the_same_noise_in_another_selection(latents, images):
    fewer = encode(_model(), images.take(5), noise=NOISE)
    np.testing.assert_allclose(fewer["mean"], latents["mean"].isel(sample=slice(5)), atol=1e-5)


def test_stochastic_posterior_is_sampled(images):
    model = _model("vae")
    found = encode(model, images, noise=(0.0, 0.1), draws=2)
    assert found["sampled"].dims == ("draw", "noise", "sample", "channel", "row", "column")
    with torch.inference_mode():
        posterior = model.posterior(images.batch(slice(None)))
    ratio = (found["sampled"][:, 0].values - posterior.mean.numpy()) / (
        posterior.standard_deviation.numpy()
    )
    assert abs(ratio.mean()) < 0.05
    assert ratio.std() == pytest.approx(1, abs=0.05)
    assert abs(np.corrcoef(ratio[0].ravel(), ratio[1].ravel())[0, 1]) < 0.05


def test_provenance_names_what_decides_the_numbers(latents, images):
    found = json.loads(latents.attrs["provenance"])
    assert found["weights_sha256"] == _model().weights_sha256()
    assert found["data_sha256"] == images.fingerprint
    assert found["perturbation"] == "gaussian"
    assert found["noise"] == list(NOISE)
    assert found["seed"] == 0
    assert found["dtype"] == "float32"
    assert found["versions"]["torch"] == version("torch")


def test_written_to_zarr_and_read_back(latents, images, tmp_path):
    encode(_model(), images, noise=NOISE, batch_size=8, out=tmp_path / "z")
    read = xr.open_zarr(tmp_path / "z", consolidated=False, chunks=None)
    np.testing.assert_array_equal(read["mean"], latents["mean"])
    np.testing.assert_array_equal(read["psnr"], latents["psnr"])


_SLOW = """
import sys, time
from pathlib import Path
from latentgeo.latents import sweep
from latentgeo.datasets import load
from latentgeo.models import load_model
one = sweep._encode_batch
def slowly(*arguments):
    time.sleep(0.3)
    return one(*arguments)
sweep._encode_batch = slowly
out = Path(sys.argv[1])
sweep.encode(load_model(out / "model"), load("digits").take(20, seed=1), noise=(0.0, 0.1, 0.3),
             batch_size=4, out=out / "z")
"""


def test_a_killed_encoding_goes_on_where_it_stopped(latents, images, tmp_path, monkeypatch):
    save_model(_model(), tmp_path / "model")
    process = subprocess.Popen([sys.executable, "-c", _SLOW, str(tmp_path)])
    try:
        _wait_for_first_batch(tmp_path / "z", process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    counted = []
    from latentgeo.latents import sweep

    one = sweep._encode_batch
    monkeypatch.setattr(sweep, "_encode_batch", lambda *a: counted.append(len(a[2])) or one(*a))
    found = encode(_model(), images, noise=NOISE, batch_size=4, out=tmp_path / "z")
    assert 0 < sum(counted) < 20
    np.testing.assert_allclose(found["mean"], latents["mean"], atol=1e-5)
    assert not np.isnan(found["psnr"]).any()


def _wait_for_first_batch(store, process):
    for _ in range(600):
        if process.poll() is None and (store / "written" / "c" / "0").exists():
            return
        assert process.poll() is None, "the encoding ended before it could be killed"
        time.sleep(0.05)
    raise AssertionError("no batch was written")


def test_another_encoding_is_not_overwritten(images, tmp_path):
    encode(_model(), images, noise=NOISE, out=tmp_path / "z")
    with pytest.raises(InputError, match=r"another encoding: seed is 0 there and 1 now.*--force"):
        encode(_model(), images, noise=NOISE, seed=1, out=tmp_path / "z")
    found = encode(_model(), images, noise=NOISE, seed=1, out=tmp_path / "z", force=True)
    assert json.loads(found.attrs["provenance"])["seed"] == 1


def test_a_folder_of_something_else_is_not_overwritten(images, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="already holds files"):
        encode(_model(), images, out=tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "mine"


def test_a_full_disk_leaves_what_was_written(images, tmp_path, monkeypatch):
    import errno

    import zarr

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    encode(_model(), images.take(8), noise=NOISE, batch_size=4, out=tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(zarr.storage.LocalStore, "set", full)
        with pytest.raises(OSError, match="No space left"):
            encode(_model(), images, noise=NOISE, batch_size=4, out=tmp_path / "z")
    assert not (tmp_path / "z").exists()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_disk_that_is_too_small_is_refused_beforehand(images, tmp_path, monkeypatch):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(9, 9, 999))
    with pytest.raises(InputError, match="GiB free; take fewer images"):
        encode(_model(), images, noise=NOISE, out=tmp_path / "new" / "z")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": 0}, "0 samples"),
        ({"samples": -1}, "-1 samples of digits .*expected a whole number from 1"),
        ({"noise": ()}, "noise holds no level"),
        ({"noise": (0.0, 0.1, 0.1)}, "repeats a level"),
        ({"noise": (-0.1,)}, "level -0.1 of gaussian"),
        ({"noise": (float("nan"),)}, "level nan of gaussian"),
        ({"perturbation": "gausian"}, "perturbation 'gausian' is not known"),
        ({"draws": 0}, "draws is 0; expected a whole number from 1"),
        ({"batch_size": 0}, "batch_size is 0, expected at least 1"),
        ({"device": "tpu"}, "device 'tpu' is unknown"),
        ({"size": 32}, "shape .1, 32, 32.*the model takes .1, 28, 28."),
    ],
)
def test_bad_input_is_one_clear_line(arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        encode(_model(), "digits", **arguments)
    assert "\n" not in str(caught.value)


def test_latents_that_are_not_finite_are_refused(images):
    model = _model()
    with torch.no_grad():
        next(model.encoder.parameters()).fill_(float("nan"))
    with pytest.raises(InputError, match=r"the latent of image \d+ at noise 0.0 is not finite"):
        encode(model, images)


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_reconstructions_that_are_not_finite_are_refused(images, value):
    model = _model()
    # What `wrap` does: an infinite value would pass as white.
    model.to_image = lambda logits: logits.clamp(0, 1)
    model.decoder.register_forward_hook(lambda net, given, made: made.fill_(value))
    with pytest.raises(InputError, match=r"reconstruction of image \d+ at noise 0.0 is not finite"):
        encode(model, images)


def test_images_of_your_own():
    rng = np.random.default_rng(0)
    mine = ImageDataset.from_array(rng.random((5, 1, 28, 28)))
    assert encode(_model(), mine).sizes["sample"] == 5
