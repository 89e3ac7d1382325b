"""No call takes more memory than it says, and what cannot fit is refused before any work."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from latentgeo.geometry import (
    Nystroem,
    _flat,
    _tiles,
    feature_map,
    kernel,
    mode_covariances,
    pairwise_distance,
    unfolding,
)
from latentgeo.geometry import distance as pair_distance
from latentgeo.geometry import mode_unfoldings as modes

MANY = torch.eye(2).expand(10**7, 2, 2)
LATENTS = torch.ones(1).expand(10**7, 2, 1, 1)


@pytest.fixture
def small_machine(monkeypatch):
    """A device of one mebibyte."""
    monkeypatch.setattr(_tiles, "memory", lambda device: 2.0**20)


def test_the_memory_of_the_machine_is_known():
    assert 2**28 < _tiles.memory(torch.device("cpu")) < 2**50
    assert _tiles.memory(torch.device("meta")) == float("inf")


@pytest.mark.parametrize(
    "call",
    [
        lambda: pairwise_distance(MANY),
        lambda: pairwise_distance(MANY, MANY, metric="log-euclidean"),
        lambda: pairwise_distance((MANY, MANY), budget=1e30),
        lambda: kernel(MANY),
        lambda: kernel(MANY, kernel="log-cholesky"),
        lambda: kernel(MANY, kernel="gaussian", metric="stein", gamma=1.0),
        lambda: kernel(modes(LATENTS)[0], form="unfolding"),
    ],
)
@pytest.mark.filterwarnings("ignore:the gaussian kernel")
def test_tables_that_no_machine_holds_are_refused_before_any_work(call):
    words = r"10000000 x 10000000 pairs takes 745058\.06 GiB .* device is .*; work in blocks"
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.usefixtures("small_machine")
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: feature_map(np.ones((2000, 16, 16))), "2000 samples x 272 features takes 4.15 M"),
        (lambda: feature_map(np.ones((2000, 16, 16)), "log-cholesky"), "2000 samples x 136 feat"),
        (
            lambda: feature_map(np.ones((2000, 16, 4)), form="factor"),
            "272 features .* in tiles, use Ny",
        ),
        (
            lambda: feature_map(modes(np.ones((1000, 16, 2, 2))), form="factor"),
            "1000 samples x 284 features",
        ),
        (lambda: mode_covariances(np.ones((1000, 16, 2, 2))), "1000 covariances of 16x16"),
        (
            lambda: pair_distance(np.ones((1000, 1, 2, 2)), np.ones((1000, 2, 2))),
            "distances of 1000000 pairs takes 7.63 MiB",
        ),
        (
            lambda: Nystroem(900).fit(np.ones((2000, 2, 2))).transform(np.ones((2000, 2, 2))),
            "900 x 900 pairs takes 6.18 MiB",
        ),
    ],
)
def test_results_beyond_the_device_are_refused_with_the_number_and_a_way_out(call, words):
    with pytest.raises(ValueError, match=words) as refusal:
        call()
    assert "memory of this device is 1.00 MiB; " in str(refusal.value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda x: pairwise_distance(x, metric="log-cholesky", budget=3e6),
            r"Cholesky factors of 300 .* needs 3.55 MiB .* raise budget=",
        ),
        (lambda x: kernel(x, kernel="log-cholesky", budget=3e6), "Cholesky factors of 300"),
        (lambda x: pairwise_distance((x, x), budget=1e6), "product over modes of 300 x 300 pairs"),
        (lambda x: kernel((x, x), (x[:90], x[:90]), budget=1e5), "modes of 300 x 90 pairs"),
        (lambda x: kernel(x, budget=1e5), "factors of 300 matrices"),
    ],
)
def test_temporaries_beyond_the_budget_are_refused(call, words, monkeypatch):
    work = []
    monkeypatch.setattr(_flat, "add_product", lambda *a: work.append(a))
    with pytest.raises(ValueError, match=words):
        call(np.broadcast_to(np.eye(33), (300, 33, 33))[:, :32, :32])
    assert not work


def test_results_made_a_few_samples_at_a_time_are_the_same(monkeypatch):
    z = np.random.default_rng(0).normal(size=(23, 5, 3, 3)).astype(np.float32)
    x = z.reshape(23, 5, 9).astype(np.float64)
    s = x @ x.swapaxes(-1, -2)
    calls = [
        lambda: mode_covariances(z)[2],
        lambda: feature_map(modes(z), form="unfolding"),
        lambda: feature_map(x, form="unfolding"),
        lambda: feature_map(s),
        lambda: feature_map(s, "log-cholesky"),
    ]
    whole = [call() for call in calls]

    def by_five(out, function, bytes_each):
        for start in range(0, len(out), 5):
            out[start : start + 5] = function(slice(start, start + 5))
        return out

    monkeypatch.setattr(unfolding, "fill", by_five)
    monkeypatch.setattr(
        sys.modules["latentgeo.geometry.kernels"],
        "tiles",
        lambda count, *given: [slice(start, start + 5) for start in range(0, count, 5)],
    )
    for call, expected in zip(calls, whole, strict=True):
        np.testing.assert_allclose(call(), expected, rtol=1e-12, atol=1e-12)


MEASURED = """
import json, sys
import numpy as np
from pathlib import Path
from latentgeo import geometry

def peak():
    status = Path("/proc/self/status").read_text()
    return int(next(x for x in status.splitlines() if x.startswith("VmHWM")).split()[1]) * 1024

x = np.random.default_rng(0).normal(size=(1200, 96, 40)).astype(np.float32)
definite = np.random.default_rng(0).normal(size=(400, 60, 90))
definite = definite @ definite.swapaxes(-1, -2)
budget = 2.0**27
calls = {
    "gram": lambda n: geometry.kernel(x[:n], form="unfolding", budget=budget),
    "features": lambda n: geometry.feature_map(x[:n], form="unfolding"),
    "distances": lambda n: geometry.pairwise_distance(
        x[:n], metric="pseudo-log", form="unfolding", budget=budget),
    "pairs": lambda n: geometry.pairwise_distance(
        definite[: n // 5], metric="affine-invariant", budget=budget),
    "cholesky": lambda n: geometry.pairwise_distance(
        definite[: n // 3], metric="log-cholesky", budget=budget),
}
found = {}
for name, call in calls.items():
    call(30)
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    result = call(1200)
    found[name] = peak() - before - result.nbytes
print(json.dumps(found))
"""


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="peaks are measured by Linux alone"
)
def test_no_call_takes_more_than_its_budget():
    done = subprocess.run(
        [sys.executable, "-c", MEASURED], check=True, capture_output=True, text=True
    )
    found = json.loads(done.stdout)
    assert {name: size for name, size in found.items() if size > 2**27} == {}
