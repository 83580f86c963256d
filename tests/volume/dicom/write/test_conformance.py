"""docs/reference/dicom.md against the code, and against real scans where they are."""

import re
from pathlib import Path

import pytest

from benchmarks.dicom.conformance import measure
from medsr.volume.dicom.write import kept_attributes
from tests.dicom_tools import needs
from tests.real_data import REAL_DATA, needs_real_data

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "dicom.md").read_text(encoding="utf-8")


def rows():
    """(path, shape, grid difference in mm, steps) of the series without a new error."""
    begins = r"^\| (\S+) \| (?:MR|CT) \| (\d+ x \d+ x \d+) \| .+ \| \d+ \| 0 \|"
    number = r" ([\d.e+-]+) \|"
    return re.findall(begins + number + number, PAGE, re.MULTILINE)


def test_the_page_lists_what_is_kept():
    modules = {
        **kept_attributes.KEPT,
        "MR Image (C.8.3.1)": kept_attributes.KEPT_MR,
        "CT Image (C.8.2.1)": kept_attributes.KEPT_CT,
    }
    for module, attributes in modules.items():
        assert f"| {module} | {', '.join(attributes)} |" in PAGE
    assert ", ".join(kept_attributes.SCANNER) in PAGE


def test_no_series_of_the_table_has_a_new_error_or_another_grid():
    table = PAGE[PAGE.index("errors before | new") :].split("\n## ")[0]
    series = [line for line in table.splitlines() if " | MR | " in line or " | CT | " in line]
    assert len(series) == len(rows()) > 20
    for _, _, grid_mm, steps in rows():
        assert float(grid_mm) < 1e-4
        assert float(steps) <= 0.5


@needs_real_data
@needs("dciodvfy", "dcm2niix")
@pytest.mark.parametrize(
    ("path", "shape"), [row[:2] for row in rows() if not row[0].endswith(".xz")]
)
def test_a_real_series_passes_as_documented(path, shape, tmp_path):
    row = measure(REAL_DATA / path, None, tmp_path)
    assert " x ".join(map(str, row.shape)) == shape
    assert row.new_errors == ()
    assert row.affine_mm < 1e-4
    assert row.voxel_steps <= 0.501
