"""Headless Chromium, and checks of self-contained HTML pages in it."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

ENVIRONMENT_VARIABLE = "SKMLP_CHROMIUM"
COMMANDS = ("chromium", "chromium-browser", "google-chrome")
# Chromium's sandbox is not available to root, and shared memory is small in many containers.
ARGUMENTS = ("--no-sandbox", "--disable-dev-shm-usage")
CHECKS = Path(__file__).with_name("page_checks.js").read_text(encoding="utf-8")


@contextmanager
def launch_browser():
    """Launch headless Chromium, and close it at the end.

    If Playwright or Chromium is missing, the test is skipped, or fails if SKMLP_CHROMIUM is set.
    """
    executable = find_chromium()
    if executable is None:
        pytest.skip(f"Chromium not found. Install it, or set {ENVIRONMENT_VARIABLE} to its path.")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        if ENVIRONMENT_VARIABLE in os.environ:
            raise
        pytest.skip("Playwright not found. Install the extra `test`.")
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=executable, args=ARGUMENTS) as browser,
    ):
        yield browser


def find_chromium():
    """Return the path of Chromium: $SKMLP_CHROMIUM, or the first of its commands on PATH, or None."""
    path = os.environ.get(ENVIRONMENT_VARIABLE)
    if path is None:
        return next(filter(None, map(shutil.which, COMMANDS)), None)
    if shutil.which(path) is None:
        raise FileNotFoundError(
            f"{ENVIRONMENT_VARIABLE} must be the path of Chromium, got {path!r}. Correct or unset it."
        )
    return path


@contextmanager
def open_page(
    browser, path, *, width=1280, height=900, dark=False, reduced_motion=False, javascript=True
):
    """Open a local page without network access, wait until it is loaded, and yield an OpenPage.

    With ``javascript=False`` the scripts of the page are disabled; the checks still work.
    """
    with browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce" if reduced_motion else "no-preference",
        java_script_enabled=javascript,
        offline=True,
    ) as context:
        page = OpenPage(context)
        page.load(Path(path).resolve().as_uri())
        yield page


class OpenPage:
    """A page in a browser, and checks that return lists of descriptions of problems.

    Parameters
    ----------
    context : playwright.sync_api.BrowserContext
        A context without pages.

    Attributes
    ----------
    page : playwright.sync_api.Page
        Playwright's object, for example to click on elements.
    """

    def __init__(self, context):
        self._url = None
        self._requests = []
        self._console_errors = []
        context.on("request", lambda request: self._requests.append(request.url))
        context.on("console", self._record_message)
        context.on("weberror", self._record_exception)
        self.page = context.new_page()
        # The event "websocket" of Playwright 1.57 and older omits sockets that cannot connect.
        protocol = context.new_cdp_session(self.page)
        protocol.on("Network.webSocketCreated", lambda event: self._requests.append(event["url"]))
        protocol.send("Network.enable")

    def load(self, url):
        """Navigate to a URL, and wait until the page is loaded."""
        self._url = url
        self.page.goto(url)

    @property
    def requests(self):
        """URLs of all requests, except for the page itself and data URLs."""
        self._receive_events()
        return [url for url in self._requests if url != self._url and not url.startswith("data:")]

    @property
    def console_errors(self):
        """Errors and warnings in the console, and uncaught exceptions."""
        self._receive_events()
        return list(self._console_errors)

    def find_broken_images(self):
        """Return the `img` elements whose image is missing or cannot be decoded."""
        return self._check("findBrokenImages")

    def find_overflow(self):
        """Return what makes the page scroll horizontally, such as wide elements and long words.

        The content of elements that scroll is ignored.
        """
        return self._check("findOverflow")

    def find_missing_alt_texts(self):
        """Return images without `alt`, and drawings that are neither labeled nor hidden."""
        return self._check("findMissingAltTexts")

    def find_broken_links(self):
        """Return links and other references to ids that do not exist, and elements with the same id."""
        return self._check("findBrokenLinks")

    def find_low_contrast(self):
        """Return elements whose text has a contrast of less than 4.5 to the background colors behind it."""
        return self._check("findLowContrast")

    def find_problems(self):
        """Return the result of each of the checks above that finds a problem, by the check's name."""
        results = {
            "requests": self.requests,
            "console_errors": self.console_errors,
            "broken_images": self.find_broken_images(),
            "overflow": self.find_overflow(),
            "missing_alt_texts": self.find_missing_alt_texts(),
            "broken_links": self.find_broken_links(),
            "low_contrast": self.find_low_contrast(),
        }
        return {name: problems for name, problems in results.items() if problems}

    def measure_load_time(self):
        """Return the time from the start of the navigation to the end of the load event, in seconds."""
        load_event_end = "performance.getEntriesByType('navigation')[0].loadEventEnd"
        return self.page.wait_for_function(load_event_end).json_value() / 1000

    def take_screenshot(self, path):
        """Write an image of the full page to a PNG file."""
        self.page.screenshot(path=path, full_page=True)

    def _check(self, function):
        return self.page.evaluate(f"() => {{ {CHECKS}\n return {function}(); }}")

    def _receive_events(self):
        """Wait for an answer of the page, which arrives after the events that preceded it."""
        self.page.evaluate("0")

    def _record_message(self, message):
        if message.type in ("error", "warning"):
            self._console_errors.append(f"{message.type}: {message.text}")

    def _record_exception(self, exception):
        self._console_errors.append(f"exception: {exception.error}")
