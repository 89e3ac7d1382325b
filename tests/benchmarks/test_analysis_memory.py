"""What the benchmark of memory analyses, beside the same by hand."""

import numpy as np
import torch

from latentgeo import load
from latentgeo.datasets import load as load_images
from latentgeo.geometry import gram_dimension, kernel, mode_unfoldings, trace_normalised


def test_findings_are_those_of_the_gram_matrix(load_benchmark, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    memory = load_benchmark("analysis_memory")
    run = memory.trained(tmp_path / "cae", "digits", [2, 4, 8])
    found = memory.analyze_once(run, "digits", 12)
    pixels = np.concatenate(
        [load_images("digits", part).images for part in ("train", "validation")]
    )
    chosen = pixels[np.random.default_rng(0).permutation(len(pixels))[:12]]
    images = torch.from_numpy(chosen).float() / (255 if chosen.dtype == np.uint8 else 1)
    with torch.no_grad():
        modes = mode_unfoldings(load(run).encode(images).double())
        unit = tuple(trace_normalised(mode, "unfolding")[0] for mode in modes)
        gram = kernel(unit, kernel="euclidean", form="unfolding", source_dtype="float32")
    assert found["size"] == 12
    assert found["dimension"][0] == int(gram_dimension(gram, (0.95,))[0])
    assert found["peak"] > 2**27
