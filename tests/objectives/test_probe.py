import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from latentgeo.objectives import Probe


def latents(count=40, dimension=(3, 2, 2)):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, *dimension, generator=generator), torch.arange(count) % 4


def test_it_is_one_dense_softmax_layer_under_adam():
    points, labels = latents()
    probe, layer = Probe(12, 4, learning_rate=0.01), nn.Linear(12, 4)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    adam = torch.optim.Adam(layer.parameters(), lr=0.01, fused=True)
    for _ in range(5):
        loss = cross_entropy(layer(points.flatten(1)), labels)
        adam.zero_grad()
        loss.backward()
        adam.step()
        assert probe.descend(points, labels) == loss.detach()
    assert torch.equal(probe.layer.weight, layer.weight)
    assert torch.equal(probe.layer.bias, layer.bias)


def test_no_gradient_flows_back_and_nothing_is_drawn():
    points, labels = latents()
    points.requires_grad_()
    before = torch.get_rng_state()
    Probe(12, 4).descend(points, labels)
    assert points.grad is None
    assert torch.equal(torch.get_rng_state(), before)


def test_it_learns_what_a_line_can_tell():
    points, _ = latents(200)
    labels = (points.flatten(1)[:, 3] > 0).long()
    probe = Probe(12, 2, learning_rate=0.05)
    first = probe.measure(points, labels)
    for _ in range(100):
        probe.descend(points, labels)
    last = probe.measure(points, labels)
    assert first["probe"] == pytest.approx(torch.tensor(2.0).log())
    assert last["probe_accuracy"] > 0.97 > first["probe_accuracy"]


def test_half_precision_latents_are_taken():
    points, labels = latents()
    assert Probe(12, 4).descend(points.bfloat16(), labels).dtype == torch.float32
