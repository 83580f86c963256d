"""The scanner that the consistency of estimates is computed with."""

from dataclasses import replace

import numpy as np
import pytest

from medsr.acquisition.simulate import degraded_to
from medsr.acquisition.width_estimate import WidthEstimate
from medsr.evaluation.case import measured_by
from medsr.metrics import consistency
from medsr.restore import slice_profile
from medsr.volume.volume import Volume
from tests.conftest import smooth_head


@pytest.mark.parametrize("modality", ["MR", None])
def test_a_header_that_the_scan_contradicts_is_not_used(monkeypatch, modality):
    """The reference explains its own thick scan, whatever the header says of it."""
    scan = Volume(smooth_head((24, 24, 48), 1), np.eye(4), modality="MR")
    fine, low, plan = degraded_to(scan, 4.0)
    found = WidthEstimate((plan.axes[2].width_mm / 4.0) ** 2, 0.02)
    monkeypatch.setattr(slice_profile, "estimate_width", lambda volume, axis: found)
    wrong = replace(low, slice_thickness_mm=8.0, modality=modality)
    told = replace(low, slice_thickness_mm=4.0)
    monkeypatch.setattr(slice_profile, "LEAN", 0.0)
    for scanner in (measured_by(told), measured_by(wrong)):
        assert consistency.residual(low.voxels, scanner.predict(fine)) < 1e-6
    assert measured_by(wrong).slice_axis == 2
