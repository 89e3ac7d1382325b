import math

import numpy as np
import pytest
import torch

from latentgeo.metrics.line_images import render_lines

STYLES = ("paper", "smooth")


def inked(rows, columns):
    image = np.full((32, 32), -1.0, dtype=np.float32)
    image[rows, columns] = 1
    return image


def slow_line(angle):
    """Draw one line pixel by pixel, by what the benchmark says of it."""
    column, row = 16 + 15 * math.cos(angle), 16 - 15 * math.sin(angle)
    upright = abs(row - 16) >= abs(column - 16)
    ends = sorted([(16.0, 16.0), (row, column) if upright else (column, row)])
    (v0, u0), (v1, u1) = ends
    total = np.zeros((32, 32))
    for r in range(math.floor(v0), math.ceil(v1)):
        weight = math.ceil(v0) - v0 if r < math.ceil(v0) else 1.0
        begin = u0 - 1 + (r - v0 - 0.5) * (u1 - u0) / (v1 - v0)
        for pixel in range(32):
            overlap = max(0.0, min(begin + 2, pixel + 1) - max(begin, pixel))
            place = (r, pixel) if upright else (pixel, r)
            total[place] += weight * overlap
    return np.clip(2 * total - 1, -1, 1)


ANCHORS = {
    0.0: (slice(15, 17), slice(16, 31)),
    math.pi / 2: (slice(1, 16), slice(15, 17)),
    math.pi: (slice(15, 17), slice(1, 16)),
    3 * math.pi / 2: (slice(16, 31), slice(15, 17)),
}


@pytest.mark.parametrize("angle", ANCHORS)
def test_anchors_of_the_benchmark_bit_for_bit(angle):
    image = render_lines(np.array([angle]))[0, 0]
    if angle <= math.pi / 2:
        np.testing.assert_array_equal(image, inked(*ANCHORS[angle]))
    else:
        np.testing.assert_allclose(image, inked(*ANCHORS[angle]), atol=1e-6)


@pytest.mark.parametrize("angle", ANCHORS)
def test_smooth_lines_agree_at_multiples_of_90_degrees(angle):
    image = render_lines(np.array([angle]), "smooth")[0, 0]
    np.testing.assert_allclose(image, inked(*ANCHORS[angle]), atol=1e-5)


def test_agrees_with_drawing_pixel_by_pixel():
    angles = np.concatenate(
        [np.random.default_rng(0).uniform(-7, 7, 300), np.arange(8) * math.pi / 4 + 1e-9]
    )
    expected = np.stack([slow_line(angle) for angle in angles])
    np.testing.assert_allclose(render_lines(angles)[:, 0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("degrees", "jump"), [(135, 10), (315, 10), (45, 3), (225, 3), (306.869898, 2.5)]
)
def test_the_paper_style_jumps_and_the_smooth_one_does_not(degrees, jump):
    around = np.deg2rad(degrees) + np.array([-1e-7, 1e-7])
    before, after = render_lines(around)
    assert np.linalg.norm(after - before) == pytest.approx(jump, abs=0.5)
    smooth = render_lines(around, "smooth")
    assert np.linalg.norm(smooth[1] - smooth[0]) < 1e-3


def test_smooth_neighbours_come_as_close_as_their_angles_everywhere():
    for count in (2_000, 8_000):
        images = render_lines(np.linspace(0, 2 * math.pi, count), "smooth")
        steps = np.linalg.norm((images[1:] - images[:-1]).reshape(count - 1, -1), axis=1)
        # A line turned by d moves its pixels by at most 15 d, and some 60 of them are edges.
        assert steps.max() * count / (2 * math.pi) < 2 * 15 * math.sqrt(60)
        assert steps.min() > 0


@pytest.mark.parametrize("style", STYLES)
def test_shape_range_and_period(style):
    angles = np.random.default_rng(1).uniform(0, 2 * math.pi, 50)
    images = render_lines(angles, style)
    assert images.shape == (50, 1, 32, 32)
    assert images.dtype == np.float32
    assert images.min() == -1
    assert images.max() == pytest.approx(1)
    np.testing.assert_allclose(render_lines(angles + 2 * math.pi, style), images, atol=1e-5)


@pytest.mark.parametrize("style", STYLES)
def test_an_image_does_not_depend_on_its_batch(style):
    angles = np.random.default_rng(2).uniform(0, 2 * math.pi, 2_500)
    images = render_lines(angles, style)
    np.testing.assert_array_equal(render_lines(angles[1_500:1_510], style), images[1_500:1_510])


def test_gives_back_the_kind_that_came():
    angles = torch.linspace(0, 6, 5)
    images = render_lines(angles)
    assert isinstance(images, torch.Tensor)
    assert images.dtype == torch.float32
    np.testing.assert_array_equal(render_lines(angles.numpy()), images.numpy())
    assert render_lines(np.empty(0)).shape == (0, 1, 32, 32)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="style is 'thick'; expected one of 'paper', 'smooth'"):
        render_lines(np.zeros(2), "thick")
    with pytest.raises(ValueError, match=r"shape \(2, 1\); expected \(n,\)"):
        render_lines(np.zeros((2, 1)))
    with pytest.raises(ValueError, match="1 NaN or infinite values, the first at 1"):
        render_lines(np.array([0, np.nan]))
    with pytest.raises(TypeError, match="dtype <U1; expected real numbers"):
        render_lines(np.array(["a"]))
    with pytest.raises(TypeError, match=r"dtype torch.bool; expected real numbers"):
        render_lines(torch.zeros(2, dtype=torch.bool))
