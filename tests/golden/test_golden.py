"""What an analysis says does not change by accident: its summary and the words of its report.

After a change that is meant, write both files anew with ``python tests/golden/test_golden.py`` and
read the difference.
"""

import importlib.util
import json
import re
import tempfile
from html import unescape
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LABELS = ["CAE", "VAE", "CAE-MLP", "CAE seed 1", "VAE-MLP", "resnet:layer3.block 1"]


def synthetic_tree():
    """Build a small analysis of models of every kind, without any model."""
    path = HERE.parent / "figures" / "make_tree.py"
    spec = importlib.util.spec_from_file_location("synthetic_analysis", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make_tree(samples=24, noise=(0.0, 0.1, 0.5), shape=(8, 4, 4), only=LABELS)


def summary_of(tree):
    """Return what summary.json holds."""
    from latentgeo.measures import summarize

    return summarize(tree)


def words_of(tree):
    """Return the words of the report, one block a line."""
    from latentgeo.report import write_report
    from latentgeo.results import Analysis

    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        write_report(Analysis(tree, {"models": {}}), Path(folder) / "figures", page)
        text = page.read_text(encoding="utf-8")
    text = re.sub(r"(?s)<(style|script)>.*?</\1>|<pre.*?</pre>", "", text)
    text = re.sub(r"</(?:p|h\d|li|tr|dd|dt|div|title|summary|caption)>", "\n", text)
    lines = (re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", line)) for line in text.split("\n"))
    return [unescape(line).strip() for line in lines if line.strip()]


@pytest.fixture(scope="module")
def tree():
    return synthetic_tree()


def test_the_summary_is_as_it_was(tree):
    expected = json.loads((HERE / "summary.json").read_text(encoding="utf-8"))
    assert json.loads(json.dumps(summary_of(tree))) == expected


def test_the_report_says_what_it_said(tree):
    expected = (HERE / "report.txt").read_text(encoding="utf-8").split("\n")
    assert words_of(tree) == expected


if __name__ == "__main__":
    made = synthetic_tree()
    text = json.dumps(summary_of(made), indent=1)
    (HERE / "summary.json").write_text(text + "\n", encoding="utf-8")
    (HERE / "report.txt").write_text("\n".join(words_of(made)), encoding="utf-8")
