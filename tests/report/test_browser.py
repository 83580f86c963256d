"""The page in a real Chromium, opened from disk with the network off.

Screenshots stay in `out/screenshots/` (or the folder that MEDSR_SCREENSHOTS names).
"""

import os
import shutil
import time
from pathlib import Path

import pytest

from medsr.evaluation.group import Group
from medsr.report.group_page import group_page
from tests.evaluation.test_group import case
from tests.report.pages import full_page

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed"
)
SCREENSHOTS = Path(
    os.environ.get("MEDSR_SCREENSHOTS", Path(__file__).parents[2] / "out" / "screenshots")
)
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--window-size=1300,1000",
)
PATIENCE_S = 120


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(full_page(), encoding="utf-8")
    browser.get(path.as_uri())
    until(lambda: browser.execute_script("return document.body.dataset.viewer"))
    return browser


def until(condition):
    """Wait for a condition; its value."""
    end = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < end, "the page did not get ready"
        time.sleep(0.2)
    return found


def shot(browser, name):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    assert browser.save_screenshot(str(SCREENSHOTS / f"{name}.png"))


def change(browser, element, value, event):
    browser.execute_script(
        "const e = document.getElementById(arguments[0]); e.value = arguments[1];"
        "e.dispatchEvent(new Event(arguments[2], {bubbles: true}));",
        element,
        str(value),
        event,
    )


def text(browser, element):
    return browser.execute_script(
        "const e = document.getElementById(arguments[0]); return e.value ?? e.textContent", element
    )


def clip(browser):
    return browser.execute_script("return document.getElementById('right').style.clipPath")


def pixels(browser, side="right"):
    """Mean brightness of a canvas, drawn anew."""
    return browser.execute_script(
        """const nv = window.medsrViewers[arguments[0]]; nv.drawScene();
        const gl = nv.gl, w = gl.drawingBufferWidth, h = gl.drawingBufferHeight;
        const all = new Uint8Array(4 * w * h);
        gl.readPixels(0, 0, w, h, gl.RGBA, gl.UNSIGNED_BYTE, all);
        let sum = 0; for (let i = 0; i < all.length; i += 4) sum += all[i];
        return sum / (w * h);""",
        side,
    )


def test_the_viewer_starts_without_a_network(page):
    assert page.execute_script("return document.body.dataset.viewer") == "ready"
    assert page.title == "Evaluation of a <made> head"
    assert pixels(page) > 5
    shot(page, "light")


def test_the_line_moves_by_slider_and_by_key(page):
    from selenium.webdriver.common.keys import Keys

    middle = clip(page)
    assert middle.count("M") == 3  # one part of each plane
    change(page, "split", 20, "input")
    assert clip(page) != middle
    shot(page, "line_at_20")
    slider = page.find_element("id", "split")
    before = clip(page)
    slider.send_keys(Keys.ARROW_RIGHT)
    assert text(page, "split") == "21"
    assert clip(page) != before
    change(page, "split", 50, "input")
    assert clip(page) == middle


def test_the_line_can_be_dragged_in_the_picture(page):
    from selenium.webdriver import ActionChains

    handle = page.find_element("css selector", ".handle")
    ActionChains(page).drag_and_drop_by_offset(handle, 60, 0).perform()
    assert float(text(page, "split")) > 55
    change(page, "split", 50, "input")


def test_slices_are_browsed_and_both_sides_follow(page):
    where = "return [...window.medsrViewers[arguments[0]].scene.crosshairPos]"
    said, bright = text(page, "readout"), pixels(page)
    change(page, "at-foot-head", 0.8, "input")
    for side in ("left", "right"):
        assert page.execute_script(where, side)[2] == pytest.approx(0.8, abs=0.01)
    assert text(page, "readout") != said
    assert pixels(page) != bright
    change(page, "at-foot-head", 0.5, "input")


def test_a_click_in_one_side_moves_the_other(page):
    from selenium.webdriver import ActionChains

    canvas = page.find_element("id", "left")
    before = page.execute_script("return [...window.medsrViewers.right.scene.crosshairPos]")
    tile = page.execute_script(
        "const s = window.medsrViewers.left.screenSlices[0].leftTopWidthHeight;"
        "const r = window.medsrViewers.left.gl.canvas.width / "
        "document.getElementById('stage').clientWidth; return s.map(v => v / r)"
    )
    size = canvas.size
    x = tile[0] + 0.3 * tile[2] - size["width"] / 2
    y = tile[1] + 0.4 * tile[3] - size["height"] / 2
    ActionChains(page).move_to_element_with_offset(canvas, x, y).click().perform()
    places = [
        page.execute_script("return [...window.medsrViewers[arguments[0]].scene.crosshairPos]", s)
        for s in ("left", "right")
    ]
    assert places[0] != pytest.approx(before, abs=0.01)
    assert places[1] == pytest.approx(places[0], abs=0.01)


def test_contrast_changes_the_greys_and_the_bar(page):
    standard, bar = pixels(page), text(page, "high-right")
    change(page, "contrast", 1, "change")  # bright
    assert pixels(page) > 1.1 * standard
    assert text(page, "high-right") != bar
    change(page, "brightest", 1000, "change")
    assert pixels(page) < standard
    change(page, "contrast", 0, "change")
    assert pixels(page) == pytest.approx(standard, rel=0.02)


def test_maps_have_colour_bars_in_the_scan_s_unit(page):
    change(page, "image-right", "after-reference", "change")
    until(lambda: text(page, "tag-right") == "Enhanced minus reference")
    low, high = text(page, "low-right"), text(page, "high-right")
    assert "-" in low
    assert "scanner units" in high
    shot(page, "difference")
    change(page, "image-right", "spread", "change")
    until(lambda: text(page, "tag-right") == "Uncertainty")
    assert text(page, "low-right").endswith(": 0")
    shot(page, "uncertainty")
    change(page, "image-right", "after", "change")
    until(lambda: text(page, "tag-right") == "Enhanced")


def test_one_plane_alone(page):
    change(page, "planes", "CORONAL", "change")
    assert clip(page).count("M") == 1
    shot(page, "coronal")
    change(page, "planes", "MULTIPLANAR", "change")
    assert clip(page).count("M") == 3


def test_dark_print_and_narrow(page):
    page.execute_script("document.documentElement.dataset.theme = 'dark'")
    whole = {"mobile": False, "width": 1300, "height": 4200, "deviceScaleFactor": 1}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", whole)
    time.sleep(1)
    shot(page, "dark_whole")
    paper = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(20, 23, 26)"
    page.execute_script("document.documentElement.dataset.theme = 'light'")
    shot(page, "light_whole")
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**whole, "width": 420})
    time.sleep(1)
    shot(page, "narrow")
    assert page.execute_script("return document.documentElement.scrollWidth") <= 420
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**whole, "width": 800})
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = "return getComputedStyle(document.getElementById(arguments[0])).display"
    assert page.execute_script(shown, "look") == "none"
    shot(page, "print")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_text_can_be_read_on_its_ground(page):
    """WCAG contrast of at least 4.5 in both themes, for the page's own colours."""
    ratio = """
    document.documentElement.dataset.theme = arguments[0];
    const lum = (c) => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255)
      .map(x => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
      return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]; };
    const ground = (e) => { for (; e; e = e.parentElement) {
      const b = getComputedStyle(e).backgroundColor;
      if (!/, 0\\)$/.test(b) && b !== "transparent") return b; } return "rgb(255, 255, 255)"; };
    const worst = {};
    const shown = "h1, h2, h3, p, li, th, td, dt, dd, label, span, a";
    for (const e of document.querySelectorAll(shown)) {
      if (!e.textContent.trim() || e.closest(".stage") || !e.checkVisibility()) continue;
      const [a, b] = [lum(getComputedStyle(e).color), lum(ground(e))];
      const r = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (r < 4.5) worst[e.tagName + "." + e.className] = r;
    }
    return worst;
    """
    for theme in ("light", "dark"):
        assert page.execute_script(ratio, theme) == {}
    page.execute_script("document.documentElement.dataset.theme = 'light'")


def test_everything_is_reached_by_the_keyboard(page):
    from selenium.webdriver.common.keys import Keys

    page.execute_script("document.activeElement.blur(); window.scrollTo(0, 0)")
    body, reached = page.find_element("tag name", "body"), set()
    body.send_keys(Keys.TAB)
    for _ in range(30):
        reached.add(page.execute_script("return document.activeElement.id"))
        page.switch_to.active_element.send_keys(Keys.TAB)
    controls = {"theme", "image-left", "image-right", "planes", "contrast", "split"}
    assert controls | {"at-foot-head", "at-back-front", "at-left-right"} <= reached


def test_a_group_page_shows_every_case(page, tmp_path):
    group = Group((case("c1", "p1", 0), case("c2", "p2", 1)))
    path = tmp_path / "group.html"
    path.write_text(group_page(group, "Two cases", {"c1": "c1.html"}), encoding="utf-8")
    page.get(path.as_uri())
    assert len(page.find_elements("css selector", "#cases tbody tr")) == 4
    links = page.find_elements("css selector", "#cases a")
    assert {link.get_attribute("href").rpartition("/")[2] for link in links} == {"c1.html"}
    assert page.find_elements("css selector", ".curve svg")
    shot(page, "group")


def test_no_errors_in_the_console(page):
    faults = [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"]
    assert faults == []
