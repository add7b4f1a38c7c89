"""Build the documentation site with Sphinx: the pages of `docs/`, and the READMEs as pages of their own.

Every text has one place. Links between the files are turned to the pages that stand for them; links to other files of
the repository become plain text. A warning of Sphinx's, such as a link or an anchor that does not exist, is an error.

    python scripts/docs_site.py [FOLDER]        # default: site/
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
GROUPS = {
    "Start": ["index.md", "moving-in.md"],
    "Use": [
        "tap-keap.md",
        "target-chartmogul.md",
        "report.md",
        "chartmogul-streams.md",
        "other-targets.md",
        "plugins.md",
    ],
    "Understand": ["mapping.md", "architecture.md", "unknowns.md"],
    "Operate": ["operate.md", "ci.md", "schedulers.md", "troubleshooting.md", "performance.md"],
    "Develop": ["contributing.md", "sandbox.md", "sandbox-chartmogul.md", "accounts.md", "security.md", "changelog.md"],
}
"""Navigation."""
PAGES = {
    "README.md": "index.md",
    "tap-keap/README.md": "tap-keap.md",
    "target-chartmogul/README.md": "target-chartmogul.md",
    "plugins/README.md": "plugins.md",
    "sandbox/README.md": "sandbox.md",
    "sandbox/chartmogul/README.md": "sandbox-chartmogul.md",
    "tests/accounts/README.md": "accounts.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages from outside `docs/`."""
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?!https?:|mailto:|#)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def page_of(path: str) -> str | None:
    """The page or picture of the site that a file of the repository became, if it did."""
    if path in PAGES:
        return PAGES[path]
    is_shown = path.startswith("docs/") and path.endswith((".md", ".png", ".svg")) and (ROOT / path).is_file()
    return path.removeprefix("docs/") if is_shown else None


def turned(text: str, source: str) -> str:
    """A file's text with its links as they are in the site.

    Raises:
        SystemExit: a link leads to a file that does not exist.
    """
    folder = (ROOT / source).parent

    def turn(found: re.Match[str]) -> str:
        file = (folder / found["path"]).resolve()
        if not file.exists():
            raise SystemExit(f"{source}: {found['path']} does not exist")
        page = page_of(file.relative_to(ROOT).as_posix())
        if page is None:
            return found["text"]
        return f"{found['image']}[{found['text']}]({page}{found['anchor'] or ''})"

    return _LINK.sub(turn, text)


def navigation() -> str:
    """The hidden table of contents of the first page, group by group."""
    blocks = []
    for group, pages in GROUPS.items():
        names = ["Overview <self>" if page == "index.md" else page for page in pages]
        blocks.append("\n".join(["```{toctree}", ":hidden:", f":caption: {group}", "", *names, "```"]))
    return "\n\n".join(blocks)


def assemble(folder: Path) -> None:
    """Write what Sphinx reads: settings, pages, pictures."""
    sources = {f"docs/{path.name}": path.name for path in DOCS.glob("*.md")} | PAGES
    for source, page in sources.items():
        text = turned((ROOT / source).read_text(encoding="utf-8"), source)
        if page == "index.md":
            text = f"{text}\n\n{navigation()}\n"
        (folder / page).write_text(text, encoding="utf-8")
    for picture in (*DOCS.glob("*.png"), *DOCS.glob("*.svg")):
        shutil.copy(picture, folder)
    (folder / "_static").mkdir()
    shutil.copy(DOCS / "sphinx" / "site.css", folder / "_static")
    shutil.copy(DOCS / "sphinx" / "conf.py", folder)


def main(site: Path) -> int:
    """Build; 1 if something is wrong with the pages."""
    with tempfile.TemporaryDirectory(prefix="docs-site-") as name:
        folder = Path(name)
        assemble(folder)
        options = ["-W", "--keep-going", "-q", "-b", "html", "-d", folder / "_doctrees"]
        return subprocess.run([sys.executable, "-m", "sphinx", *options, folder, site], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "site"))
