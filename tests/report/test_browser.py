"""The page in a real browser, at desktop and at phone width."""

import os
import shutil
from contextlib import contextmanager
from importlib.resources import files

import pytest

pytestmark = pytest.mark.browser
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def browser():
    """Start a headless Chromium that talks to nobody; skip where there is none."""
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not (binary and driver):
        reason = "no chromium and chromedriver on the PATH"
        if os.environ.get("LATENTGEO_NO_SKIP") == "1":
            pytest.fail(f"{reason}, and LATENTGEO_NO_SKIP=1 asks for them")
        pytest.skip(reason)
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    chromium = webdriver.Chrome(options=options, service=service)
    yield chromium
    chromium.quit()


@pytest.fixture(scope="module", params=SIZES)
def opened(request, browser, page):
    """Open a page at a size, and keep what the browser said while it did."""
    width, height = SIZES[request.param]
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {
            "width": width,
            "height": height,
            "deviceScaleFactor": 1,
            "mobile": request.param == "phone",
        },
    )
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # forget what another page left
    browser.get(page.as_uri())
    browser.logs = {kind: browser.get_log(kind) for kind in ("browser", "performance")}
    return browser


def test_opens_without_a_complaint(opened):
    assert opened.title.startswith("Latent space")
    assert opened.logs["browser"] == []


def test_every_figure_is_drawn(opened):
    sizes = opened.execute_script(
        "return [...document.querySelectorAll('.drawing')].map(one => one.getBBox().width)"
    )
    assert len(sizes) in (12, 14)
    assert min(sizes) > 100


def test_letters_of_figures_are_legible(opened):
    heights = opened.execute_script(
        "return [...document.querySelectorAll('.drawing text')]"
        ".map(one => parseFloat(getComputedStyle(one).fontSize)"
        " * Math.hypot(one.getScreenCTM().a, one.getScreenCTM().b))"
    )
    assert min(heights) > 8


def test_axe_finds_nothing(opened):
    axe = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
    opened.set_script_timeout(120)
    opened.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
    opened.execute_script(axe)
    with without_drawings(opened):
        found = opened.execute_async_script(_AXE)
    assert found == []


_AXE = """
axe.run(document, {resultTypes: ["violations"]}).then(
  found => arguments[0](found.violations.map(one => [one.id, one.nodes[0].html])));
"""


@contextmanager
def without_drawings(opened):
    """Take out what drawings consist of: thousands of parts, hidden behind their role and label."""
    opened.execute_script(
        "window.parts = [...document.querySelectorAll('.drawing')]"
        ".map(one => [one, [...one.childNodes]]);"
        "parts.forEach(([one]) => one.replaceChildren())"
    )
    yield
    opened.execute_script("parts.forEach(([one, its]) => one.append(...its))")


def test_tables_sort(opened):
    heads = opened.execute_script(
        """
        const sorts = document.querySelector("thead button");
        const table = sorts.closest("table");
        sorts.click();
        const rows = [...table.tBodies[0].rows].map(row => row.cells[0].textContent);
        return [table.querySelector("th").ariaSort, rows];
        """
    )
    assert heads[0] == "ascending"
    assert heads[1] == sorted(heads[1], key=str.casefold)


def test_models_are_switched_off_and_on(opened):
    boxes = opened.find_elements("css selector", ".switches input")
    # What lies off the screen has its style at once and its layout when it is scrolled to.
    seen = (
        "return [...document.querySelectorAll(\"[data-model='0']\")]"
        ".filter(one => one.checkVisibility() && getComputedStyle(one).display !== 'none')"
        ".map(one => one.tagName.toLowerCase())"
    )
    before = opened.execute_script(seen)
    assert {"li", "tr", "g", "article"} <= set(before)
    if boxes:
        opened.execute_script("arguments[0].click()", boxes[0])
        assert opened.execute_script(seen) == []
        opened.execute_script("arguments[0].click()", boxes[0])
        assert opened.execute_script(seen) == before


def test_a_figure_opens_large(opened):
    large = opened.execute_script(
        "document.querySelector('.paper + button').click();"
        "const large = document.querySelector('dialog[open] .drawing');"
        "const wide = large.getBoundingClientRect().width;"
        "document.querySelector('dialog button').click();"
        "return wide"
    )
    assert large > 300


def test_print_unfolds_what_is_folded(opened):
    opened.execute_script("document.querySelectorAll('details').forEach(one => one.open = false)")
    with without_drawings(opened):
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        shown = opened.execute_script(
            "return [...document.querySelectorAll('details > :not(summary, button)')]"
            ".every(one => one.checkVisibility())"
        )
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert shown


def test_nothing_runs_off_the_side(opened):
    page, window = opened.execute_script(
        "return [document.documentElement.scrollWidth, window.innerWidth]"
    )
    assert page <= window
    for details in opened.find_elements("css selector", "details"):
        opened.execute_script("arguments[0].open = true", details)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= window


def test_no_table_is_cut(opened):
    for details in opened.find_elements("css selector", "details"):
        opened.execute_script("arguments[0].open = true", details)
    cut = opened.execute_script(
        "return [...document.querySelectorAll('.scroll')]"
        ".filter(box => box.scrollWidth > box.clientWidth + 1)"
        ".map(box => box.getAttribute('aria-label'))"
    )
    assert cut == []


def test_all_models_stand_on_the_first_screen(opened):
    end, height = opened.execute_script(
        "scrollTo(0, 0);"
        "return [document.querySelector('.board').getBoundingClientRect().bottom, innerHeight]"
    )
    assert end <= height


def test_asks_the_network_for_nothing(opened):
    log = opened.logs["performance"]
    assert not [entry for entry in log if '"url":"http' in entry["message"].replace(" ", "")]
    assert opened.execute_script(
        "return performance.getEntriesByType('resource').every(e => e.name.startsWith('data:'))"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(opened, scheme):
    opened.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    for selector in ("body", ".model .kind", ".note", "thead th", "a", ".tile dt"):
        ink, ground = opened.execute_script(_COLOURS, selector)
        assert _contrast(ink, ground) >= 4.5, selector


_COLOURS = """
const element = document.querySelector(arguments[0]);
let behind = element;
while (getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)')
  behind = behind.parentElement;
const rgb = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
return [rgb(getComputedStyle(element).color), rgb(getComputedStyle(behind).backgroundColor)];
"""


def _contrast(one, other):
    """Return the contrast ratio of WCAG 2."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour):
    linear = [
        value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4
        for value in (part / 255 for part in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
