"""Build the documentation site: `python docs/build.py`, then open build/docs/index.html."""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pages import write_made_pages

ROOT = Path(__file__).resolve().parents[1]
#: What is below what. Pages also link to one another in their text, as they must on GitHub.
NAVIGATION = {
    "README": [
        "docs/start",
        "docs/concepts",
        "docs/README",
        "docs/gallery",
        "docs/reference",
        "docs/studies",
        "docs/benchmarks",
        "docs/faq",
        "docs/glossary",
    ],
    "docs/concepts": [
        "docs/concepts/unfoldings",
        "docs/concepts/ranks",
        "docs/concepts/strata",
        "docs/concepts/hilbert",
        "docs/concepts/angles",
        "docs/concepts/intervals",
        "docs/concepts/decoder",
        "docs/kernels",
        "docs/geometry_gallery",
    ],
    "docs/README": [
        "docs/data",
        "docs/checkpoints",
        "docs/frameworks",
        "docs/latents",
        "docs/settings",
        "docs/generative",
        "docs/together",
        "docs/interpolation",
        "docs/sentences",
        "docs/downstream",
        "docs/sharing",
        "docs/scaling",
        "docs/robustness",
        "notebooks/*",
    ],
    "docs/reference": [
        "docs/measures",
        "docs/commands",
        "docs/api",
        "docs/summary",
        "docs/licences",
        "SECURITY",
        "CONTRIBUTING",
        "CHANGELOG",
    ],
    "docs/benchmarks": ["benchmarks/results/*"],
    "docs/sharing": ["weights/README", "weights/*/README"],
    "docs/studies": ["analyses/results/README", "analyses/results/*/*/*"],
}


def main() -> int:
    """Lay out the sources, build them with warnings as errors, and check every link inside."""
    from sphinx.cmd.build import build_main

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "docs")
    out = parser.parse_args().out.resolve()
    sources = out.with_name(f"{out.name}-sources")
    for folder in (sources, out):
        shutil.rmtree(folder, ignore_errors=True)
    lay_out(sources)
    write_made_pages(sources, out)
    options = ["-q", "-W", "--keep-going", "-j", "2", "-d", str(sources / ".doctrees")]
    failed = build_main([*options, "-c", str(sources / "docs"), str(sources), str(out)])
    if failed:
        return failed
    shutil.copy(out / "README.html", out / "index.html")
    broken = list(broken_links(out))
    sys.stderr.writelines(f"{line}\n" for line in broken)
    pages = sum(1 for _ in out.rglob("*.html"))
    sys.stdout.write(f"{pages} pages: {out / 'index.html'}\n")
    return int(bool(broken))


def lay_out(sources: Path) -> None:
    """Copy what git keeps, so that links from page to page and to files are those of GitHub."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if not name.startswith("tests/") and (ROOT / name).is_file():
            target = sources / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    for page, below in NAVIGATION.items():
        path = sources / f"{page}.md"
        entries = "\n".join(f"/{one}" for one in below)
        tree = f"\n```{{toctree}}\n:hidden:\n:glob:\n\n{entries}\n```\n"
        with path.open("a", encoding="utf-8") as page:
            page.write(tree)


class _Page(HTMLParser):
    """The names that a page has, and what it links to."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what one tag has."""
        for key, value in attrs:
            if key in ("id", "name") and value:
                self.names.add(value)
            elif key in ("href", "src") and value and tag != "base":
                self.links.append(value)


def broken_links(out: Path) -> Iterator[str]:
    """Yield every link of the site into the site that leads nowhere."""
    pages = {}
    for path in set(out.rglob("*.html")) - set((out / "_static").rglob("*")):
        pages[path] = _Page()
        pages[path].feed(path.read_text(encoding="utf-8"))
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            name = unquote(parts.fragment)
            if not target.exists():
                yield f"{path.relative_to(out)}: {link}: no such file"
            elif name and target in pages and name not in pages[target].names:
                yield f"{path.relative_to(out)}: {link}: no such place"


if __name__ == "__main__":
    sys.exit(main())
