"""The sides of the training benchmark, at sizes that take no time: they have to do the same."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from latentgeo.datasets import ImageDataset

SMALL = {
    "mlp": {"hidden": (8,), "latent_dim": 3},
    "sctc": {"widths": (2, 3, 4)},
    "aae": {"hidden": (8,), "latent_dim": 3, "discriminator": (8,)},
    "acai-net": {"depth": 2, "latent_channels": 3},
    "acai": {"depth": 2, "latent_channels": 3, "critic_depth": 2},
}
BATCH, STEPS = 8, 4

pytestmark = pytest.mark.filterwarnings("ignore:.*has not learned")


@pytest.fixture(scope="module")
def training(load_benchmark):
    return load_benchmark("training")


@pytest.fixture
def images():
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH * STEPS, 16, 16), dtype=np.uint8)
    return ImageDataset.from_array(pixels)


def small(training, name):
    case = training.CASES[name]
    return replace(case, batch=BATCH, options={**case.options, **SMALL[name]})


def unfused_adam(net, rate, beta1):
    return torch.optim.Adam(net.parameters(), lr=rate, betas=(beta1, 0.999), fused=False)


def test_every_case_is_checked(training):
    assert set(SMALL) == set(training.CASES)


@pytest.mark.parametrize("name", SMALL)
def test_our_loop_and_the_bare_one_come_to_the_same_weights(training, images, monkeypatch, name):
    # The fused optimiser does not look at how gradients lie in memory; this one does.
    monkeypatch.setattr(training, "adam", unfused_adam)
    case = small(training, name)
    steps = []
    ours, bare = (
        side(case, images, "cpu", lambda: steps.append(1))
        for side in (training.ours, training.bare)
    )
    assert len(steps) == 2 * STEPS
    start = training.fresh(case, images).state_dict()
    assert ours.keys() == bare.keys() == start.keys()
    for weight in ours:
        torch.testing.assert_close(ours[weight], bare[weight], rtol=1e-5, atol=1e-6)
        assert not torch.equal(ours[weight], start[weight]), f"{weight} was not trained"


@pytest.mark.pythae
@pytest.mark.parametrize("name", SMALL)
def test_the_trainer_of_pythae_trains_the_same_net(training, images, name):
    case = small(training, name)
    steps = []
    trained = training.pythae(case, images, "cpu", lambda *given, **named: steps.append(1))
    if name == "acai":
        assert trained is None
        return
    start = training.fresh(case, images).state_dict()
    assert len(steps) == STEPS
    assert trained.keys() == start.keys()
    for weight in start:
        assert not torch.equal(trained[weight], start[weight]), f"{weight} was not trained"


@pytest.mark.parametrize("name", SMALL)
def test_mixed_precision_trains_the_same_net(training, images, name):
    case = small(training, name)
    mixed, ours = (
        side(case, images, "cpu", lambda: None) for side in (training.ours_bf16, training.ours)
    )
    start = training.fresh(case, images).state_dict()
    for weight in start:
        assert mixed[weight].dtype == torch.float32
        # Adam's first steps are of one length, whatever the gradient: those that bfloat16 turns
        # round, which are next to nothing, go the other way.
        assert float((mixed[weight] - ours[weight]).abs().max()) <= 2 * STEPS * training.RATE
        assert not torch.equal(mixed[weight], start[weight]), f"{weight} was not trained"


def test_operations_are_counted(training, images):
    case = small(training, "mlp")
    # 256 to 8 to 3 and back; two operations a weight forward, twice that backward, but no
    # gradient of the images.
    weights = 2 * (256 * 8 + 8 * 3)
    assert training.work_per_image(case, images) == 2 * (3 * weights - 256 * 8)


def test_the_table_has_a_row_for_each_net_and_dashes_where_there_is_no_peer(training):
    # Seconds of 1280 images; the machine gets slower all the time, for all of them alike.
    slower = np.linspace(1, 3, 41)
    sides = {"ours": 10.0, "bare": 9.0, "pythae": 15.0, "bf16": 5.0, "matrix": 0.2}
    mlp = {side: list(seconds * slower) for side, seconds in sides.items()}
    acai = {side: seconds for side, seconds in mlp.items() if side != "pythae"}
    work = {"mlp": 5e6, "acai": 1e8}
    table = training.to_table({"mlp": mlp, "acai": acai}, 41, (0.0, 0.0, 0.0), work, "cpu")
    bare, peer, mixed = "0.90 [0.90, 0.90]", "1.50 [1.50, 1.50]", "2.00 [2.00, 2.00]"
    # 1280 images of 5 MFLOP in 10 s, where ten products of 7.25 GFLOP take 0.2 s.
    row = f"| 128 | 64 | 71 | 43 | {bare} | {peer} | 5.0 | 0% | 128 | {mixed} |"
    assert f"| MLP 512/256, latent 32 {row}" in table
    row = f"| 64 | 6 | 7 | – | {bare} | – | 100.0 | 2% | 13 | {mixed} |"
    assert f"| ACAI with its critic {row}" in table


def test_the_interval_of_a_ratio_holds_its_median_and_not_all_rounds(training):
    ratios = np.random.default_rng(0).uniform(0.5, 1.5, 40)
    text = training._ratio(list(ratios), [1.0] * 40)
    median, low, high = (float(part.strip("[],")) for part in text.split())
    ordered = np.sort(ratios)
    # Order statistics of a binomial with 40 draws: the 14th and the 27th.
    assert (median, low, high) == pytest.approx(
        (np.median(ratios), ordered[13], ordered[26]), abs=0.006
    )
