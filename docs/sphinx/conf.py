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
_NUMBER = re.compile(r"(?<![\w.-])(?P<number>0[a-h]|[1-79]\.\d{1,2})(?![\w.]\w)")
_MENTION = re.compile(rf"(?:\brules? |(?<=\()){_NUMBER.pattern}(?!%)")
_PLAIN = (nodes.literal, nodes.literal_block, nodes.reference, nodes.title)


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


def link_rules(app: Any, tree: nodes.document, page: str) -> None:
    """Make a link of each mention of a rule: of its number in the page of the rules, of "rule 4.3" elsewhere."""
    known = app.env.metadata["mapping"]["myst_slugs"]
    address = "" if page == "mapping" else app.builder.get_relative_uri(page, "mapping")
    mention = _NUMBER if page == "mapping" else _MENTION
    for text in list(tree.findall(nodes.Text)):
        if isinstance(text.parent, _PLAIN) or text.parent.parent is None or _is_own_number(text):
            continue
        parts: list[nodes.Node] = []
        end = 0
        for found in mention.finditer(text.astext()):
            name = f"rule-{found['number']}"
            if name not in known:
                continue
            start, stop = found.span("number")
            parts += [
                nodes.Text(text.astext()[end:start]),
                nodes.reference("", found["number"], refuri=f"{address}#{name}", internal=True),
            ]
            end = stop
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(text.astext()[end:])])


def _is_own_number(text: nodes.Text) -> bool:
    """The first cell of a row of the rules."""
    cell = text.parent.parent
    return isinstance(cell, nodes.entry) and cell.parent.index(cell) == 0


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("doctree-read", name_rules)
    app.connect("doctree-resolved", link_rules)
    return {"parallel_read_safe": True}
