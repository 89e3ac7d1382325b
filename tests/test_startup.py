"""What a start does not wait for, seen by what is loaded, not by the clock."""

import json
import re
import subprocess
import sys
from importlib.metadata import requires

import pytest

HEAVY = {
    "torch",
    "numpy",
    "scipy",
    "sklearn",
    "pandas",
    "xarray",
    "zarr",
    "matplotlib",
    "geomstats",
    "torchmetrics",
    "pooch",
    "requests",
    "jinja2",
    "PIL",
    "diffusers",
    "huggingface_hub",
    "tensorboard",
}
# What the command line is made of; pydantic is typer's.
COMMAND_LINE = {"typer", "rich", "click", "pydantic"}
_COMMAND = """
from latentgeo.cli import main
try:
    main({arguments})
except SystemExit as left:
    assert not left.code, left.code
"""
_REPORT = "\nimport json, sys; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"


def loaded(program):
    done = subprocess.run(
        [sys.executable, "-c", program + _REPORT], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in json.loads(done.stderr.splitlines()[-1])}


def test_importing_latentgeo_loads_no_library():
    modules = loaded("import latentgeo; dir(latentgeo); latentgeo.__version__")
    assert "latentgeo" in modules
    assert modules & (HEAVY | COMMAND_LINE) == set()


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["train", "--help"], ["analyze", "--help"]]
)
def test_help_and_version_load_nothing_but_the_command_line(arguments):
    modules = loaded(_COMMAND.format(arguments=arguments))
    assert "typer" in modules
    assert modules & HEAVY == set()


def test_what_is_looked_for_would_be_seen():
    assert {"torch", "numpy", "PIL"} <= loaded("import latentgeo; latentgeo.train")


def test_training_does_not_wait_for_what_only_the_analysis_needs():
    modules = loaded("import latentgeo; latentgeo.train")
    assert modules & {"matplotlib", "geomstats", "xarray", "zarr", "diffusers"} == set()


@pytest.mark.parametrize("name", ["analyze", "load", "read"])
def test_an_analysis_begins_before_its_libraries_are_loaded(name):
    modules = loaded(f"import latentgeo; latentgeo.{name}")
    assert {"torch", "numpy"} <= modules
    assert modules & (HEAVY - {"torch", "numpy", "PIL"}) == set()


def test_no_gpu_package_is_required():
    names = [re.split(r"[^A-Za-z0-9._-]", line)[0].lower() for line in requires("latentgeo") or []]
    assert "torch" in names
    gpu = re.compile(r"nvidia|cuda|cupy|triton|rocm|xformers|bitsandbytes|-gpu$")
    assert [name for name in names if gpu.search(name)] == []
