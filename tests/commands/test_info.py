"""`medsr info` lists what a folder or zip contains, as `medsr batch` judges it."""

import re
import shutil
import zipfile

import pytest

from medsr.commands import info
from medsr.errors import InputError, Refused
from medsr.volume.formats import open_scan
from tests.batch.studies import make_plan, small_model, thick_nifti
from tests.dicom_factory import dicom_series
from tests.volume.dicom.read.test_choose import named


def localizer(_, dataset):
    dataset.SeriesNumber, dataset.SeriesDescription = 1, "scout"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]


def other_study(_, dataset):
    named(2, "abdomen \x1b[31m")(_, dataset)
    dataset.StudyInstanceUID = "1.9.9"


@pytest.fixture
def dump(tmp_path):
    folder = tmp_path / "dump"
    dicom_series(folder, uid="1.1", slices=3, prefix="L", change=localizer)
    dicom_series(folder, uid="1.2", step_mm=4.4, prefix="A", change=named(2, "T2 TSE"))
    dicom_series(folder, uid="1.3", step_mm=0.8, pixel_spacing=(0.8, 0.8), change=named(10, "iso"))
    dicom_series(folder, uid="1.4", slices=8, skip=(3,), prefix="G", change=named(4, "gap"))
    dicom_series(
        folder / "ct", uid="1.5", modality="CT", step_mm=4.0, prefix="C", change=other_study
    )
    return folder


def lines_of(source):
    return [re.split(r" {2,}", line.strip()) for line in info.run(source, None).lines]


def test_a_dump_is_a_table_of_what_would_be_done(dump):
    head, *rows, one, every = lines_of(dump)
    first, second = ((0, 4), (4, 5)) if rows[0][0] == "1" else ((1, 5), (0, 1))
    study, other = rows[slice(*first)], rows[slice(*second)]
    assert head == [
        *("number", "description", "modality", "size", "spacing (mm)"),
        *("--series", "medsr would"),
    ]
    scout, thick, gap, iso = ("  ".join(row) for row in study)
    assert scout == "1  scout  MR  10 x 8, 3 images  skip: a localizer (scout), not a volume"
    assert thick == (
        "2  T2 TSE  MR  10 x 8 x 5  0.6 x 0.8 x 4.4  'T2 TSE'  enhance 4.4 mm to 0.6 mm"
    )
    assert gap.startswith("4  gap  MR  10 x 8, 7 images  4  refuse: gap of 4.00 mm")
    assert iso == (
        "10  iso  MR  10 x 8 x 5  0.8 x 0.8 x 0.8  10  "
        "skip: already isotropic (0.8 x 0.8 x 0.8 mm)"
    )
    assert other[0][1] == "abdomen \\x1b[31m"
    assert other[0][5:] == ["'abdomen \\x1b[31m'", "enhance 4 mm to 0.6 mm"]
    assert "medsr enhance" in one[0]
    assert "medsr batch" in every[0]


def test_what_the_table_says_is_what_a_batch_does(dump, tmp_path):
    plan = make_plan(dump, tmp_path / "out", model=small_model(tmp_path / "model"))
    decisions = sorted(item.decision for item in plan.items if item.modality == "MR")
    shown = sorted(row[-1].split(":")[0].split()[0] for row in lines_of(dump)[1:-2] if "MR" in row)
    assert shown == decisions


def test_each_choice_that_it_names_is_taken(dump):
    _, *rows = lines_of(dump)
    for choice in (row[5].strip("'") for row in rows if len(row) == 7):
        with open_scan(dump, series=choice) as scan:
            assert scan.series is not None


def test_a_zip_has_the_same_table(dump, tmp_path):
    with zipfile.ZipFile(tmp_path / "dump.zip", "w") as archive:
        for file in sorted(dump.rglob("*.dcm")):
            archive.write(file, file.relative_to(dump))
    assert sorted(lines_of(tmp_path / "dump.zip")[1:-2]) == sorted(lines_of(dump)[1:-2])


def test_without_clashes_there_is_no_column_for_the_choice(dump):
    shutil.rmtree(dump / "ct")
    head, *rows, last = lines_of(dump)
    assert "--series" not in head
    assert "--series 2 (" in last[0]
    assert [row[0] for row in rows] == ["1", "2", "4", "10"]


def test_a_chosen_series_and_a_single_one_are_described(dump, tmp_path):
    assert "4.4 mm apart" in "\n".join(info.run(dump, "T2").lines)
    with pytest.raises(Refused, match="has no series 99"):
        info.run(dump, "99")
    dicom_series(tmp_path / "one", change=named(3, "T1"))
    first, *rest = info.run(tmp_path / "one", None).lines
    assert first == "series 3, T1: MR, 10 x 8 x 5"
    assert "2 mm apart" in "\n".join(rest)


def test_a_folder_of_image_files_is_listed_too(tmp_path):
    thick_nifti(tmp_path / "in" / "a.nii.gz")
    assert "4 mm apart" in "\n".join(info.run(tmp_path / "in", None).lines)
    thick_nifti(tmp_path / "in" / "b" / "c.nii.gz")
    _, a, c, one, _ = lines_of(tmp_path / "in")
    assert a == ["a.nii.gz", "MR", "12 x 14 x 5", "1 x 1 x 4", "enhance 4 mm to 1 mm"]
    assert c[0] == "b/c.nii.gz"
    assert "medsr enhance FILE" in one[0]


def test_nothing_to_read_is_an_error(tmp_path):
    with pytest.raises(InputError, match="empty folder"):
        info.run(tmp_path, None)
