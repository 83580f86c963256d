"""One limit of a believable slice thickness, for the readers and the acquisition alike."""

import numpy as np
import pytest

from medsr.acquisition.acquisition import for_scan
from medsr.errors import Refused
from medsr.volume.dicom.read.series import open_series
from medsr.volume.thickness import believed_thickness
from medsr.volume.volume import Volume
from tests.dicom_factory import dicom_series, edit

#: Over slices 4 mm apart: (mm, whether it is believed).
CASES = [(0.1, False), (0.21, True), (0.4, True), (4.0, True), (12.0, True), (12.1, False)]


@pytest.mark.parametrize(("thickness", "believed"), CASES)
def test_the_rooms_agree(tmp_path, thickness, believed):
    found, remarks = believed_thickness(thickness, 4.0)
    assert (found is not None) == believed == (not remarks)
    for file in dicom_series(tmp_path / "scan", step_mm=4.0):
        edit(file, SliceThickness=thickness)
    with open_series(tmp_path / "scan") as series:
        assert (series.volume().slice_thickness_mm is not None) == believed
        assert any("not plausible" in remark.text for remark in series.remarks) != believed
    affine = np.diag([1.0, 1.0, 4.0, 1.0])
    scan = Volume(np.ones((4, 4, 4)), affine, slice_axis=2, slice_thickness_mm=thickness)
    try:
        for_scan(scan, (1, 1, 1))
    except Refused:
        assert not believed
    else:
        assert believed
