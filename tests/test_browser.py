"""The checks of HTML pages find each kind of problem, and nothing in a page without problems."""

import sys
from urllib.parse import quote

import pytest
from browser import COMMANDS, ENVIRONMENT_VARIABLE, find_chromium, launch_browser, open_page
from PIL import Image

SQUARE = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><rect width='9' height='9'/></svg>"
IMAGE_URL = "data:image/svg+xml," + quote(SQUARE)
# Elements that resemble problems.
CLEAN_BODY = f"""
<nav><a href="#results">Results</a> <a href="#">Top</a> <a href="#top">Top</a> <a href="#%C3%A9">Accented id</a></nav>
<h1 id="results">Results</h1>
<h2 id="é">Accented id</h2>
<img src="{IMAGE_URL}" alt="A square"> <img src="{IMAGE_URL}" alt="">
<svg role="img" aria-label="A square"><defs><path id="p"/></defs><use href="#p"/><use xlink:href="#p"/></svg>
<svg role="img"><title>A square</title></svg>
<svg role="img" aria-labelledby="results"></svg>
<svg role="presentation"><svg></svg></svg>
<svg aria-hidden="true"></svg> <span aria-hidden="true"><svg></svg></span>
<div style="overflow-x: auto"><div style="width: 3000px">Scrolls by itself</div></div>
<div style="overflow: hidden; white-space: nowrap">{"Clipped " * 500}</div>
<div style="position: fixed; top: 0; width: 3000px">Fixed</div>
<details><summary>Details</summary><img src="{IMAGE_URL}" alt="A square" loading="lazy"></details>
<p style="margin-top: 20000px"><img src="{IMAGE_URL}" alt="A square" loading="lazy"></p>
<script>console.log("loaded"); document.body.className = "scripted";</script>
"""

REMOTE_IMAGE = '<img src="http://example.com/a.png" alt="">'
FAILED_REQUEST = "error: Failed to load resource: net::ERR_INTERNET_DISCONNECTED"
# Body of a page -> all problems in it.
PROBLEMS = {
    "remote image": (
        REMOTE_IMAGE,
        {
            "requests": ["http://example.com/a.png"],
            "console_errors": [FAILED_REQUEST],
            "broken_images": [REMOTE_IMAGE],
        },
    ),
    "remote script": (
        '<script src="https://example.com/a.js"></script>',
        {"requests": ["https://example.com/a.js"], "console_errors": [FAILED_REQUEST]},
    ),
    "error in the console": (
        "<script>console.error('a', 1);</script>",
        {"console_errors": ["error: a 1"]},
    ),
    "warning in the console": (
        "<script>console.warn('a');</script>",
        {"console_errors": ["warning: a"]},
    ),
    "uncaught exception": (
        "<script>throw new TypeError('a');</script>",
        {"console_errors": ["exception: a"]},
    ),
    "rejected promise": (
        "<script>Promise.reject(new TypeError('a'));</script>",
        {"console_errors": ["exception: a"]},
    ),
    "undecodable image": (
        '<img src="data:image/png;base64,AAAA" alt="">',
        {"broken_images": ['<img src="data:image/png;base64,AAAA" alt="">']},
    ),
    "undecodable image below the viewport": (
        '<p style="margin-top: 20000px"></p><img src="data:,A" alt="" loading="lazy">',
        {"broken_images": ['<img src="data:,A" alt="" loading="lazy">']},
    ),
    "image without source": ('<img alt="">', {"broken_images": ['<img alt="">']}),
    "wide element": (
        '<main><div id="wide" style="width: 3000px">A</div></main>',
        {"overflow": ['<div id="wide" style="width: 3000px">: 3008 px of 390 px']},
    ),
    "wide content of a wide element": (
        '<div style="width: 3000px"><p>A</p><b>B</b></div>',
        {"overflow": ['<div style="width: 3000px">: 3008 px of 390 px', "<p>: 3008 px of 390 px"]},
    ),
    "wide pseudo-element": (
        "<style>p::after { content: ''; display: block; width: 3000px; height: 9px; }</style><p>A</p>",
        {"overflow": ["the page: 3008 px of 390 px"]},
    ),
    "image without alternative text": (
        f'<img src="{IMAGE_URL}">',
        {"missing_alt_texts": [f'<img src="{IMAGE_URL}">'[:120] + "..."]},
    ),
    "drawing without role": ("<svg></svg>", {"missing_alt_texts": ["<svg>"]}),
    "drawing without label": (
        '<svg role="img"><g><title>A</title></g></svg>',
        {"missing_alt_texts": ['<svg role="img">']},
    ),
    "drawing with empty labels": (
        '<svg role="img" aria-label=" " aria-labelledby="a b"><title></title></svg><p id="b"></p>',
        {"missing_alt_texts": ['<svg role="img" aria-label=" " aria-labelledby="a b">']},
    ),
    "link to a missing id": ('<a href="#a">A</a>', {"broken_links": ['<a href="#a">']}),
    "reference to a missing id": (
        '<svg role="none"><use href="#a"/><use xlink:href="#b"/></svg>',
        {"broken_links": ['<use href="#a">', '<use xlink:href="#b">']},
    ),
    "duplicate ids": (
        '<p id="a"></p><p id="b"></p><b id="a"></b>',
        {"broken_links": ['duplicate id: <p id="a">, <b id="a">']},
    ),
    # A gray of 50 % has a contrast of about 4 to white and of 5.3 to black.
    "gray text on white": (
        '<p style="color: rgb(128, 128, 128)">A</p>',
        {"low_contrast": ['<p style="color: rgb(128, 128, 128)">: 3.95']},
    ),
    "text on a translucent background": (
        '<div style="background: rgba(0, 0, 0, 0.5)"><b>A</b> <i style="color: #fff">B</i></div>',
        {"low_contrast": ['<i style="color: #fff">: 3.98']},
    ),
}


@pytest.fixture
def write_page(tmp_path):
    """Return a function that writes a page with a body to a file and returns its path."""

    def write(body):
        path = tmp_path / "page.html"
        path.write_text(
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title></head>'
            f"<body>{body}</body></html>",
            encoding="utf-8",
        )
        return path

    return write


@pytest.mark.parametrize("javascript", [True, False])
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_clean_page_has_no_problems(browser, write_page, width, dark, javascript):
    path = write_page(CLEAN_BODY)
    with open_page(browser, path, width=width, dark=dark, javascript=javascript) as page:
        assert page.requests == []
        assert page.console_errors == []
        assert page.find_broken_images() == []
        assert page.find_overflow() == []
        assert page.find_missing_alt_texts() == []
        assert page.find_broken_links() == []
        assert page.find_low_contrast() == []
        assert page.find_problems() == {}


@pytest.mark.parametrize(("body", "problems"), PROBLEMS.values(), ids=PROBLEMS)
def test_each_problem_is_found(browser, write_page, body, problems):
    with open_page(browser, write_page(body), width=390) as page:
        assert page.find_problems() == problems


def test_every_check_can_fail():
    found = set().union(*(problems for _, problems in PROBLEMS.values()))
    assert found == {
        *("requests", "console_errors", "broken_images"),
        *("overflow", "missing_alt_texts", "broken_links", "low_contrast"),
    }


def test_problems_are_found_without_javascript(browser, write_page):
    names = ("remote image", "wide element", "drawing without role", "duplicate ids")
    body = "".join(PROBLEMS[name][0] for name in names)
    problems = {check: found for name in names for check, found in PROBLEMS[name][1].items()}
    with open_page(browser, write_page(body), width=390, javascript=False) as page:
        assert page.find_problems() == problems


def test_long_word_overflows(browser, write_page):
    with open_page(browser, write_page("<p>" + "word" * 100 + "</p>"), width=390) as page:
        [description] = page.find_overflow()
    assert description.startswith("text in <p>: ")
    assert description.endswith(" px of 390 px")


def test_local_file_is_a_request(browser, write_page, tmp_path):
    style = tmp_path / "page.css"
    style.touch()
    with open_page(browser, write_page('<link rel="stylesheet" href="page.css">')) as page:
        assert page.find_problems() == {"requests": [style.as_uri()]}


@pytest.mark.parametrize(
    ("script", "url"),
    [
        ("fetch('http://127.0.0.1:9/a').catch(() => 0)", "http://127.0.0.1:9/a"),
        ("new WebSocket('ws://127.0.0.1:9/a')", "ws://127.0.0.1:9/a"),
        ("navigator.sendBeacon('http://127.0.0.1:9/a')", "http://127.0.0.1:9/a"),
    ],
)
def test_requests_of_scripts_are_recorded_and_fail(browser, write_page, script, url):
    with open_page(browser, write_page("")) as page:
        with page.page.expect_console_message():
            page.page.evaluate(f"() => {{ {script}; }}")
        assert page.requests == [url]
        [error] = page.console_errors
    assert "ERR_INTERNET_DISCONNECTED" in error


def test_errors_after_loading_are_recorded(browser, write_page):
    with open_page(browser, write_page("<button onclick='missing()'>A</button>")) as page:
        assert page.console_errors == []
        page.page.click("button")
        assert page.console_errors == ["exception: missing is not defined"]


@pytest.mark.parametrize("javascript", [True, False])
@pytest.mark.parametrize("dark", [False, True])
def test_page_is_opened_as_requested(browser, write_page, tmp_path, dark, javascript):
    body = (
        "<style>:root { color-scheme: light dark; background: Canvas; }</style>"
        "<div style='height: 1500px'></div><script>document.title = 'scripted';</script>"
    )
    path = write_page(f"<style>body {{ margin: 0; }}</style>{body}")
    with open_page(browser, path, width=400, height=300, dark=dark, javascript=javascript) as page:
        assert page.page.viewport_size == {"width": 400, "height": 300}
        assert page.page.title() == ("scripted" if javascript else "A page")
        page.take_screenshot(tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as image:
        assert image.size == (400, 1500)
        brightness = image.convert("L").getpixel((0, 0))
    assert brightness < 64 if dark else brightness == 255


@pytest.mark.parametrize("javascript", [True, False])
def test_load_time_includes_scripts(browser, write_page, javascript):
    body = "<script>const start = Date.now(); while (Date.now() - start < 300);</script>"
    with open_page(browser, write_page(body), javascript=javascript) as page:
        seconds = page.measure_load_time()
    assert 0.3 <= seconds < 10 if javascript else 0 < seconds < 10


def test_missing_page_is_an_error(browser, tmp_path):
    with (
        pytest.raises(Exception, match="ERR_FILE_NOT_FOUND"),
        open_page(browser, tmp_path / "page.html"),
    ):
        pass


# Selection of the browser


def test_missing_chromium_skips(monkeypatch, tmp_path):
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match="Chromium not found"), launch_browser():
        pass


def test_missing_playwright_skips_unless_chromium_is_set(monkeypatch, tmp_path):
    chromium = tmp_path / "chromium"
    chromium.touch(mode=0o755)
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    with pytest.raises(pytest.skip.Exception, match="Playwright not found"), launch_browser():
        pass
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(chromium))
    with pytest.raises(ImportError), launch_browser():
        pass


@pytest.mark.parametrize("command", COMMANDS)
def test_chromium_is_found(monkeypatch, tmp_path, command):
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_chromium() is None
    (tmp_path / command).touch(mode=0o755)
    assert find_chromium() == str(tmp_path / command)


def test_set_chromium_must_exist(monkeypatch, tmp_path):
    path = tmp_path / "chromium"
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(path))
    with pytest.raises(FileNotFoundError, match="SKMLP_CHROMIUM must be the path of Chromium, got"):
        find_chromium()
    path.touch(mode=0o755)
    assert find_chromium() == str(path)
