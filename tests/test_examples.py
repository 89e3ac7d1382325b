"""Every public function has an example in its docstring, and every example holds."""

import dataclasses
import doctest
import inspect
from importlib import import_module

import pytest

import latentgeo

PACKAGES = ("latentgeo", "latentgeo.geometry", "latentgeo.metrics", "latentgeo.results")


def is_made_by_a_function(value):
    """Tell whether users meet a class as what a function returns or raises, and make none."""
    return inspect.isclass(value) and (
        issubclass(value, (tuple, Warning)) or dataclasses.is_dataclass(value)
    )


def public():
    """Yield the functions, and the classes that users make, by their name."""
    for package in PACKAGES:
        module = import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value) and not is_made_by_a_function(value):
                yield pytest.param(value, id=f"{package}.{name}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Make the runs and the analyses that examples name."""
    place = tmp_path_factory.mktemp("examples")
    few = {"samples": 12, "noise": [0, 0.1], "tsne_seeds": (), "halves": 2}
    for recipe in ("cae", "vae"):
        run = latentgeo.train(
            recipe,
            data="digits",
            out=place / "runs" / recipe,
            backbone="mlp",
            options={"hidden": [16], "latent_dim": 4},
            epochs=1,
            batch_size=256,
            progress=False,
        )
        latentgeo.analyze(run, data="digits", out=place / "results" / recipe, **few)
    return place


@pytest.mark.filterwarnings("ignore")  # models of one epoch have not learned, and say so
@pytest.mark.parametrize("value", list(public()))
def test_the_example_holds(value, folder, monkeypatch):
    monkeypatch.chdir(folder)
    examples = doctest.DocTestParser().get_doctest(
        inspect.getdoc(value), {}, value.__qualname__, None, None
    )
    assert examples.examples, "it has no example"
    said = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(examples, out=said.append)
    assert not said, "".join(said)
