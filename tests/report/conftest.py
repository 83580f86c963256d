import pytest

from tests.report import chromium
from tests.report.pages import full_page


@pytest.fixture(scope="package")
def browser(tmp_path_factory):
    driver = chromium.start(tmp_path_factory.mktemp("chromium"))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    return chromium.show(browser, full_page(), tmp_path_factory.mktemp("page"))
