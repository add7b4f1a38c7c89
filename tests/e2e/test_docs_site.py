"""The documentation site: no warning, no link to nowhere, and a browser shows it without a complaint."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTHS = (390, 768, 1280)
GENERATED = {"genindex.html", "search.html"}
MEASURE = """<!doctype html><title>measure</title><link rel="icon" href="data:,"><pre id="found"></pre><script>
const pages = %s, widths = %s, found = [];
const frame = document.body.appendChild(document.createElement("iframe"));
const shown = (page) => new Promise((done) => { frame.onload = () => setTimeout(done, 50); frame.src = page; });
(async () => {
  for (const width of widths) {
    frame.style.width = `${width}px`; frame.style.height = "800px"; frame.style.border = "0";
    for (const page of pages) {
      await shown(page);
      const inside = frame.contentDocument, root = inside.documentElement;
      const isLost = (each) => !each.complete || !each.naturalWidth;
      const pictures = [...inside.images].filter(isLost).map((each) => each.src);
      const sticksOut = (each) => each.getBoundingClientRect().right > root.clientWidth + 1;
      const wide = [...inside.querySelectorAll("article *, .table-wrapper, pre, header *")]
        .filter((each) => sticksOut(each) && !each.parentElement.closest(".table-wrapper, pre")).length;
      const overflow = root.scrollWidth - root.clientWidth;
      found.push({page, width, overflow, wide, pictures, images: inside.images.length});
    }
  }
  document.getElementById("found").textContent = JSON.stringify(found);
})();
</script>"""


class Page(HTMLParser):
    """Ids and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.ids.update(each for each in (named.get("id"), named.get("name") if tag == "a" else None) if each)
        if tag == "a" and named.get("href"):
            self.links.append(named["href"] or "")
        if tag in {"script", "img", "iframe", "source"} and named.get("src"):
            self.loaded.append(named["src"] or "")
        if tag == "link" and named.get("rel") in {"stylesheet", "icon", "preload"}:
            self.loaded.append(named.get("href") or "")


@pytest.fixture(scope="module", name="site")
def fixture_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("docs") / "site"
    built = subprocess.run(
        [sys.executable, ROOT / "scripts" / "docs_site.py", site], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert not built.stderr
    return site


@pytest.fixture(scope="module", name="pages")
def fixture_pages(site: Path) -> dict[str, Page]:
    return {path.name: Page(path.read_text()) for path in site.glob("*.html") if path.name not in GENERATED}


def test_every_page_is_in_the_navigation(pages: dict[str, Page]) -> None:
    linked = {urlsplit(link).path for link in pages["index.html"].links}
    assert {name for name in pages if name != "index.html"} <= linked
    assert len(pages) > 20


def test_every_internal_link_and_anchor_resolves(site: Path, pages: dict[str, Page]) -> None:
    lost = []
    for name, page in pages.items():
        for link in page.links:
            address = urlsplit(link)
            if address.scheme:
                continue
            target = unquote(address.path) or name
            fragment = unquote(address.fragment)
            ids = pages[target].ids | {"", "top"} if target in pages else {fragment}
            if not (site / target).is_file() or fragment not in ids:
                lost.append((name, link))
    assert not lost


def test_every_rule_has_an_anchor_and_is_linked_where_it_is_mentioned(pages: dict[str, Page]) -> None:
    assert "#rule-4.9" in pages["mapping.html"].links
    assert "mapping.html#rule-1.7" in pages["target-chartmogul.html"].links
    assert {"rule-0a", "rule-1.1", "rule-4.10", "rule-9.11"} <= pages["mapping.html"].ids
    assert sum(each.startswith("rule-") for each in pages["mapping.html"].ids) == 73


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[str, Page]) -> None:
    assert not [address for page in pages.values() for address in page.loaded if urlsplit(address).netloc]
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", sheet.read_text())


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name above
        """Say nothing."""


@pytest.fixture(name="address")
def fixture_address(site: Path, pages: dict[str, Page]) -> Iterator[str]:
    (site / "measure.html").write_text(MEASURE % (json.dumps(sorted(pages)), json.dumps(WIDTHS)))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=site))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian: apt-get install chromium)")
def test_a_browser_shows_every_page_at_every_width(address: str, pages: dict[str, Page], tmp_path: Path) -> None:
    shown = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
            *("--disable-background-networking", "--disable-component-update", "--disable-quic"),
            *("--enable-logging=stderr", "--v=0", "--window-size=1400,900", f"--user-data-dir={tmp_path / 'profile'}"),
            *("--virtual-time-budget=60000", "--dump-dom", f"{address}/measure.html"),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    assert "CONSOLE" not in shown.stderr
    text = re.search(r'<pre id="found">(.*?)</pre>', shown.stdout, re.DOTALL)
    assert text
    found = json.loads(text[1])
    assert len(found) == len(pages) * len(WIDTHS)
    assert not [each for each in found if each["overflow"] > 0 or each["wide"]]
    assert not [each for each in found if each["pictures"]]
    assert next(each for each in found if each["page"] == "index.html")["images"] >= 2
