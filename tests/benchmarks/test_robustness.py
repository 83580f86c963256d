"""The table of unusual DICOM files goes to the terminal, and into the page only if asked."""

import pytest

from benchmarks.dicom import robustness
from benchmarks.page import read_region


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    for part in robustness.PARTS:
        (folder / part).mkdir(parents=True)
    (folder / robustness.PARTS[0] / "notes.txt").write_text("not an image")
    return folder


@pytest.mark.parametrize("write", [False, True])
def test_the_page_changes_only_with_write(data, tmp_path, monkeypatch, capsys, write):
    page = tmp_path / "page.md"
    page.write_text(
        "Above.\n\n<!-- begin: dicom.robustness -->\n\nold\n\n<!-- end -->\n\nBelow.\n"
    )
    monkeypatch.setattr(robustness, "PAGE", page)
    monkeypatch.setattr("sys.argv", ["robustness", str(data), *["--write"] * write])
    robustness.main()
    printed = capsys.readouterr().out.strip()
    assert "notes.txt | not readable |" in printed
    assert read_region(page, "dicom.robustness") == (printed if write else "old")
    assert page.read_text().startswith("Above.")
    assert page.read_text().endswith("Below.\n")


def test_a_missing_folder_is_a_usage_error(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["robustness", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit) as stop:
        robustness.main()
    assert stop.value.code == 2
    assert "nowhere: there is no such folder" in capsys.readouterr().err
