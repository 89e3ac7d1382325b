import sys
from pathlib import Path

import pytest
from torch import nn

from latentgeo.checkpoints import consent
from latentgeo.checkpoints.factories import (
    allow,
    digest_of_code,
    find_factory,
    is_allowed,
    make_module,
    relative_to,
    same_code,
)
from latentgeo.errors import InputError

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _own_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(consent, "user_config_path", lambda _: tmp_path / "settings")


def test_a_factory_in_a_file():
    module = make_module(find_factory("nets.py:Small", HERE), {"code": 5}, "nets.py:Small")
    assert module.bottleneck.out_channels == 5


def test_a_factory_in_a_module_and_one_in_the_working_directory(tmp_path, monkeypatch):
    assert find_factory("torch.nn:Identity", HERE) is nn.Identity
    assert find_factory("torch:nn.Identity", HERE) is nn.Identity
    (tmp_path / "mine_of_this_test.py").write_text(
        "from torch import nn\ndef make():\n    return nn.Identity()\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    assert isinstance(find_factory("mine_of_this_test:make", HERE)(), nn.Identity)
    assert sys.path == before


def test_a_file_may_import_what_lies_beside_it(tmp_path):
    (tmp_path / "parts_of_this_test.py").write_text("WIDTH = 7\n", encoding="utf-8")
    (tmp_path / "net.py").write_text(
        "from parts_of_this_test import WIDTH\nfrom torch import nn\n"
        "def make():\n    return nn.Linear(WIDTH, 1)\n",
        encoding="utf-8",
    )
    assert find_factory("net.py:make", tmp_path)().in_features == 7


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nets.py", "names no factory; expected package.module:factory or file.py:factory"),
        (":x", "names no factory"),
        ("missing.py:x", "does not exist; give the path of a .py file"),
        ("nets.py:Smll", "has no 'Smll'; it has .*Small"),
        ("nets.py:NUMBER", "is a int, expected a callable"),
        ("no_such_module_anywhere:x", "cannot be imported: ModuleNotFoundError"),
    ],
)
def test_what_cannot_be_found(name, message):
    with pytest.raises(InputError, match=message):
        find_factory(name, HERE)


def test_code_that_fails_is_told_in_one_line(tmp_path):
    (tmp_path / "bad.py").write_text("raise OSError('gone')", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be imported: OSError: gone"):
        find_factory("bad.py:x", tmp_path)
    with pytest.raises(InputError, match=r"failed: RuntimeError: no such luck;") as caught:
        make_module(find_factory("nets.py:fails", HERE), {}, "nets.py:fails")
    assert "second line" not in str(caught.value)
    with pytest.raises(InputError, match=r"gives a int, expected a torch\.nn\.Module"):
        make_module(find_factory("nets.py:number", HERE), {}, "nets.py:number")
    with pytest.raises(InputError, match=r"called with \{'depth': 3\}"):
        make_module(find_factory("nets.py:Small", HERE), {"depth": 3}, "nets.py:Small")


def test_consent_is_for_one_file_in_one_state(tmp_path):
    file = tmp_path / "net.py"
    file.write_text("def make(): ...", encoding="utf-8")
    assert not is_allowed("net.py:make", tmp_path)
    allow("net.py:make", tmp_path)
    assert is_allowed("net.py:make", tmp_path)
    assert not is_allowed("net.py:other", tmp_path)
    file.write_text("def make(): import os", encoding="utf-8")
    assert not is_allowed("net.py:make", tmp_path)


def test_a_broken_list_of_consents_allows_nothing(tmp_path):
    (tmp_path / "net.py").write_text("", encoding="utf-8")
    allow("net.py:make", tmp_path)
    (tmp_path / "settings" / "allowed.json").write_text("{", encoding="utf-8")
    assert not is_allowed("net.py:make", tmp_path)


def test_names_and_places(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "net.py").write_text("", encoding="utf-8")
    assert same_code("a/net.py:make", tmp_path, "net.py:make", tmp_path / "a")
    assert not same_code("a/net.py:make", tmp_path, "net.py:other", tmp_path / "a")
    assert relative_to("a/net.py:make", tmp_path, tmp_path / "a") == "net.py:make"
    assert relative_to("pkg.mod:make", tmp_path, tmp_path / "a") == "pkg.mod:make"
    assert digest_of_code("pkg.mod:make", tmp_path) is None
    assert len(digest_of_code("net.py:make", tmp_path / "a")) == 64
