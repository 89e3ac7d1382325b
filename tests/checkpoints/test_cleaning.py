import argparse
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from latentgeo.checkpoints.untrusted import Weights
from latentgeo.checkpoints.weights import fit_weights, read_weights
from latentgeo.errors import InputError


class Net(nn.Module):
    """An encoder with normalisation and a decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        self.decoder = nn.Linear(3, 4)


def other():
    """Return weights that no freshly made network has."""
    torch.manual_seed(11)
    return {
        name: torch.randn_like(value) if value.is_floating_point() else value + 5
        for name, value in Net().state_dict().items()
    }


def given(tensors):
    return Weights(dict(tensors), (), "0" * 64, Path("given.pt"))


def fitted(tensors, **options):
    """Fit tensors; check that the network now holds those of `other`; give the notes."""
    net = Net()
    fit = fit_weights(net, given(tensors), **options)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, other()[name], rtol=0, atol=0)
    assert not fit.missing
    assert not fit.unexpected
    return fit.notes


def refused(module, tensors, *words, **options):
    """Fit tensors, which must be refused in one line, leaving the module as it was."""
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(InputError) as caught:
        fit_weights(module, given(tensors), **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in ("'given.pt'", *words):
        assert word in message
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])


def prefixed(prefix, tensors=None):
    return {prefix + name: value for name, value in (tensors or other()).items()}


# Containers of training


def read(tmp_path, saved, **options):
    torch.save(saved, tmp_path / "w.ckpt")
    return read_weights(tmp_path / "w.ckpt", **options)


@pytest.mark.parametrize(
    "key",
    ["state_dict", "model_state_dict", "model", "params", "network", "net", "weights", "module"],
)
def test_takes_the_weights_from_a_container(tmp_path, key):
    found = read(tmp_path, {"epoch": 1, key: other(), "optimizer": {"state": {0: torch.ones(1)}}})
    assert found.notes == (f"took {key!r}", "left aside 'epoch', 'optimizer'")
    assert list(found.tensors) == list(other())


def test_takes_the_weights_from_nested_containers(tmp_path):
    found = read(tmp_path, {"model": {"state_dict": other(), "args": 3}})
    assert found.notes == ("took 'model'", "took 'state_dict'", "left aside 'args'")
    assert list(found.tensors) == list(other())


def test_a_module_called_model_is_no_container(tmp_path):
    found = read(tmp_path, prefixed("model."))
    assert found.notes == ()
    assert list(found.tensors) == list(prefixed("model."))


@pytest.mark.parametrize(
    "key",
    ["state_dict_ema", "model_ema", "ema", "ema_state_dict", "ema_model", "params_ema"],
)
def test_averaged_weights_are_taken_only_when_asked_for(tmp_path, key):
    plain = {name: torch.zeros_like(value) for name, value in other().items()}
    saved = {"state_dict": plain, key: other()}
    for ema in (None, False):
        found = read(tmp_path, saved, ema=ema)
        assert not found.tensors["decoder.weight"].any()
        assert found.notes[:2] == (
            "took 'state_dict'",
            f"EMA weights are there as well ({key!r}; take them with ema)",
        )
    found = read(tmp_path, saved, ema=True)
    assert found.notes[0] == f"took the EMA weights {key!r}"
    assert torch.equal(found.tensors["decoder.weight"], other()["decoder.weight"])


def test_averaged_weights_are_taken_where_there_are_no_others(tmp_path):
    found = read(tmp_path, {"ema": {"shadow": other()}, "step": 3})
    assert found.notes[0] == "took the EMA weights 'ema'"
    assert list(found.tensors) == list(other())


def test_averaged_weights_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match=r"holds no averaged \(EMA\) weights.*only 'state_dict'"):
        read(tmp_path, {"state_dict": other()}, ema=True)


def test_other_entries_are_named(tmp_path):
    found = read(tmp_path, {**other(), "epoch": 3, 5: torch.ones(2)})
    assert found.notes == ("left aside 'epoch', '5'",)
    assert list(found.tensors) == list(other())


def test_parts_saved_side_by_side_are_joined(tmp_path):
    net = Net()
    saved = {
        "encoder": net.encoder.state_dict(),
        "decoder": net.decoder.state_dict(),
        "optimizer_state_dict": {"a": torch.ones(2)},
        "step": 3,
    }
    found = read(tmp_path, saved)
    assert found.notes == (
        "left aside 'optimizer_state_dict', 'step'",
        "joined 'encoder', 'decoder'",
    )
    assert set(found.tensors) == set(net.state_dict())
    found = read(tmp_path, {"vae": other(), "optim": {"a": torch.ones(2)}})
    assert "took 'vae'" in found.notes
    assert list(found.tensors) == list(other())


def test_parts_are_named_as_the_modules_they_are_of(tmp_path):
    net = nn.ModuleDict({"encoder": nn.Linear(2, 3), "decoder": nn.Linear(3, 2)})
    for named in ("{}_state_dict", "{}_model_state_dict", "model_{}", "{}_weights", "{}"):
        saved = {named.format(part): net[part].state_dict() for part in net}
        torch.save({**saved, "optimizer_state_dict": {}, "epoch": 3}, tmp_path / "w.pt")
        assert list(read_weights(tmp_path / "w.pt").tensors) == list(net.state_dict())


def test_settings_of_the_training_are_told_where_weights_do_not_fit(tmp_path):
    saved = {"state_dict": nn.Linear(2, 3).state_dict()}
    for settings in (
        {"hyper_parameters": {"width": 3, "name": "a", "nested": {"b": 1}}},
        {"args": argparse.Namespace(width=3, name="a", path=Path("x"))},
    ):
        torch.save({**saved, **settings}, tmp_path / "w.ckpt")
        weights = read_weights(tmp_path / "w.ckpt")
        assert weights.settings == {"width": 3, "name": "a"}
        with pytest.raises(InputError, match=r"saved with the settings width=3, name='a'"):
            fit_weights(nn.Linear(2, 4), weights)


def test_one_part_under_many_names_is_no_way_to_use_up_time(tmp_path):
    level = {}
    for _ in range(4):
        level = {str(i): level for i in range(300)}
    with pytest.raises(InputError, match="holds no tensors by name"):
        read(tmp_path, level)
    level = {"a": torch.ones(1)}
    for _ in range(4):
        level = {str(i): level for i in range(100)}
    with pytest.raises(InputError, match="over 100000 tensors"):
        read(tmp_path, level)


# Names


def test_fits_as_it_is():
    assert fitted(other()) == ()


@pytest.mark.parametrize("prefix", ["module.", "model.", "net.", "first_stage.model.", "a.b.c.d."])
def test_takes_off_what_training_put_before_all_names(prefix):
    assert fitted(prefixed(prefix)) == (f"stripped the prefix {prefix!r}",)


def test_takes_off_what_compile_adds():
    assert fitted(prefixed("_orig_mod.")) == ("stripped '_orig_mod.'",)
    inside = {name.replace("encoder.", "encoder._orig_mod."): v for name, v in other().items()}
    assert fitted(inside) == ("stripped '_orig_mod.'",)
    assert fitted(prefixed("module._orig_mod.")) == (
        "stripped '_orig_mod.'",
        "stripped the prefix 'module.'",
    )


def test_takes_off_what_data_parallel_puts_around_a_part():
    inside = {name.replace("encoder.", "encoder.module."): v for name, v in other().items()}
    assert fitted(inside) == ("stripped 'module.'",)


@pytest.mark.parametrize("names", [("enc", "dec"), ("G", "netD"), ("0", "1"), ("decoder", "x")])
def test_parts_under_other_names_are_known_by_their_shapes(names):
    calls = dict(zip(("encoder", "decoder"), names, strict=True))
    saved = {
        f"{calls[name.partition('.')[0]]}.{name.partition('.')[2]}": value
        for name, value in other().items()
    }
    notes = fitted({**saved, "optimizer.step": torch.ones(1)})
    assert f"took {names[0]!r} for 'encoder', which it alone fits" in notes
    assert f"took {names[1]!r} for 'decoder', which it alone fits" in notes


def test_parts_that_fit_twice_are_not_guessed():
    net = nn.ModuleDict({"encoder": nn.Linear(2, 2), "decoder": nn.Linear(2, 2)})
    saved = {
        name.replace("encoder", "x").replace("decoder", "y"): value
        for name, value in net.state_dict().items()
    }
    refused(net, saved, "it lacks 4 tensors")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        *((f"decoder.{form}", "quantised") for form in ("weight_scale", "scale_weight", "SCB")),
        ("decoder.qweight", "quantised"),
        ("decoder.weight.absmax", "quantised"),
        ("encoder._flat_param", "FSDP flattened"),
        ("_fsdp_wrapped_module.flat_param", "FSDP flattened"),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_numbers_that_are_no_weights_alone_are_never_let_through(name, words, strict):
    refused(Net(), {**other(), name: torch.ones(1)}, words, repr(name), strict=strict)


@pytest.mark.parametrize("pack", [list, tuple])
def test_weights_in_a_list_beside_what_training_left(pack, tmp_path):
    found = read(tmp_path, pack([other(), {"state": {0: {"exp_avg": torch.ones(1)}}}, 3]))
    assert found.notes == ("left aside '1', '2'", "took '0'")
    assert list(found.tensors) == list(other())
    parts = [{name[8:]: v for name, v in other().items() if name[0] == part} for part in "de"]
    notes = fitted(read(tmp_path, pack(parts)).tensors)
    assert "took '1' for 'encoder', which it alone fits" in notes


def test_leaves_aside_other_modules_of_the_training_and_says_so():
    loss = {"loss.weight": torch.ones(2), "loss.bias": torch.ones(2)}
    assert fitted({**prefixed("net."), **loss}) == (
        "stripped the prefix 'net.' and left aside 2 tensors without it: "
        "'loss.weight', 'loss.bias'",
    )


def test_prefers_the_plain_weights_to_the_averaged_ones():
    wrong = {name: torch.zeros_like(value) for name, value in other().items()}
    notes = fitted({**prefixed("model_ema.", wrong), **prefixed("model.")})
    assert "stripped the prefix 'model.' and left aside 9 tensors" in notes[0]
    assert "'model_ema.encoder.0.weight'" in notes[0]


def test_does_not_choose_between_two_that_fit():
    both = {**prefixed("online."), **prefixed("target.")}
    refused(Net(), both, "fits 2 times, with the prefixes 'online.', 'target.'", "prefix=…")
    zeros = {name: torch.zeros_like(value) for name, value in other().items()}
    assert (
        "'target.'" in fitted({**prefixed("a.", zeros), **prefixed("target.")}, prefix="target.")[0]
    )
    refused(Net(), both, "no tensor", "has the prefix 'x.'", prefix="x.")


def test_takes_a_part_of_a_network():
    encoder = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    fit = fit_weights(encoder, given(other()))
    assert torch.equal(encoder[0].weight, other()["encoder.0.weight"])
    assert "left aside 2 tensors without it: 'decoder.weight', 'decoder.bias'" in fit.notes[0]


def test_does_not_take_off_a_prefix_that_does_not_help():
    refused(
        Net(),
        {f"mine.{name}x": value for name, value in other().items()},
        "shares 0 of 9 tensors",
        "it lacks 8 tensors: 'encoder.0.weight' (nearest: 'mine.encoder.0.weightx')",
        "it holds 9 tensors too many: 'mine.encoder.0.weightx'",
    )


def test_names_what_is_missing_and_what_is_too_many():
    changed = other()
    changed["decoder.weigth"] = changed.pop("decoder.weight")
    refused(
        Net(),
        changed,
        "it lacks 1 tensor: 'decoder.weight' (nearest: 'decoder.weigth')",
        "it holds 1 tensor too many: 'decoder.weigth' (nearest: 'decoder.weight')",
        "strict=False (--allow-mismatch)",
    )
    refused(Net(), {**other(), "extra": torch.ones(1)}, "1 tensor too many: 'extra'")


def test_names_are_counted_after_the_first_ones():
    refused(Net(), {"decoder.bias": other()["decoder.bias"]}, "'encoder.1.weight' and 4 more")


def test_goes_on_with_a_warning_where_that_is_asked_for():
    changed = other()
    changed["decoder.weigth"] = changed.pop("decoder.weight")
    net = Net()
    kept = net.decoder.weight.clone()
    with pytest.warns(UserWarning, match="it lacks 1 tensor: 'decoder.weight'") as caught:
        fit = fit_weights(net, given(changed), strict=False)
    assert len(caught) == 1
    assert fit.missing == ("decoder.weight",)
    assert fit.unexpected == ("decoder.weigth",)
    assert "1 tensor missing and left as they were: 'decoder.weight'" in fit.notes
    assert "1 tensor not used: 'decoder.weigth'" in fit.notes
    assert torch.equal(net.decoder.weight, kept)
    assert torch.equal(net.decoder.bias, changed["decoder.bias"])


def test_weights_that_have_nothing_in_common_are_refused_in_any_case():
    refused(Net(), {"a": torch.ones(1)}, "shares 0 of 9 tensors", strict=False)


def test_a_missing_counter_of_batches_is_reported_and_passes():
    changed = other()
    del changed["encoder.1.num_batches_tracked"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = fit_weights(Net(), given(changed))
    assert fit.missing == ("encoder.1.num_batches_tracked",)
    assert "encoder.1.num_batches_tracked" in fit.notes[0]


def test_a_tensor_that_is_saved_under_one_of_its_two_names():
    net = Net()
    net.again = net.decoder
    fit = fit_weights(net, given(other()))
    assert fit.missing == ()
    assert "'again.weight' is the same tensor as 'decoder.weight'" in fit.notes
    assert torch.equal(net.again.weight, other()["decoder.weight"])


def test_names_a_tensor_whose_shape_does_not_fit():
    changed = {**other(), "decoder.weight": torch.ones(4, 5)}
    words = ("tensor 'decoder.weight'", "has shape (4, 5), the model wants (4, 3)")
    refused(Net(), changed, *words)
    refused(Net(), changed, *words, strict=False)
    refused(Net(), prefixed("module.", changed), *words)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_converts_numbers_and_says_so(dtype):
    short = str(dtype).removeprefix("torch.")
    saved = {n: v.to(dtype) if v.is_floating_point() else v for n, v in other().items()}
    net = Net()
    fit = fit_weights(net, given(saved))
    assert fit.notes == (f"converted 8 tensors from {short} to float32",)
    assert net.decoder.weight.dtype == torch.float32
    assert torch.equal(net.decoder.weight, saved["decoder.weight"].float())


def test_refuses_numbers_that_conversion_would_break():
    wide = {n: v.double() if v.is_floating_point() else v for n, v in other().items()}
    wide["decoder.bias"][0] = 1e300
    refused(Net(), wide, "tensor 'decoder.bias'", "too large for float32")
    whole = {**other(), "decoder.bias": torch.ones(4, dtype=torch.int64)}
    refused(Net(), whole, "is of type int64, the model wants float32")
    refused(Net(), {**other(), "decoder.bias": torch.ones(4, dtype=torch.complex64)}, "complex64")


def test_refuses_a_module_that_does_not_know_its_shapes():
    refused(nn.Sequential(), {"a": torch.ones(1)}, "does not fit Sequential")
    with pytest.raises(InputError, match="does not know its shapes before its first pass"):
        fit_weights(nn.LazyLinear(3), given(other()))


def test_a_module_that_refuses_in_its_own_words():
    class Stubborn(Net):
        def load_state_dict(self, *_, **__):
            raise RuntimeError("no,\nthank you")

    refused(Stubborn(), other(), "Stubborn does not take 'given.pt': no, thank you")


def test_messages_name_the_path_that_is_given():
    with pytest.raises(InputError, match=r"'else\.pt' does not fit"):
        fit_weights(Net(), given({"a": torch.ones(1)}), path="else.pt")
