"""The page in a real browser, at desktop and at phone width."""

import os
import shutil

import pytest

pytestmark = pytest.mark.browser
WIDTHS = {"desktop": 1280, "phone": 390}


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


@pytest.fixture(params=WIDTHS)
def opened(request, browser, page):
    """Open a page at a width."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {
            "width": WIDTHS[request.param],
            "height": 900,
            "deviceScaleFactor": 1,
            "mobile": request.param == "phone",
        },
    )
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # forget what another page left
    browser.get(page.as_uri())
    return browser


def test_opens_without_a_complaint(opened):
    assert opened.title.startswith("Latent space")
    assert opened.get_log("browser") == []


def test_every_image_is_there(opened):
    widths = opened.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert len(widths) in (12, 14)
    assert min(widths) > 100


def test_nothing_runs_off_the_side(opened):
    page, window = opened.execute_script(
        "return [document.documentElement.scrollWidth, window.innerWidth]"
    )
    assert page <= window
    for details in opened.find_elements("css selector", "details"):
        opened.execute_script("arguments[0].open = true", details)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= window


def test_wide_tables_scroll_inside_their_box(opened):
    outside = opened.execute_script(
        "return [...document.querySelectorAll('table')]"
        ".filter(table => !table.closest('.scroll')).length"
    )
    assert outside == 0


def test_asks_the_network_for_nothing(opened):
    log = opened.get_log("performance")
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
    for selector in ("body", ".model .kind", ".note", "thead th", "a", ".yes, .no"):
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
