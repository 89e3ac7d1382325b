"""What training leaves beside the weights: passed over by name, and never run."""

import argparse
import collections
import datetime
import enum
import functools
import pickle
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from latentgeo.checkpoints import open_checkpoint
from latentgeo.checkpoints.weights import read_weights
from latentgeo.errors import InputError

from .hostile import Payload, some_tensors
from .nets import Small, small

PROOF = []


def leaves_a_trace(*arguments):
    PROOF.append(arguments)
    return collections.OrderedDict()


class Traces:
    """Would call a function that is nobody's secret: no list of names could know it."""

    def __init__(self, *state):
        self.state = state

    def __reduce__(self):
        return leaves_a_trace, (1, "a"), {"b": 2}


class Settings(dict):
    """A dictionary of one's own, as configuration libraries have."""


class Stage(enum.Enum):
    FIT = "fit"


class Configuration:
    def __init__(self):
        self.path, self.nested = Path("data"), {"a": [1, 2.5, (3,)]}


class Slots:
    __slots__ = ("a",)

    def __init__(self):
        self.a = 3


def optimiser():
    net = small()
    made = torch.optim.Adam(net.parameters())
    net.decode(net.encode(torch.rand(1, 3, 8, 8))).sum().backward()
    made.step()
    return made


EXTRAS = {
    "a NumPy number": lambda: np.float64(0.25),
    "NumPy numbers": lambda: {"best": np.float32(1), "at": np.int64(3), "flag": np.bool_(True)},
    "an array": lambda: np.arange(6.0).reshape(2, 3),
    "a type of NumPy": lambda: np.dtype("float32"),
    "a Namespace": lambda: argparse.Namespace(lr=0.1, path=Path("a"), depth=[1, 2]),
    "a plain namespace": lambda: types.SimpleNamespace(lr=0.1),
    "a gradient scaler": lambda: torch.amp.GradScaler("cpu", enabled=False),
    "a generator": torch.Generator,
    "a prior": lambda: torch.distributions.Normal(torch.zeros(2), torch.ones(2)),
    "a partial function of Python's": lambda: functools.partial(max, 1),
    "a path": lambda: Path("runs") / "a",
    "an optimiser": optimiser,
    "a scheduler": lambda: torch.optim.lr_scheduler.StepLR(optimiser(), 2),
    "a default dictionary": lambda: collections.defaultdict(list, {"a": [1]}),
    "a queue": lambda: collections.deque([1, 2], maxlen=3),
    "a time": lambda: datetime.datetime(2020, 1, 2),
    "an enumeration": lambda: Stage.FIT,
    "an object": Configuration,
    "an object with slots": Slots,
    "a class": lambda: Configuration,
    "a function": lambda: leaves_a_trace,
    "a partial function": lambda: functools.partial(leaves_a_trace, 1),
    "pairs for names": lambda: {(0, "a"): 1},
    "a range": lambda: range(3),
    "a slice": lambda: slice(1, 2),
    "a frozen set": lambda: frozenset({1, 2}),
    "a big number": lambda: 1 << 200,
    "a dictionary of one's own": lambda: Settings(lr=0.1, inner=Settings(a=[1])),
    "what would run": Traces,
}


@pytest.fixture(autouse=True)
def _nothing_ran():
    PROOF.clear()
    yield
    assert PROOF == []


def _save(saved, path, kind, protocol):
    torch.save(
        saved, path, pickle_protocol=protocol, _use_new_zipfile_serialization=kind == "archive"
    )


def _same(found):
    assert list(found) == list(some_tensors())
    for name, value in some_tensors().items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0)


def test_a_trace_would_be_left():
    pickle.loads(pickle.dumps(Traces()))
    assert PROOF == [(1, "a")]
    PROOF.clear()


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*:UserWarning")
@pytest.mark.parametrize("kind", ["archive", "legacy"])
@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])  # 0 cannot hold tensors
@pytest.mark.parametrize("case", EXTRAS)
def test_the_tensors_are_taken_and_the_rest_is_named(case, protocol, kind, tmp_path):
    if case == "an object with slots":
        protocol = max(protocol, 2)  # pickle cannot write it before
    extra = EXTRAS[case]()
    path = tmp_path / "w.ckpt"
    _save(
        {"epoch": 3, "extra": extra, "state_dict": some_tensors(), "z": extra}, path, kind, protocol
    )
    found = read_weights(path)
    _same(found.tensors)
    assert "left aside 'epoch', 'extra', 'z'" in found.notes
    if "NumPy" in case or case in ("a Namespace", "a path", "an optimiser", "what would run"):
        (said,) = (note for note in found.notes if note.startswith("passed over"))
        words = {"a Namespace": "argparse.Namespace", "a path": "pathlib", "an optimiser": "Adam"}
        assert words.get(case, "leaves_a_trace" if "run" in case else "numpy") in said
    beside = {**some_tensors(), "extra": extra}
    _save(beside, path, kind, protocol)
    _same(read_weights(path).tensors)


def test_weights_in_a_dictionary_of_ones_own_are_found(tmp_path):
    for made in (Settings, lambda tensors: collections.defaultdict(int, tensors)):
        torch.save({"state_dict": made(some_tensors())}, tmp_path / "w.pt")
        _same(read_weights(tmp_path / "w.pt").tensors)


def test_a_whole_checkpoint_of_training_opens(tmp_path):
    saved = {
        "state_dict": {f"model.{name}": value for name, value in small().state_dict().items()},
        "optimizer": optimiser(),
        "hyper_parameters": argparse.Namespace(root=Path("data"), lr=np.float64(0.1)),
        "callbacks": {"best": np.float32(0.5), "at": Stage.FIT, "kept": Configuration()},
    }
    torch.save(saved, tmp_path / "last.ckpt")
    model = open_checkpoint(tmp_path / "last.ckpt", model=Small, image_shape=(3, 8, 8))
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(model.encode(images), small().encode(images))
    assert any("argparse.Namespace" in note for note in model.provenance["weights"])


@pytest.mark.parametrize("kind", ["archive", "legacy"])
@pytest.mark.parametrize("protocol", [1, 2, 4])
def test_an_attack_among_extras_is_still_refused(kind, protocol, tmp_path):
    saved = {"state_dict": some_tensors(), "a": argparse.Namespace(b=Payload(tmp_path / "ran"))}
    _save(saved, tmp_path / "w.ckpt", kind, protocol)
    with pytest.raises(InputError, match=r"builtins\.eval.*nothing of it was run"):
        read_weights(tmp_path / "w.ckpt")
    assert not (tmp_path / "ran").exists()


def test_what_holds_extras_alone_holds_no_weights(tmp_path):
    for saved in (Configuration(), {"args": argparse.Namespace(a=1)}, Traces(), [np.float64(1)]):
        torch.save(saved, tmp_path / "w.pt")
        with pytest.raises(InputError, match=r"save model\.state_dict\(\)"):
            read_weights(tmp_path / "w.pt")


def test_a_dictionary_within_itself_is_read(tmp_path):
    saved = {"state_dict": some_tensors()}
    saved["itself"] = saved
    torch.save(saved, tmp_path / "w.pt")
    _same(read_weights(tmp_path / "w.pt").tensors)
