"""What is of the wrong type is one line that names what to call."""

import numpy as np
import pytest
import torch
import xarray as xr

import latentgeo

_LATENTS = torch.zeros(5, 3)
_NETWORK = torch.nn.Linear(2, 2)
CASES = {
    "latents": (lambda: latentgeo.analyze(_LATENTS, data="digits"), r"Tensor.*analyze_arrays"),
    "listed": (lambda: latentgeo.analyze([_LATENTS], data="digits"), "analyze_arrays"),
    "named": (lambda: latentgeo.analyze({"a": np.zeros(3)}, data="digits"), "analyze_arrays"),
    "xarray": (lambda: latentgeo.analyze(xr.Dataset(), data="digits"), "analyze_arrays"),
    "network": (lambda: latentgeo.analyze(_NETWORK, data="digits"), r"Linear.*latentgeo\.wrap"),
    "number": (lambda: latentgeo.analyze(5, data="digits"), r"int.*latentgeo\.load"),
    "set": (lambda: latentgeo.analyze({"runs/a"}, data="digits"), "set, expected the path"),
    "images": (lambda: latentgeo.encode(np.zeros((3, 1, 8, 8)), "digits"), "data="),
    "load": (lambda: latentgeo.load(_NETWORK), r"model=network"),
    "weights": (lambda: latentgeo.load({"w": torch.zeros(2)}), "save_file"),
    "interpolate": (lambda: latentgeo.interpolate(np.zeros(3), data="digits"), "analyze_arrays"),
    "lines": (lambda: latentgeo.lines(np.zeros(3)), "analyze_arrays"),
    "arrays": (lambda: latentgeo.analyze_arrays(_NETWORK), r"latentgeo\.analyze\(model"),
    "one folder": (lambda: latentgeo.compare("results"), "str, expected a list"),
    "no folder": (lambda: latentgeo.compare([5, 6]), "int, expected a path"),
    "read": (lambda: latentgeo.read(5), "int, expected a path"),
    "export": (lambda: latentgeo.export(5, "there"), r"latentgeo\.export\(run, to\)"),
}


@pytest.mark.parametrize("case", CASES)
def test_says_what_to_call(case):
    call, expected = CASES[case]
    with pytest.raises(latentgeo.InputError, match=expected) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_an_image_is_no_checkpoint(tmp_path):
    path = tmp_path / "photo.PNG"
    path.write_bytes(b"")
    with pytest.raises(latentgeo.InputError, match=r"photo\.PNG.*is an image.*--data"):
        latentgeo.analyze(path, data="digits")


def test_results_are_no_checkpoint():
    z = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")
    found = latentgeo.analyze_arrays(z, tsne_seeds=())
    with pytest.raises(latentgeo.InputError, match="Analysis, results that are measured already"):
        latentgeo.analyze(found, data="digits")
