"""Sphinx settings; `docs/build.py` lays out the pages that they are applied to."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from docutils.utils.math.latex2mathml import tex2mathml

from latentgeo import __version__


def _can_open_taesd() -> bool:
    """Tell whether TAESD is at hand, for the notebook that opens it; CI asks for it."""
    data = os.environ.get("LATENTGEO_DATA")
    beside = Path(data).resolve().parent / "checkpoints" if data else Path()
    folder = Path(os.environ.setdefault("LATENTGEO_CHECKPOINTS", str(beside)))
    at_hand = (folder / "taesd").is_dir() and find_spec("diffusers") is not None
    return at_hand or os.environ.get("LATENTGEO_NO_SKIP") == "1"


project = "latentgeo"
author = "The latentgeo developers"
release = __version__
root_doc = "README"
extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc"]
exclude_patterns: list[str] = []
autodoc_typehints = "none"
numpydoc_show_class_members = False
# Notebooks are kept without outputs, and run here: what the site shows is of this code.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_output_stderr = "remove"
nb_execution_excludepatterns = [] if _can_open_taesd() else ["*your_checkpoint*"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
# A page of Markdown on GitHub and here: links to other pages, and from there to their headings.
myst_url_schemes = ["http", "https", "mailto"]

html_theme = "pydata_sphinx_theme"
html_title = f"latentgeo {release}"
html_show_sourcelink = False
html_copy_source = False
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_theme_options = {
    "header_links_before_dropdown": 9,
    "navigation_depth": 2,
    "collapse_navigation": True,
    "show_toc_level": 2,
    "secondary_sidebar_items": {"**": ["page-toc"], "docs/measures": []},
    "footer_start": ["copyright"],
    "footer_end": [],
    "navigation_with_keys": False,
}
html_sidebars = {"README": []}


def write_inline(translator: Any, node: Any) -> None:
    """Write a formula as MathML, which browsers know by themselves: no script, no network."""
    _write(translator, node, block=False)


def write_block(translator: Any, node: Any) -> None:
    """Write a displayed formula."""
    _write(translator, node, block=True)


def _write(translator: Any, node: Any, *, block: bool) -> None:
    from docutils.nodes import SkipNode

    formula = tex2mathml(node.astext(), as_block=block)
    # On a narrow screen a wide formula scrolls, which the keyboard has to reach.
    if block:
        formula = f'<div class="formula" tabindex="0">{formula}</div>'
    translator.body.append(formula)
    raise SkipNode


def open_to_all(app: Any, pagename: str, templatename: str, context: Any, doctree: Any) -> None:
    """Let the keyboard scroll tables and outputs, and say references as the list that they are."""
    body = context.get("body", "").replace('role="doc-biblioentry"', 'role="listitem"')
    context["body"] = body.replace('<table class="table', '<table tabindex="0" class="table')


def setup(app: Any) -> None:
    """Add what Sphinx asks for."""
    app.connect("html-page-context", open_to_all)
    app.add_html_math_renderer("mathml", (write_inline, None), (write_block, None))
