"""Check the built site: `python docs/check_site.py docs/_build`.

The links between its pages must be valid, and the page of each name must link to the examples that import it. In
Chromium, at the width of a phone and of a desktop, the pages must load without errors and without requests to other
sites, have texts for all images, and must not be cut off or scroll horizontally.
"""

import argparse
import ast
import sys
from concurrent.futures import ProcessPoolExecutor
from html.parser import HTMLParser
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser import launch_browser, open_page  # noqa: E402

WIDTHS = (390, 1280)
N_BROWSERS = 2

# Return the texts that extend beyond the page and are in no element that scrolls.
FIND_CUT_TEXTS = """() => {
    const width = document.documentElement.clientWidth;
    const found = [];
    const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode, range = document.createRange();
        range.selectNodeContents(node);
        if (!node.data.trim() || range.getBoundingClientRect().right <= width + 0.5) continue;
        let parent = node.parentElement;
        while (parent && parent.tagName !== "MAIN"
            && !["auto", "scroll"].includes(getComputedStyle(parent).overflowX)) {
            parent = parent.parentElement;
        }
        if (!parent || parent.tagName === "MAIN" || parent.matches(".bd-content, .bd-article-container")) {
            found.push(node.data.trim().slice(0, 60));
        }
    }
    return found;
}"""


class Page(HTMLParser):
    """The links and ids of a page.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.links, self.ids = [], {"", "top"}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        """Record the links and the id of an element."""
        for name, value in attributes:
            if name == "id" or (name == "name" and tag == "a"):
                self.ids.add(value)
            elif name in ("href", "src") and value:
                self.links.append(value)


def find_pages(site):
    """Return the paths of all pages, without the templates that the theme copies."""
    return [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]


def find_broken_links(site):
    """Yield the links of all pages to files and ids that do not exist."""
    pages = {path: Page(path) for path in find_pages(site)}
    for path, page in pages.items():
        for link in page.links:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            if not target.is_file():
                yield f"{path.relative_to(site)}: link to a missing file: {link}"
            elif target in pages and unquote(url.fragment) not in pages[target].ids:
                yield f"{path.relative_to(site)}: link to a missing id: {link}"


def find_missing_examples(site):
    """Yield the examples that import a name and have no link on the page of that name."""
    for example in sorted((ROOT / "examples").glob("*.py")):
        for node in ast.walk(ast.parse(example.read_text(encoding="utf-8"))):
            module = node.module if isinstance(node, ast.ImportFrom) else ""
            if module.partition(".")[0] == "skmlp":
                for name in node.names:
                    path = site / "reference" / "generated" / f"{module}.{name.name}.html"
                    if not any(f"/{example.stem}.html" in link for link in Page(path).links):
                        yield f"{path.relative_to(site)}: no link to the example {example.stem}"


def find_display_problems(site):
    """Return the problems of all pages in Chromium, of which N_BROWSERS run at a time."""
    pages = find_pages(site)
    with ProcessPoolExecutor(N_BROWSERS, get_context("spawn")) as pool:
        parts = [pool.submit(check_pages, site, pages[i::N_BROWSERS]) for i in range(N_BROWSERS)]
        return [problem for part in parts for problem in part.result()]


def check_pages(site, pages):
    """Return the problems of some pages in Chromium."""
    return [*iterate_display_problems(site, pages)]


def iterate_display_problems(site, pages):
    """Yield the problems of some pages in Chromium."""
    with launch_browser() as browser:
        for path in pages:
            with open_page(browser, path, width=WIDTHS[0]) as page:
                problems = {
                    "request": [url for url in page.requests if not is_in(site, url)],
                    "error": page.console_errors,
                    "broken image": page.find_broken_images(),
                    "image without text": page.find_missing_alt_texts(),
                }
                for width in WIDTHS:
                    page.page.set_viewport_size({"width": width, "height": 900})
                    problems[f"scrolls horizontally at {width} pixels"] = page.find_overflow()
                    problems[f"cut off at {width} pixels"] = page.page.evaluate(FIND_CUT_TEXTS)
            for name, found in problems.items():
                for each in found:
                    yield f"{path.relative_to(site)}: {name}: {each}"


def is_in(site, url):
    """Return whether a URL is that of a file of the site."""
    return url.startswith(site.as_uri() + "/")


def main():
    """Print the problems, and exit with status 1 if there are any."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0] + ".")
    parser.add_argument("site", type=Path, help="directory that sphinx-build has written")
    site = parser.parse_args().site.resolve()
    n_pages = len(find_pages(site))
    if not n_pages:
        sys.exit(f"{site}: expected the built site, got no HTML page.")
    problems = [
        *find_broken_links(site),
        *find_missing_examples(site),
        *find_display_problems(site),
    ]
    print(*problems, sep="\n")
    if problems:
        sys.exit(f"{len(problems)} problems on {n_pages} pages")
    print(f"no problems on {n_pages} pages")


if __name__ == "__main__":
    main()
