import json
import sys

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
