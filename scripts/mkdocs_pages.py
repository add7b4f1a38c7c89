"""The READMEs as pages of the documentation site: one text, two places.

Links that lead out of `docs/` on GitHub are turned to the pages that stand for their targets.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    "README.md": "index.md",
    "tap-keap/README.md": "tap-keap.md",
    "target-chartmogul/README.md": "target-chartmogul.md",
    "plugins/README.md": "plugins.md",
}
_LINK = re.compile(r"\]\((?!https?:|#)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the READMEs under their names in the site."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=_turned((ROOT / source).read_text(), source)))
    return files


def _turned(text: str, source: str) -> str:
    """Relative links of a README, as seen from the site's top."""
    folder = Path(source).parent

    def turn(found: re.Match[str]) -> str:
        path = (ROOT / folder / found["path"]).resolve().relative_to(ROOT).as_posix()
        target = PAGES.get(path) or path.removeprefix("docs/")
        return f"]({target}{found['anchor'] or ''})"

    return _LINK.sub(turn, text)
