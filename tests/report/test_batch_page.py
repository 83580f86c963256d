"""`medsr batch --report`: a page for each scan, linked from the summary page."""

import pytest

import medsr.batch
from medsr.restore.options import Options
from tests.batch.studies import dicom_study, make_plan, nifti_study, small_model, stub_restore
from tests.batch.test_kill import contents
from tests.cli.test_batch import Links
from tests.command_line import call
from tests.dicom_factory import SECRET


@pytest.fixture
def words(tmp_path):
    """A NIfTI file and a DICOM series."""
    nifti_study(tmp_path / "in", 1)
    dicom_study(tmp_path / "in", 1)
    return [tmp_path / "in", tmp_path / "out"], {"model": small_model(tmp_path / "model")}


def pages(out):
    """The links of the summary page to pages."""
    found = Links("a", "href")
    found.feed((out / "summary.html").read_text())
    return [out / link for link in found.found]


def test_the_summary_links_a_page_of_each_scan(words, tmp_path):
    folders, model = words
    command = ["batch", *folders, "--model", model["model"], "--steps", 2, "--samples", 2]
    for part in (0, 1):  # parts need no engine
        assert call(*command, "--report", "--num-parts", 2, "--part-id", part) == 0
    assert call(*command, "--report") == 0
    found = pages(tmp_path / "out")
    assert len(found) == 2
    for page in found:
        text = page.read_text()
        assert page.parent.name == "summary_files"
        assert "Enhanced scan" in text
        assert "Spread of the samples" in text
        assert SECRET not in text
        assert str(tmp_path) not in text
    assert len(list((tmp_path / "out" / "summary_files").glob("*.png"))) == 2


def test_pages_come_and_go_with_the_scans(words, tmp_path):
    folders, model = words
    out = tmp_path / "out"
    medsr.batch.run(make_plan(*folders, **model), restore=stub_restore)
    assert pages(out) == []
    before = contents(out)
    plan = make_plan(*folders, **model, report=True)
    assert {item.reason for item in plan.todo} == {
        "done again: the report page is missing (--report)"
    }
    medsr.batch.run(plan, restore=stub_restore)
    first = contents(out)
    assert len(pages(out)) == 2
    assert {name: data for name, data in first.items() if not name.endswith(".html")} == before
    medsr.batch.run(
        make_plan(*folders, **model, report=True, overwrite=True), restore=stub_restore
    )
    assert contents(out) == first, "the same scan gives another page"
    assert not make_plan(*folders, **model, report=True).todo
    assert not make_plan(*folders, **model).todo
    plan = make_plan(*folders, **model, options=Options(seed=1))
    medsr.batch.run(plan, restore=stub_restore)
    assert pages(out) == [], "a page of other settings is left"
    assert not list((out / "summary_files").glob("*.html"))
