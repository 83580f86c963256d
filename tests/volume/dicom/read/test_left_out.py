"""Pictures of a series that are no slices: left out beside a slice, refused in its place."""

import pytest

from medsr.batch.job import Decision
from medsr.errors import NotAnatomy, Refused
from medsr.volume.dicom.read.series import open_series, read_series
from tests.batch.studies import make_plan, small_model
from tests.dicom_factory import dicom_series, edit, enhanced_file, stored_values

ORIGINAL = ["ORIGINAL", "PRIMARY"]


@pytest.fixture
def planned(tmp_path):
    def make(folder):
        (item,) = make_plan(folder, tmp_path / "out", model=small_model(tmp_path / "model")).items
        return item

    return make


def frame_type(dataset, k, image_type, component=None, sequence="MRImageFrameTypeSequence"):
    group = dataset.PerFrameFunctionalGroupsSequence[k]
    item = type(group)()
    item.FrameType = image_type
    if component:
        item.ComplexImageComponent = component
    setattr(group, sequence, [item])


@pytest.mark.parametrize("which", [0, 4])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ImageType": [*ORIGINAL, "P"]}, r"\(phase\)"),
        ({"ComplexImageComponent": "REAL"}, r"\(real part\)"),
        ({"ImageType": [*ORIGINAL, "ADC"]}, r"\(map\)"),
        ({"ImageType": [*ORIGINAL, "LOCALIZER"]}, r"\(localizer\)"),
        ({"Modality": "OT"}, r"\(other modality\)"),
        ({"Modality": "CT"}, None),
    ],
)
def test_a_slice_at_an_end_that_is_marked_as_something_else_is_missed(
    tmp_path, planned, which, change, words
):
    files = dicom_series(tmp_path / "scan", uid="1.2.3")
    edit(files[which], **change)
    sentence = rf"IMG000{which}\.dcm lies like a slice .* where no other slice lies, .*{words}"
    if words is None:
        sentence = "contains 2 image series"
    for source in (tmp_path / "scan", files):
        with pytest.raises(Refused, match=sentence), open_series(source):
            pass
    plan = make_plan(tmp_path / "scan", tmp_path / "out", model=small_model(tmp_path / "model"))
    image = next(item for item in plan.items if item.files == 4)
    assert image.decision == Decision.REFUSE
    assert "where no other slice lies" in image.reason


@pytest.mark.parametrize("modality", ["SEG", "OT", "PT"])
def test_a_picture_of_another_modality_that_does_not_say_its_place_is_missed(tmp_path, modality):
    files = dicom_series(tmp_path / "scan", uid="1.2.3")
    edit(files[0], Modality=modality, ImagePositionPatient=None)
    sentence = rf"IMG0000\.dcm belongs to this MR series, but its header says {modality} and not"
    for source in (tmp_path / "scan", files):
        with pytest.raises(Refused, match=sentence), open_series(source):
            pass


def test_a_mask_of_the_slices_size_that_does_not_say_its_place_is_missed(tmp_path):
    files = dicom_series(tmp_path / "scan", uid="1.2.3")
    edit(files[4], BitsAllocated=1, ImageOrientationPatient=None)
    sentence = r"IMG0004\.dcm belongs to this MR series, but its header says mask and not where"
    with pytest.raises(Refused, match=sentence), open_series(tmp_path / "scan"):
        pass


def test_a_small_picture_of_another_modality_without_a_place_is_left_out(tmp_path):
    dicom_series(tmp_path / "scan", uid="1.2.3")
    report = dicom_series(tmp_path / "scan", uid="1.2.3", prefix="R", shape=(4, 4), slices=1)
    edit(report[0], Modality="OT", ImagePositionPatient=None)
    assert (read_series(tmp_path / "scan").voxels == stored_values().transpose(2, 1, 0)).all()


def test_pictures_at_the_slices_or_of_another_size_are_left_out(tmp_path):
    def phase(_, dataset):
        dataset.ImageType = [*ORIGINAL, "P"]

    def map_elsewhere(_, dataset):
        dataset.ImageType = [*ORIGINAL, "T1 MAP"]

    dicom_series(tmp_path / "scan", uid="1.2.3")
    dicom_series(tmp_path / "scan", uid="1.2.3", prefix="P", change=phase)
    dicom_series(
        tmp_path / "scan", uid="1.2.3", prefix="M", shape=(4, 4), step_mm=3.1, change=map_elsewhere
    )
    assert (read_series(tmp_path / "scan").voxels == stored_values().transpose(2, 1, 0)).all()


def test_magnitude_frames_are_the_scan_and_phase_frames_beside_them_are_left_out(
    tmp_path, planned
):
    def mixed(dataset):
        for k in range(10):
            component = ("MAGNITUDE", "PHASE")[k % 2]
            frame_type(dataset, k, [*ORIGINAL, "OTHER", "NONE"], component)

    path = enhanced_file(tmp_path / "in" / "one.dcm", times=2, change=mixed)
    expected = stored_values(10)[1::2].transpose(2, 1, 0)
    assert (read_series(path).voxels == expected).all()
    item = planned(tmp_path / "in")
    assert item.decision == Decision.ENHANCE, item.reason
    assert item.shape == (10, 8, 5)


def test_a_frame_in_the_place_of_a_slice_is_missed(tmp_path, planned):
    def one(dataset):
        frame_type(dataset, 0, [*ORIGINAL, "P"])

    path = enhanced_file(tmp_path / "in" / "one.dcm", change=one)
    with pytest.raises(Refused, match=r"frame 1 of one\.dcm lies like a slice") as fault:
        read_series(path)
    assert not isinstance(fault.value, NotAnatomy)
    assert planned(tmp_path / "in").decision == Decision.REFUSE


@pytest.mark.parametrize("shared", [False, True])
def test_frames_that_all_show_something_else_are_skipped_by_a_batch(tmp_path, planned, shared):
    def change(dataset):
        for k in range(5):
            frame_type(dataset, k, [*ORIGINAL, "OTHER"], "PHASE")
        if shared:
            groups = dataset.PerFrameFunctionalGroupsSequence
            dataset.SharedFunctionalGroupsSequence[0].MRImageFrameTypeSequence = groups[
                0
            ].MRImageFrameTypeSequence
            for group in groups:
                del group.MRImageFrameTypeSequence

    path = enhanced_file(tmp_path / "in" / "one.dcm", change=change)
    with pytest.raises(NotAnatomy, match="is a phase image"):
        read_series(path)
    item = planned(tmp_path / "in")
    assert item.decision == Decision.SKIP
    assert "is a phase image" in item.reason


def test_projections_of_a_volume_are_no_slices(tmp_path):
    def change(dataset):
        for k in range(5):
            frame_type(dataset, k, [*ORIGINAL, "OTHER"], None, "CTImageFrameTypeSequence")
            (item,) = dataset.PerFrameFunctionalGroupsSequence[k].CTImageFrameTypeSequence
            item.VolumeBasedCalculationTechnique = "MAX_IP"

    path = enhanced_file(tmp_path / "one.dcm", modality="CT", change=change)
    with pytest.raises(NotAnatomy, match="is a projection"):
        read_series(path)
