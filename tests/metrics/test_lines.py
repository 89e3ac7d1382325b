import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cosine

from latentgeo.metrics import line_interpolation_scores, render_lines

STEPS = 16
SHARE = np.linspace(0, 1, STEPS)


def lines(angles, style="paper"):
    """Draw lines at angles (pairs, steps)."""
    angles = np.asarray(angles)
    return render_lines(angles.ravel(), style).reshape(*angles.shape, 1, 32, 32)


def turn(first, last):
    """Turn evenly from one angle to the other: a perfect decoder."""
    first, last = np.asarray(first, dtype=float), np.asarray(last, dtype=float)
    return lines(first[:, None] + (last - first)[:, None] * SHARE)


def fade(first, last):
    """Interpolate pixels: what an autoencoder should not do."""
    ends = lines(np.stack([first, last], axis=1))
    share = SHARE[:, None, None, None]
    return (1 - share) * ends[:, :1] + share * ends[:, 1:]


def switch(first, last):
    """Stay at the first line, then at the last one."""
    return np.repeat(lines(np.stack([first, last], axis=1)), STEPS // 2, axis=1)


@pytest.fixture(scope="module")
def ends():
    return np.random.default_rng(0).uniform(0, 2 * math.pi, (2, 256))


def slow_scores(images, mode, references, style="paper"):
    """Score pair by pair and image by image, as the paper says it."""
    angles = [2 * math.pi * q / references for q in range(references)]
    real = render_lines(np.array(angles), style).reshape(references, -1).astype(float)
    distances, smoothness, shortest = [], [], []
    for path in images:
        nearest = []
        for image in path:
            each = [cosine(image.ravel().astype(float), line) for line in real]
            best = int(np.argmin(np.round(each, 12)))
            distances.append(each[best])
            nearest.append(angles[best])
        for n in range(1, len(nearest)):
            while nearest[n] - nearest[n - 1] > math.pi:
                nearest[n] -= 2 * math.pi
            while nearest[n] - nearest[n - 1] < -math.pi:
                nearest[n] += 2 * math.pi
        total = abs(nearest[-1] - nearest[0])
        if total < 1e-4:
            continue
        steps = [abs(b - a) for a, b in pairwise(nearest)]
        smoothness.append(max(steps) / total - 1 / len(steps))
        shortest.append(total <= math.pi)
    count = len(images) if mode == "paper" else len(smoothness)
    return np.mean(distances), sum(smoothness) / count, np.median(smoothness), np.mean(shortest)


@pytest.mark.parametrize(
    ("path", "distance", "smoothness"),
    [(turn, 1.7e-7, 0.001), (fade, 6.33e-3, 0.89), (switch, 1.8e-7, 0.933)],
)
def test_oracles_of_256_random_pairs(ends, path, distance, smoothness):
    # The pairs of the oracle are not known: its digits hold to the spread over draws of pairs.
    scores = line_interpolation_scores(path(*ends))
    assert scores.mean_distance == pytest.approx(distance, rel=0.05 if path is fade else 0.1)
    tolerance = {turn: 0.001, fade: 0.03, switch: 5e-4}[path]
    assert scores.smoothness == pytest.approx(smoothness, abs=tolerance)
    assert scores.undefined == 0


@pytest.mark.parametrize(
    ("path", "distance", "smoothness", "tolerance"),
    [
        (turn, 2.0e-7, 1.7e-5, 5e-7),
        # Two mirrored lines are equally near to some of its images: 0.921 and 0.940 are both right.
        (fade, 7.217e-3, 0.940, 0.021),
        (switch, 2.5e-7, 0.93333, 5e-6),
    ],
)
def test_oracles_of_one_pair(path, distance, smoothness, tolerance):
    scores = line_interpolation_scores(path([5 * math.pi / 7], [3 * math.pi / 2]))
    digits = 0.5e-6 if path is fade else 0.05e-7
    assert scores.mean_distance == pytest.approx(distance, abs=digits)
    assert scores.smoothness == pytest.approx(smoothness, abs=tolerance)
    assert scores.shortest_arc_rate == 1
    assert all(math.isnan(end) for pair in scores.intervals.values() for end in pair)


@pytest.mark.parametrize("mode", ["paper", "corrected"])
@pytest.mark.parametrize("style", ["paper", "smooth"])
@pytest.mark.parametrize("block", [7, 2048])
def test_agrees_with_a_slow_scorer(mode, style, block):
    rng = np.random.default_rng(3)
    first, last = np.array([[0.3, 1.0, 6.0, 4.0], [2.0, 5.5, 4.1, 5.0]])[..., None]
    images = lines(first + (last - first) * np.linspace(0, 1, 5), style)
    images[:, 1:-1] += rng.normal(0, 0.3, images[:, 1:-1].shape)
    images[3, -1] = images[3, 0]
    images = np.clip(images, -1, 1)
    found = line_interpolation_scores(images, mode, references=90, style=style, block=block)
    distance, smoothness, median, shortest = slow_scores(images, mode, 90, style)
    assert found.undefined == 1
    assert found.mean_distance == pytest.approx(distance, rel=1e-9)
    assert found.smoothness == pytest.approx(smoothness, rel=1e-9)
    assert found.smoothness_median == pytest.approx(median, rel=1e-9)
    assert found.shortest_arc_rate == shortest


def test_undefined_pairs_are_counted_in_both_modes(ends):
    images = turn(*ends[:, :4])
    images[:2] = images[:2, :1]
    paper, corrected = (line_interpolation_scores(images, mode) for mode in ("paper", "corrected"))
    assert paper.undefined == corrected.undefined == 2
    assert np.isnan(paper.pair_smoothness).tolist() == [True, True, False, False]
    assert np.isnan(paper.pair_shortest_arc).tolist() == [True, True, False, False]
    assert paper.smoothness == pytest.approx(corrected.smoothness / 2)
    assert paper.smoothness_median == corrected.smoothness_median
    assert paper.mean_distance == corrected.mean_distance


@pytest.mark.parametrize("mode", ["paper", "corrected"])
def test_a_decoder_of_one_line_has_no_smoothness(mode):
    scores = line_interpolation_scores(lines(np.ones((3, 4))), mode)
    assert scores.undefined == 3
    assert math.isnan(scores.smoothness)
    assert math.isnan(scores.smoothness_median)
    assert math.isnan(scores.shortest_arc_rate)
    assert scores.mean_distance < 1e-5


def test_the_long_way_round_shows_in_the_shortest_arc_rate():
    scores = line_interpolation_scores(turn([0.5, 0.5, 1.0], [1.5, 0.5 + 1.5 * math.pi, -4.0]))
    assert scores.pair_shortest_arc.tolist() == [1, 0, 0]
    assert scores.shortest_arc_rate == pytest.approx(1 / 3)
    assert scores.smoothness < 0.001
    np.testing.assert_allclose(scores.angle[2, -1] - scores.angle[2, 0], -5, atol=2e-3)


def test_smoothness_is_unbounded_and_its_median_is_not_moved():
    path = np.array([0.0, 1.0, 2.0, 1.0, 0.01])
    images = lines(np.stack([path, np.linspace(0, 1, 5), np.linspace(1, 3, 5)]))
    scores = line_interpolation_scores(images)
    assert scores.pair_smoothness[0] > 50
    assert scores.smoothness_median < 0.01


def test_intervals_hold_the_means_and_narrow_with_the_pairs(ends):
    few, many = (line_interpolation_scores(fade(*ends[:, :n])) for n in (16, 256))
    for name, (low, high) in many.intervals.items():
        assert low <= getattr(many, name) <= high
    widths = [np.diff(scores.intervals["mean_distance"])[0] for scores in (few, many)]
    assert widths[1] < 0.5 * widths[0]
    assert many.intervals == line_interpolation_scores(fade(*ends)).intervals


def test_takes_tensors_and_other_precisions(ends):
    images = fade(*ends[:, :3])
    expected = line_interpolation_scores(images)
    for given in (torch.from_numpy(images), torch.from_numpy(images).requires_grad_()):
        scores = line_interpolation_scores(given)
        assert scores.mean_distance == expected.mean_distance
        assert isinstance(scores.angle, np.ndarray)
    half = line_interpolation_scores(images.astype(np.float16))
    assert half.mean_distance == pytest.approx(expected.mean_distance, rel=1e-3)


BAD = {
    "mode is 'best'; expected 'paper' or 'corrected'": {"mode": "best"},
    "references is 1; expected a whole number from 2": {"references": 1},
    "block is 0; expected a whole number from 1": {"block": 0},
    "style is 'thick'": {"style": "thick"},
    r"shape \(2, 3, 32, 32\); expected \(pairs, steps, 1, 32, 32\)": {"shape": (2, 3, 32, 32)},
    "are 2 pairs of 1 steps; expected at least 1 pair and 2 steps": {"shape": (2, 1, 1, 32, 32)},
    "are 0 pairs of 2 steps": {"shape": (0, 2, 1, 32, 32)},
    r"lie in \[-1, 1.5\]; expected \[-1, 1\]": {"value": 1.5},
    r"1 images hold NaN or infinite values, the first at pair 1, step 2": {"value": np.nan},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    settings = dict(BAD[message])
    images = np.full(settings.pop("shape", (2, 3, 1, 32, 32)), -1.0)
    if "value" in settings:
        images[1, 2, 0, 5, 5] = settings.pop("value")
    with pytest.raises(ValueError, match=message):
        line_interpolation_scores(images, **settings)


def test_an_image_without_a_direction_is_named():
    images = lines(np.ones((2, 3)))
    images[1, 0] = 0
    with pytest.raises(ValueError, match="1 images are zero everywhere, the first at pair 1, step"):
        line_interpolation_scores(images)
