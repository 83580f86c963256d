"""The parts of a job array: even, complete, and the same whoever deals."""

import random

import pytest

import medsr.batch
from medsr.batch.job import Decision, Item
from medsr.batch.parts import dealt
from medsr.batch.plan import Selection
from tests.batch.studies import make_plan, nifti_study, small_model, stub_restore, thick_nifti


def scans(voxels):
    """Scans whose results have so many voxels; the last two are left out."""
    todo = Decision.ENHANCE
    work = [
        Item(f"{k:012x}", "", "nifti", todo, fine_shape=(n, 1, 1)) for k, n in enumerate(voxels)
    ]
    left_out = [Item(f"{k:012x}", "", "nifti", Decision.SKIP) for k in (1000, 1001)]
    return [*work, *left_out]


def cost(items):
    return sum(item.fine_voxels for item in items)


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 16])
def test_every_scan_is_in_one_part_and_the_parts_are_even(parts):
    items = scans([10**6 + 7919 * k % 10**6 for k in range(40)])
    found = [dealt(items, parts, part) for part in range(parts)]
    assert sorted(i.key for part in found for i in part) == sorted(i.key for i in items)
    costs = [cost(part) for part in found]
    assert max(costs) - min(costs) <= max(item.fine_voxels for item in items)
    assert max(costs) <= 4 / 3 * max(cost(items) / parts, max(i.fine_voxels for i in items))


def test_one_large_scan_counts_for_many_small_ones():
    found = [dealt(scans([900, *[100] * 9]), 2, part) for part in (0, 1)]
    assert [cost(part) for part in found] == [900, 900]


def test_no_part_is_empty_while_another_has_two():
    """Ten scans of one size among ten parts; dealt by their hashes, some had none."""
    assert [cost(dealt(scans([5] * 10), 10, part)) for part in range(10)] == [5] * 10


def test_the_order_of_the_folder_does_not_matter():
    items = scans([3, 1, 4, 1, 5, 9, 2, 6])
    mixed = random.Random(0).sample(items, len(items))
    for part in range(3):
        assert {i.key for i in dealt(items, 3, part)} == {i.key for i in dealt(mixed, 3, part)}


@pytest.fixture
def planned(tmp_path):
    model = small_model(tmp_path / "model")

    def of_part(part, parts=3):
        selection = Selection(parts=parts, part=part)
        return make_plan(tmp_path / "in", tmp_path / "out", model=model, selection=selection)

    return of_part


def test_a_scan_that_is_done_does_not_shift_the_deal(tmp_path, planned):
    nifti_study(tmp_path / "in", 6)
    before = [{item.key for item in planned(part).items} for part in range(3)]
    assert [len(keys) for keys in before] == [2, 2, 2]
    medsr.batch.run(planned(0), restore=stub_restore)
    after = [{item.key for item in planned(part).items} for part in range(3)]
    assert after == before
    assert [len(planned(part).todo) for part in range(3)] == [0, 2, 2]


def test_scans_of_the_same_name_clash_whatever_their_parts(tmp_path, planned):
    thick_nifti(tmp_path / "in" / "scan.nii")
    thick_nifti(tmp_path / "in" / "scan.nii.gz")
    decisions = [item.decision for part in (0, 1) for item in planned(part, 2).items]
    assert sorted(decisions) == [Decision.ENHANCE, Decision.REFUSE]
