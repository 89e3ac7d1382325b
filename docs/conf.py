"""Sphinx settings; `docs/build.py` lays out the pages that they are applied to."""

from typing import Any

from docutils.utils.math.latex2mathml import tex2mathml

from latentgeo import __version__

project = "latentgeo"
author = "The latentgeo developers"
release = __version__
root_doc = "README"
extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc"]
exclude_patterns: list[str] = []
autodoc_typehints = "none"
numpydoc_show_class_members = False
nb_execution_mode = "off"
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

    translator.body.append(tex2mathml(node.astext(), as_block=block))
    raise SkipNode


def setup(app: Any) -> None:
    """Add what Sphinx asks for."""
    app.add_html_math_renderer("mathml", (write_inline, None), (write_block, None))
