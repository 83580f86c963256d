from medsr.acquisition.acquisition import for_scan
from medsr.restore.ranges import remarks_on_range

RANGES = {"factor": [2, 6], "thickness_over_spacing": [0.6, 1.4], "in_plane_factor": [1, 3]}


def test_inside_is_silent(phantom):
    assert remarks_on_range(for_scan(phantom, (1, 1, 1)), RANGES) == ()


def test_each_number_outside_has_its_sentence(phantom):
    far = remarks_on_range(for_scan(phantom, (1, 1, 0.5)), RANGES)
    assert len(far) == 1
    assert "trained on 2 to 6" in far[0]
    gap = remarks_on_range(for_scan(phantom, (1, 1, 1), slice_thickness_mm=1.0), RANGES)
    assert "slice thickness over slice spacing is 0.25" in gap[0]
    assert len(remarks_on_range(for_scan(phantom, (0.25, 0.25, 1)), RANGES)) == 1
