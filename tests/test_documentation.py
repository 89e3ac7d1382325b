"""What the documentation needs to stay whole; CI builds the site itself."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


def module(name):
    """Load a script of the documentation."""
    sys.path.insert(0, str(DOCS))
    try:
        spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
    finally:
        sys.path.remove(str(DOCS))
    return loaded


@pytest.fixture(scope="module")
def pages():
    return module("pages")


def test_every_measure_states_itself(pages):
    from latentgeo.measures import MEASURES

    text = pages.measures_table()
    assert all(f"(`{name}`)" in text for name in MEASURES)
    rows = [line for line in text.splitlines() if line.startswith("| **")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {7}


def test_every_command_is_listed_with_its_options(pages):
    from latentgeo.cli.running import COMMANDS

    text = pages.commands_text()
    assert all(f"\n## latentgeo {name}" in f"\n{text}" for name in COMMANDS)
    assert {"`--kernel ", "`--learning-rate "} <= set(re.findall(r"`--[a-z-]+ ", text))


def test_every_public_name_has_its_place_in_the_reference(pages, tmp_path):
    import latentgeo
    from latentgeo import geometry

    pages.reference_text(tmp_path / "api")
    for package in (latentgeo, geometry):
        page = (tmp_path / "api" / f"{package.__name__}.rst").read_text(encoding="utf-8")
        named = set(re.findall(r"^\.\. (?:auto\w+|py:data):: (\w+)$", page, re.MULTILINE))
        assert named == set(package.__all__) - {"__version__"}


LINK = re.compile(r"\]\(([^)#\s]+\.md)?(?:#([^)\s]+))?\)")


def anchors(path):
    """Return the anchors of a page's headings, as GitHub names them."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda path: path.stem)
def test_links_hold_on_github_too(page):
    for file, place in LINK.findall(page.read_text(encoding="utf-8")):
        target = (page.parent / file).resolve() if file else page
        assert target.is_file(), file
        assert not place or place in anchors(target), (file, place)


def test_links_to_nowhere_are_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<h1 id="top"></h1><a href="b.html#no">x</a><a href="#top">y</a><img src="c.svg">'
        '<a href="https://example.org/">z</a>',
        encoding="utf-8",
    )
    (tmp_path / "b.html").write_text('<p id="yes">', encoding="utf-8")
    assert list(module("build").broken_links(tmp_path)) == [
        "a.html: b.html#no: no such place",
        "a.html: c.svg: no such file",
    ]
