"""A real Chromium for the pages, opened from disk with the network off.

Screenshots stay in `out/screenshots/` (or the folder that MEDSR_SCREENSHOTS names).
"""

import os
import shutil
import time
from pathlib import Path

import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
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
    "--window-size=1000,800",
)
PATIENCE_S = 60


def start(profile):
    """A driver without a network, with its profile in a folder."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    return driver


def show(browser, html, folder):
    """Open a page, and wait until its viewer is ready or is known to be unavailable."""
    path = folder / "report.html"
    path.write_text(html, encoding="utf-8")
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


def change(browser, element, value, event="change"):
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


def viewers(browser, expression):
    """An expression of `nv` for the left and the right viewer."""
    return browser.execute_script(
        "return ['left', 'right'].map(side => { const nv = window.medsrStage.viewers[side];"
        f"return {expression}; }})"
    )


def phone(browser, width=390, height=844):
    size = {"mobile": True, "width": width, "height": height, "deviceScaleFactor": 1}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    time.sleep(1)


def no_phone(browser):
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    time.sleep(1)
