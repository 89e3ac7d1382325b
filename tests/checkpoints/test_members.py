import pytest
import torch
from torch import nn

from latentgeo.checkpoints.members import Tapped, find_decoder, find_encoder
from latentgeo.errors import InputError

from .nets import Burgess, small

IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_methods_and_submodules_are_found_by_their_usual_names():
    net = small()
    torch.testing.assert_close(find_encoder(net, None, ())(IMAGES), net.encode(IMAGES))
    latents = net.encode(IMAGES)
    torch.testing.assert_close(find_decoder(net, None, ())(latents), net.decode(latents))
    other = Burgess()
    grey = torch.rand(2, 1, 32, 32)
    torch.testing.assert_close(find_encoder(other, None, ())(grey), other.encoder(grey))


def test_what_cannot_be_called_encodes_nothing():
    net = nn.Module()
    net.encoder = nn.ModuleList([nn.Linear(2, 2)])
    with pytest.raises(InputError, match=r"or a layer .*encoder\.0"):
        find_encoder(net, None, ())


def test_named_parts():
    net = small()
    torch.testing.assert_close(find_encoder(net, "down.0", ())(IMAGES), net.down[0](IMAGES))
    with pytest.raises(InputError, match="model Small has no 'encodr'"):
        find_encoder(net, "encodr", ())
    with pytest.raises(InputError, match="'training' of model Small is a bool"):
        find_encoder(net, "training", ())


def test_a_part_holds_all_weights_and_the_mode():
    part = find_encoder(small(), None, ())
    assert len(list(part.parameters())) == len(list(small().parameters()))
    assert not part.eval().net.down.training


def test_nothing_to_find_lists_the_modules():
    with pytest.raises(
        InputError, match=r"has no 'encode' or 'encoder' to call.*Its modules are: 0, 1"
    ):
        find_encoder(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), None, ())
    assert find_decoder(nn.Linear(2, 2), None, ()) is None


def test_a_layer_gives_what_it_gave():
    net = small()
    tapped = Tapped(net, ["bottleneck"])
    torch.testing.assert_close(tapped(IMAGES), net.encode(IMAGES))
    assert tapped.shapes == {"bottleneck": (4, 2, 2)}
    assert not net.bottleneck._forward_hooks  # nothing stays behind


def test_several_layers_in_one_pass():
    net = small()
    passes = []
    net.register_forward_hook(lambda *_: passes.append(1))
    tapped = Tapped(net, ["down.0", "bottleneck", "head"])
    values = tapped(IMAGES)
    assert len(passes) == 1
    assert tapped.shapes == {"down.0": (8, 4, 4), "bottleneck": (4, 2, 2), "head": (2, 1, 1)}
    expected = [net.down[0](IMAGES), net.encode(IMAGES), net(IMAGES)[1]]
    torch.testing.assert_close(values, torch.cat([part.flatten(1) for part in expected], dim=1))


def test_a_layer_that_never_fires_is_an_error_with_the_names():
    with pytest.raises(InputError, match=r"'unused' was not used .* down, down.0, .*bottleneck"):
        Tapped(small(), ["unused"])(IMAGES)
    assert not small().down._forward_hooks
    with pytest.raises(InputError, match="'bottlneck' does not exist; did you mean 'bottleneck'"):
        Tapped(small(), ["bottlneck"])


def test_a_layer_that_runs_twice_is_ambiguous():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x):
            return self.layer(self.layer(x))

    with pytest.raises(InputError, match="ran 2 times in one pass"):
        Tapped(Twice(), ["layer"])(torch.zeros(2, 4))


def test_a_layer_whose_output_is_no_latent():
    with pytest.raises(InputError, match=r"layer 'lstm' gives 2 values"):
        Tapped(nn.ModuleDict({"lstm": nn.LSTM(4, 4)}), ["lstm"], "lstm")(torch.zeros(2, 3, 4))


def test_layers_have_a_decoder_only_by_name():
    net = small()
    assert find_decoder(net, None, ["bottleneck"]) is None
    assert find_decoder(net, "decode", ["bottleneck"]) is not None
    with pytest.raises(InputError, match="2 layers have no decoder in common"):
        find_decoder(net, "decode", ["bottleneck", "down"])
