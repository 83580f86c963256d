from medsr.acquisition.acquisition import for_scan
from medsr.audit.out_of_distribution import remarks_on_range

RANGES = {"factor": [2, 6], "thickness_over_spacing": [0.6, 1.4], "in_plane_factor": [1, 3]}


def test_inside_is_silent(phantom):
    assert remarks_on_range(for_scan(phantom, (1, 1, 1)), RANGES, samples=False) == ()


def test_each_number_outside_has_its_sentence(phantom):
    far = remarks_on_range(for_scan(phantom, (1, 1, 0.5)), RANGES, samples=False)
    assert len(far) == 1
    assert "trained on 2 to 6" in far[0].text
    gapped = for_scan(phantom, (1, 1, 1), slice_thickness_mm=1.0)
    gap = remarks_on_range(gapped, RANGES, samples=False)
    assert "slice thickness over slice spacing is 0.25" in gap[0].text
    assert len(remarks_on_range(for_scan(phantom, (0.25, 0.25, 1)), RANGES, samples=False)) == 1


def test_samples_may_have_learned_another_range(phantom):
    far = for_scan(phantom, (1, 1, 0.5))
    ranges = {**RANGES, "factor": [1.5, 8], "factor_of_samples": [2, 6]}
    assert remarks_on_range(far, ranges, samples=False) == ()
    assert "trained on 2 to 6" in remarks_on_range(far, ranges, samples=True)[0].text
