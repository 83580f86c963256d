"""The page in a real Chromium: line, planes, themes, paper, keyboard, contrast of its text."""

import time

import pytest

from medsr.evaluation.group import Group
from medsr.report.group_page import group_page
from tests.evaluation.test_group import case
from tests.report.chromium import change, needs_chromium, shot, text, viewers

pytestmark = needs_chromium


def clip(browser):
    return browser.execute_script("return document.querySelector('canvas.right').style.clipPath")


def pixels(browser, side="right"):
    """Mean brightness of a canvas, drawn anew."""
    return browser.execute_script(
        """const nv = window.medsrStage.viewers[arguments[0]]; nv.drawScene();
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
    said, bright = text(page, "readout"), pixels(page)
    change(page, "at-foot-head", 0.8, "input")
    for place in viewers(page, "[...nv.scene.crosshairPos]"):
        assert place[2] == pytest.approx(0.8, abs=0.01)
    assert text(page, "readout") != said
    assert pixels(page) != bright
    change(page, "at-foot-head", 0.5, "input")


def test_one_plane_alone(page):
    change(page, "planes", "coronal")
    assert clip(page).count("M") == 1
    shot(page, "coronal")
    change(page, "planes", "three")
    assert clip(page).count("M") == 3


def test_dark_and_print(page):
    page.execute_script("document.documentElement.dataset.theme = 'dark'")
    whole = {"mobile": False, "width": 1300, "height": 4200, "deviceScaleFactor": 1}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", whole)
    time.sleep(1)
    shot(page, "dark_whole")
    paper = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(20, 23, 26)"
    page.execute_script("document.documentElement.dataset.theme = 'light'")
    shot(page, "light_whole")
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
    for _ in range(40):
        reached.add(page.execute_script("return document.activeElement.id"))
        page.switch_to.active_element.send_keys(Keys.TAB)
    controls = {"theme", "image-left", "image-right", "map", "planes", "contrast", "split"}
    controls |= {"level", "width", "drag", "zoom-in", "blink", "download"}
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
