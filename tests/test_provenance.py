import json
import sys

import pytest

from latentgeo.provenance import provenance


def test_holds_the_facts_and_is_json():
    found = provenance(seed=3)
    assert json.loads(json.dumps(found)) == found
    assert found["seed"] == 3
    assert found["versions"]["numpy"]
    assert found["machine"]["cores"] >= 1


def test_command_names_no_folder_of_the_machine(monkeypatch):
    command = ["/usr/bin/latentgeo", "analyze", "/home/me/runs/cae", "--noise", "0,0.1", "runs/vae"]
    monkeypatch.setattr(sys, "argv", command)
    assert provenance()["command"] == "latentgeo analyze cae --noise 0,0.1 runs/vae"


@pytest.mark.parametrize(
    ("argument", "kept"),
    [
        ("faces=/home/me/faces@64", "faces=faces@64"),
        ("--out=/home/me/out", "--out=out"),
        ("a=/x/y,b=/z/w", "a=y,b=w"),
        ("runs/vae", "runs/vae"),
        ("nets.py:VAE", "nets.py:VAE"),
    ],
)
def test_a_folder_after_a_sign_is_not_named_either(argument, kept, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["latentgeo", argument])
    assert provenance()["command"] == f"latentgeo {kept}"
