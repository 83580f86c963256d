"""What a reader does with the viewer of a page in Chromium; each test looks at the effect."""

import io
import time

import numpy as np
import pytest
from PIL import Image

from tests.report.chromium import (
    change,
    needs_chromium,
    no_phone,
    phone,
    shot,
    show,
    text,
    until,
    viewers,
)
from tests.report.pages import full_page, page_of

pytestmark = needs_chromium
WINDOW = "[nv.volumes[0].cal_min, nv.volumes[0].cal_max]"
PLACE = "[...nv.frac2vox(nv.scene.crosshairPos)]"
ZOOM = "[...nv.scene.pan2Dxyzmm]"
LEFT_BUTTON, RIGHT_BUTTON = 0, 2


def drag(browser, across, down, button=LEFT_BUTTON):
    """Drag in the right half of the large plane."""
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.actions.action_builder import ActionBuilder

    canvas = browser.find_element("css selector", "canvas.right")
    # From the middle of the canvas, where the line is not, in steps as a hand does.
    ActionChains(browser).move_to_element(canvas).perform()
    actions = ActionBuilder(browser, duration=20)
    mouse = actions.pointer_action
    mouse.move_to(canvas, 40, 60).pointer_down(button=button)
    for step in range(1, 5):
        mouse.move_to(canvas, 40 + across * step // 4, 60 + down * step // 4)
    mouse.pointer_up(button=button)
    actions.perform()


def keys(browser, *pressed):
    browser.execute_script("document.querySelector('canvas.right').focus()")
    browser.switch_to.active_element.send_keys(*pressed)


def seen(browser, part="stage"):
    """What an element of the page looks like, [rows, columns, 3]."""
    png = browser.find_element("id", part).screenshot_as_png
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def coloured(picture):
    """The share of its pixels that are not grey."""
    return (np.ptp(picture, axis=-1) > 40).mean()


def with_map(browser, key):
    change(browser, "map", key)
    wanted = 2 if key else 1
    until(lambda: viewers(browser, "nv.volumes.length") == [wanted, wanted])
    until(lambda: text(browser, "map") == key)


def test_it_opens_on_a_plane_that_holds_the_slice_axis_and_fills_the_stage(page):
    tiles = page.execute_script(
        "return medsrStage.viewers.right.screenSlices.map("
        "s => [s.axCorSag, s.leftTopWidthHeight[2], s.leftTopWidthHeight[3]])"
    )
    areas = {kind: wide * high for kind, wide, high in tiles}
    assert max(areas, key=areas.get) == 1  # coronal: right and head; the slices go to the head
    canvas = page.execute_script(
        "const c = medsrStage.viewers.right.gl.canvas; return c.width * c.height"
    )
    assert sum(areas.values()) > 0.98 * canvas
    assert areas[1] > 0.5 * canvas


def test_one_plane_alone_fills_the_stage_too(page):
    for plane in ("axial", "coronal", "sagittal"):
        change(page, "planes", plane)
        time.sleep(0.5)
        share = page.execute_script(
            "const nv = medsrStage.viewers.right, [l, t, w, h] = "
            "nv.screenSlices[0].leftTopWidthHeight; return w * h / (nv.gl.canvas.width * "
            "nv.gl.canvas.height)"
        )
        assert share > 0.98, plane
    change(page, "planes", "three")


def test_the_right_button_changes_level_and_width_of_both(page):
    before, said = viewers(page, WINDOW), (text(page, "level"), text(page, "width"))
    drag(page, -60, 0, RIGHT_BUTTON)  # left: narrower
    narrow = viewers(page, WINDOW)
    assert narrow[0] == pytest.approx(narrow[1])
    assert np.ptp(narrow[0]) < 0.9 * np.ptp(before[0])
    assert np.mean(narrow[0]) == pytest.approx(np.mean(before[0]), rel=0.15)
    drag(page, 0, -40, RIGHT_BUTTON)  # up: a higher level, so a darker picture
    higher = viewers(page, WINDOW)
    assert np.mean(higher[0]) > np.mean(narrow[0])
    assert (text(page, "level"), text(page, "width")) != said
    assert float(text(page, "width")) == pytest.approx(np.ptp(higher[0]), rel=0.01)


def test_a_double_click_resets_level_and_width(page):
    change(page, "width", 20)
    page.execute_script(
        "const c = document.querySelector('canvas.right'), r = c.getBoundingClientRect();"
        "c.dispatchEvent(new MouseEvent('dblclick', {bubbles: true, clientX: r.x + r.width * 0.6,"
        "clientY: r.y + r.height * 0.4}))"
    )
    standard = page.execute_script(
        "return JSON.parse(document.getElementById('settings').textContent).window"
    )
    for window in viewers(page, WINDOW):
        assert window == pytest.approx(standard)


def test_dragging_can_be_set_to_level_and_width(page):
    before, place = viewers(page, WINDOW), viewers(page, PLACE)
    change(page, "drag", "windowing")
    drag(page, -60, 0)
    assert viewers(page, WINDOW) != before
    assert viewers(page, PLACE) == place
    change(page, "drag", "crosshair")
    change(page, "contrast", 0)
    assert viewers(page, WINDOW)[0] == pytest.approx(before[0])


def test_a_drag_moves_the_crosshair_of_both(page):
    before = viewers(page, PLACE)
    drag(page, 80, 60)
    left, right = viewers(page, PLACE)
    assert left == right
    moved = np.array(right) - before[1]
    assert moved[0] != 0
    assert moved[2] != 0
    assert moved[1] == 0  # within the coronal plane
    page.execute_script("medsrStage.moveTo([0.5, 0.5, 0.5])")


def test_keys_browse_slices_of_the_large_plane(page):
    from selenium.webdriver.common.keys import Keys

    page.execute_script("medsrStage.moveSlice(0)")  # into the middle of a voxel
    start, picture = viewers(page, PLACE), seen(page)
    keys(page, Keys.ARROW_UP)
    for after, before in zip(viewers(page, PLACE), start, strict=True):
        assert np.subtract(after, before).tolist() == [0, 1, 0]
    keys(page, Keys.PAGE_DOWN)
    for after, before in zip(viewers(page, PLACE), start, strict=True):
        assert np.subtract(after, before).tolist() == [0, -9, 0]
    assert np.abs(seen(page) - picture).mean() > 1
    keys(page, Keys.ARROW_RIGHT)
    assert text(page, "split") == "52"
    change(page, "split", 50, "input")
    page.execute_script("medsrStage.moveTo([0.5, 0.5, 0.5])")


def test_the_wheel_browses_only_after_a_click(page):
    wheel = (
        "const c = document.querySelector('canvas.right'), r = c.getBoundingClientRect();"
        "const e = new WheelEvent('wheel', {deltaY: 100, clientX: r.x + r.width * 0.6, clientY: "
        "r.y + r.height * 0.4, bubbles: true, cancelable: true, ctrlKey: arguments[0]});"
        "c.dispatchEvent(e); return e.defaultPrevented"
    )
    page.execute_script("document.activeElement.blur()")
    start = viewers(page, PLACE)
    assert not page.execute_script(wheel, False)  # the page scrolls
    assert viewers(page, PLACE) == start
    page.execute_script("document.querySelector('canvas.right').focus()")
    assert page.execute_script(wheel, False)
    assert viewers(page, PLACE) != start
    page.execute_script("medsrStage.moveTo([0.5, 0.5, 0.5])")


def test_zoom_keeps_the_crosshair_and_fit_undoes_it(page):
    picture = seen(page)
    for _ in range(4):
        page.find_element("id", "zoom-in").click()
    for zoom in viewers(page, ZOOM):
        assert zoom[3] == pytest.approx(1.25**4)
    assert np.abs(seen(page) - picture).mean() > 2
    shot(page, "zoomed")
    keys(page, "-")
    assert viewers(page, ZOOM)[0][3] == pytest.approx(1.25**4 * 0.8)
    keys(page, "0")
    assert viewers(page, ZOOM) == [[0, 0, 0, 1]] * 2
    assert np.abs(seen(page) - picture).mean() < 0.5


def test_blink_shows_one_image_after_the_other(page):
    shown = (
        "return ['left', 'right'].filter(s => !document.getElementById('tag-' + s).hidden).join()"
    )
    assert page.execute_script(shown) == "left,right"
    page.find_element("id", "blink").click()
    pictures = {}
    for side in ("left", "right"):
        until(lambda side=side: page.execute_script(shown) == side)
        page.execute_script("medsrStage.viewers.left.drawScene()")
        pictures[side] = seen(page)
    assert np.abs(pictures["left"] - pictures["right"])[40:].mean() > 1
    assert page.find_element("id", "blink").get_attribute("aria-pressed") == "true"
    keys(page, "b")
    assert page.execute_script(shown) == "left,right"


@pytest.mark.parametrize(
    ("key", "words", "least"),
    [
        ("after-reference", "Orange: enhanced is brighter than reference.", 0),  # hardly differ
        ("before-reference", "Orange: before is brighter than reference.", 0.01),
        ("interval", "Half-width of the 90 % interval", 0.01),
        ("null-space", "that the measured slices do not determine", 0.01),
        ("spread", "Standard deviation of the samples", 0.01),
    ],
)
def test_maps_are_laid_over_both_images_with_a_legend(page, key, words, least):
    plain = coloured(seen(page)[40:])
    with_map(page, key)
    time.sleep(0.5)
    assert coloured(seen(page)[40:]) >= plain + least
    assert words in text(page, "map-words")
    assert text(page, "map-high").endswith("scanner units")
    assert page.find_element("id", "map-legend").is_displayed()
    assert page.find_element("id", "map-ramp").size["width"] > 100
    title = text(page, "map-low").rpartition(":")[0]
    assert f"{title}: " in text(page, "readout")
    shot(page, f"map_{key}")
    change(page, "strength", 0, "input")
    time.sleep(0.5)
    assert coloured(seen(page)[40:]) == pytest.approx(plain, abs=0.005)
    change(page, "strength", 70, "input")
    with_map(page, "")
    assert not page.find_element("id", "map-legend").is_displayed()


def test_differences_have_the_colour_of_their_sign(page):
    """Where the enhanced scan is clearly brighter than the one before: orange; darker: blue."""
    with_map(page, "null-space")
    change(page, "strength", 100, "input")
    before, after = page.execute_script(
        "const found = []; const nv = medsrStage.viewers.right, map = nv.volumes[1];"
        "const [nx, ny, nz] = map.dimsRAS.slice(1); const top = map.cal_max;"
        "for (const sign of [-1, 1]) for (let z = 9; z < nz - 9 && found.length < (sign + 3) / 2;"
        "z++) for (let y = 9; y < ny - 9; y++) for (let x = 9; x < nx - 9; x++)"
        "if (sign * map.getValue(x, y, z) > 0.9 * top && found.length < (sign + 3) / 2)"
        "found.push([...nv.vox2frac([x, y, z])]); return found"
    )
    for place, blue_first in ((before, True), (after, False)):
        page.execute_script("medsrStage.moveTo(arguments[0])", place)
        colour = page.execute_script(
            "const nv = medsrStage.viewers.right; nv.opts.crosshairWidth = 0; nv.drawScene();"
            "const t = nv.screenSlices[0], [l, top, w, h] = t.leftTopWidthHeight;"
            "const p = nv.scene.crosshairPos, x = l + (1 - p[0]) * w, y = top + (1 - p[2]) * h;"
            "const out = new Uint8Array(4); nv.gl.readPixels(x, nv.gl.canvas.height - y, 1, 1,"
            "nv.gl.RGBA, nv.gl.UNSIGNED_BYTE, out); nv.opts.crosshairWidth = 0.2; return [...out]"
        )
        assert (colour[2] > colour[0] + 40) == blue_first, colour
        assert (colour[0] > colour[2] + 40) != blue_first, colour
    change(page, "strength", 70, "input")
    with_map(page, "")
    page.execute_script("medsrStage.moveTo([0.5, 0.5, 0.5])")


def test_the_picture_that_is_shown_can_be_saved(page, tmp_path):
    page.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    with_map(page, "interval")
    page.find_element("id", "download").click()
    path = tmp_path / "medsr_picture.png"
    until(path.exists)
    picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
    canvas = page.execute_script(
        "const c = medsrStage.viewers.right.gl.canvas; return [c.height, c.width]"
    )
    assert picture.shape[1] == canvas[1]
    assert picture.shape[0] > canvas[0] + 60  # the legend
    on_page = seen(page)
    for column in (0.2, 0.6):  # left and right of the line, in the large plane
        x = int(column * canvas[1] * 0.7)
        saved = picture[60 : canvas[0] - 60, x - 30 : x + 30].mean()
        assert saved > 20
        shown = on_page[60 : canvas[0] - 60, x - 30 : x + 30].mean()
        assert saved == pytest.approx(shown, rel=0.1)
    legend = picture[canvas[0] :]
    assert (legend > 128).any(axis=-1).mean() > 0.01
    assert coloured(legend) > 0.01  # the ramp of the map
    with_map(page, "")


def test_on_a_phone_nothing_is_cut_and_the_long_parts_are_folded(page):
    phone(page)
    width = page.execute_script("return document.documentElement.scrollWidth")
    assert width <= 390
    heads = page.execute_script(
        "return [...document.querySelectorAll('thead th')].map(e => "
        "[e.textContent, e.getBoundingClientRect().right])"
    )
    assert heads[1][0] == "medsr"  # the estimate stands first
    assert heads[1][1] < 390
    box = page.execute_script(
        "const e = document.querySelector('.scroll'); return [e.scrollWidth, e.clientWidth]"
    )
    assert box[0] <= box[1]
    tall = page.execute_script("return document.documentElement.scrollHeight")
    assert tall < 2900
    shot(page, "phone")
    page.execute_script("window.scrollTo(0, 1100)")
    time.sleep(0.5)
    shot(page, "phone_table")
    page.execute_script("document.querySelectorAll('details.fold').forEach(d => d.open = true)")
    assert page.execute_script("return document.documentElement.scrollWidth") <= 390
    assert page.execute_script("return document.documentElement.scrollHeight") > 2 * tall
    no_phone(page)
    assert page.execute_script("return document.querySelector('#stills').open")


def test_ct_has_the_windows_of_a_reading_room(browser, tmp_path):
    show(browser, page_of("CT", 5, -900), tmp_path)
    names = browser.execute_script(
        "return [...document.getElementById('contrast').options].map(o => o.text)"
    )
    expected = {"Soft tissue": (40, 400), "Brain": (40, 80), "Lung": (-600, 1500)}
    expected["Bone"] = (500, 2000)
    for name, (level, width) in expected.items():
        index = next(i for i, text in enumerate(names) if text.startswith(name))
        change(browser, "contrast", index)
        for low, high in viewers(browser, WINDOW):
            assert (low, high) == pytest.approx((level - width / 2, level + width / 2))
        assert float(text(browser, "level")) == pytest.approx(level)
        assert float(text(browser, "width")) == pytest.approx(width)
    change(browser, "level", 100)
    change(browser, "width", 300)
    assert viewers(browser, WINDOW)[0] == pytest.approx([-50, 250])
    shot(browser, "ct")


def test_the_mouse_also_works_on_intensities_from_0_to_1(browser, tmp_path):
    show(browser, page_of("MR", 1 / 300, 0), tmp_path)
    before = float(text(browser, "width"))
    assert before < 1.5
    drag(browser, -60, 0, RIGHT_BUTTON)
    after = float(text(browser, "width"))
    assert 0.3 * before < after < 0.95 * before
    assert (
        f"{after:.2f}"[:3] in text(browser, "high") or float(text(browser, "high").split()[0]) < 2
    )


def test_without_webgl_the_still_pictures_remain(browser, tmp_path):
    off = browser.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument",
        {
            "source": "const get = HTMLCanvasElement.prototype.getContext; HTMLCanvasElement."
            "prototype.getContext = function (kind, ...more) { return kind === 'webgl2' ? null : "
            "get.call(this, kind, ...more); };"
        },
    )
    try:
        show(browser, full_page(), tmp_path)
        assert browser.execute_script("return document.body.dataset.viewer") == "unavailable"
        assert "no WebGL 2" in browser.find_element("id", "no-viewer").text
        stills = browser.find_elements("css selector", ".still img")
        assert len(stills) > 15
        assert stills[0].is_displayed()
        assert not browser.find_element("id", "stage").is_displayed()
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", off)
        browser.get_log("browser")


def test_no_errors_in_the_console(browser, tmp_path):
    show(browser, full_page(), tmp_path)
    change(browser, "map", "spread")
    faults = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert faults == []
