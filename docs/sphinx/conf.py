"""Sphinx settings of the documentation site; `scripts/docs_site.py` calls Sphinx with them."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes

project = "From Keap to ChartMogul"
copyright = "the authors; MIT licence"  # noqa: A001 - Sphinx's name
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
nitpicky = True
# The log of a console session is not a language.
highlight_language = "none"

_RULE = re.compile(r"(?:0[a-h]|[1-79]\.\d{1,2})\Z")


def name_rules(app: Any, tree: nodes.document) -> None:
    """Give each rule of the mapping an anchor of its own, such as `#rule-4.3`; the first row with its number has it."""
    if app.env.docname != "mapping":
        return
    metadata = app.env.metadata["mapping"]
    for row in tree.findall(nodes.row):
        number = row.next_node(nodes.entry).astext().strip()
        name = f"rule-{number}"
        if _RULE.match(number) and name not in metadata["myst_slugs"]:
            row["ids"].append(name)
            metadata["myst_slugs"][name] = (None, name, f"rule {number}")


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("doctree-read", name_rules)
    return {"parallel_read_safe": True}
