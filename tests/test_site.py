"""The documentation: pages whose links work, and a site that builds without warnings and needs no network."""

import html
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from s2hand.skeleton import FREIHAND_FROM_MANO_WITH_TIPS, HO3D_TO_FREIHAND, NUM_JOINTS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FENCED = re.compile(r"^```.*?^```", re.M | re.S)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.M)


def links(page: Path) -> list[str]:
    """The targets of a page's links and images, but for those of other servers."""
    targets = LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8")))
    return [target for target in targets if not urlsplit(target).scheme]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub and the site give to a page's headings."""
    headings = HEADING.findall(FENCED.sub("", page.read_text(encoding="utf-8")))
    plain = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings)
    return {re.sub(r"\s", "-", heading) for heading in plain}


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda p: p.stem)
def test_links_lead_to_files_and_headings(page):
    for target in links(page):
        name, _, anchor = target.partition("#")
        path = (page.parent / unquote(name)).resolve() if name else page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path), target


def test_every_page_is_in_the_navigation():
    named = set(re.findall(r"^ +- .+: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M))
    assert {page.relative_to(DOCS).as_posix() for page in PAGES} == named


def test_the_tables_of_joints_are_those_of_the_skeleton():
    page = (DOCS / "conventions.md").read_text()
    rows = re.findall(r"^\| ([^|]+) \| (0 \|[ \d|]+)\|$", page, re.M)
    orders = {name: tuple(map(int, re.findall(r"\d+", numbers))) for name, numbers in rows}
    assert list(orders.values()) == [tuple(range(NUM_JOINTS)), HO3D_TO_FREIHAND, FREIHAND_FROM_MANO_WITH_TIPS]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    for module in ("mkdocs", "material", "mkdocstrings_handlers.python"):
        pytest.importorskip(module, reason="needs the extra docs: pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=quiet)
    assert done.returncode == 0, done.stderr
    return folder


class Elements(HTMLParser):
    """The identifiers of a page, what it links to, and what it loads."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.names, self.targets, self.loaded = set(), [], []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.names |= {values.get("id"), values.get("name")}
        if tag == "a" and "href" in values:
            self.targets.append(html.unescape(values["href"]))
        if tag == "link" and values.get("rel") not in ("canonical", "prev", "next"):
            self.loaded.append(values["href"])
        if "src" in values:
            self.loaded.append(values["src"])


@pytest.mark.slow
def test_the_site_has_no_dead_links_and_loads_nothing_from_elsewhere(site):
    pages = {path: Elements(path) for path in site.rglob("*.html") if path.name != "404.html"}
    assert len(pages) == len(PAGES)
    for path, elements in pages.items():
        for target in elements.targets:
            parts = urlsplit(target)
            if parts.scheme:
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert file.exists(), f"{path.name}: {target}"
            if parts.fragment and file in pages:
                assert unquote(parts.fragment) in pages[file].names, f"{path.name}: {target}"
        for source in elements.loaded:
            assert not re.match(r"(https?:)?//", source), f"{path.name}: {source}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//", sheet.read_text()), sheet.name


@pytest.mark.slow
def test_the_api_of_the_public_surface_is_on_the_site(site):
    page = (site / "api.html").read_text()
    names = ("rasterize", "MeshRenderer", "load_hand_model", "hand_metrics", "read_detections", "load_config")
    assert [name for name in names if f">{name}<" not in page] == []
