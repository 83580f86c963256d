"""A series is held against what its headers say of the whole."""

import pytest

from medsr.batch.job import Decision
from medsr.errors import InputError, Refused
from medsr.volume.dicom.read.series import read_series
from tests.batch.studies import make_plan, small_model
from tests.dicom_factory import dicom_series

ORIGINAL = ["ORIGINAL", "PRIMARY"]


def series(folder, **attributes):
    def change(_, dataset):
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)

    return dicom_series(folder, uid="1.2.3", change=change)


@pytest.mark.parametrize("declared", [6, 10, 500])
def test_fewer_slices_than_declared_are_refused_half_of_them_too(tmp_path, declared):
    series(tmp_path / "scan", ImagesInAcquisition=declared)
    with pytest.raises(Refused, match=f"declare {declared} slices and 5 were found"):
        read_series(tmp_path / "scan")


@pytest.mark.parametrize("declared", [1, 5])
def test_as_many_or_more_slices_than_declared_are_read(tmp_path, declared):
    series(tmp_path / "scan", ImagesInAcquisition=declared)
    assert read_series(tmp_path / "scan").shape == (10, 8, 5)


def test_one_slice_that_declares_more_is_believed(tmp_path):
    def change(k, dataset):
        if k == 2:
            dataset.ImagesInAcquisition = 7

    dicom_series(tmp_path / "scan", change=change)
    with pytest.raises(Refused, match="declare 7 slices"):
        read_series(tmp_path / "scan")


@pytest.mark.parametrize(
    "several", [{"ImageType": [*ORIGINAL, "M", "WATER"]}, {"EchoNumbers": 2}], ids=str
)
def test_one_contrast_or_echo_of_several_is_whole(tmp_path, several):
    series(tmp_path / "scan", ImagesInAcquisition=10, **several)
    assert read_series(tmp_path / "scan").shape == (10, 8, 5)
    series(tmp_path / "less", ImagesInAcquisition=12, **several)
    with pytest.raises(Refused, match="declare 12 slices"):
        read_series(tmp_path / "less")


def test_pictures_that_are_left_out_count(tmp_path):
    series(tmp_path / "scan", ImagesInAcquisition=10)

    def phase(_, dataset):
        dataset.ImageType = [*ORIGINAL, "P"]
        dataset.ImagesInAcquisition = 10

    dicom_series(tmp_path / "scan", uid="1.2.3", prefix="P", change=phase)
    assert read_series(tmp_path / "scan").shape == (10, 8, 5)


@pytest.mark.parametrize(
    ("declared", "thickness", "remarked"),
    [
        (4.0, 4.0, False),
        (-4.0, 4.0, False),
        (1.0, 3.0, False),  # as a gap
        (2.0, 2.0, True),  # every second slice, or a gap as wide as a slice
        (9.0, 4.0, True),
    ],
)
def test_a_declared_distance_between_slices_is_held_against_theirs(
    tmp_path, declared, thickness, remarked
):
    def change(_, dataset):
        dataset.SpacingBetweenSlices, dataset.SliceThickness = declared, thickness

    dicom_series(tmp_path / "scan", step_mm=4.0, change=change)
    remarks = [remark.text for remark in read_series(tmp_path / "scan").remarks]
    assert any("SpacingBetweenSlices" in text for text in remarks) == remarked


@pytest.mark.parametrize("content", [b"", bytes(9000)])
def test_a_blank_file_among_slices_is_missed_whatever_its_name_ends_in(tmp_path, content):
    files = [path.rename(path.with_suffix("")) for path in series(tmp_path / "in" / "scan")]
    (tmp_path / "in" / "empty.txt").write_bytes(b"")
    (tmp_path / "in" / "scan" / "lock").write_bytes(b"")
    assert read_series(tmp_path / "in" / "scan").shape == (10, 8, 5)
    files[4].write_bytes(content)
    for source in (tmp_path / "in" / "scan", files[0]):
        with pytest.raises(InputError, match="IMG0004: is empty or contains zeros only"):
            read_series(source)
    model = small_model(tmp_path / "model")
    items = make_plan(tmp_path / "in", tmp_path / "out", model=model).items
    assert {item.decision for item in items} == {Decision.REFUSE}
    assert all("IMG0004: is empty" in item.reason for item in items)
