"""Links, pipes and missing content."""

import os
import zipfile

import pytest

from medsr.errors import InputError
from medsr.volume.dicom.read.choose import list_series
from medsr.volume.dicom.read.series import read_series
from tests.dicom_factory import dicom_series, edit


def let_go(file):
    """What DataLad leaves of a file that was not fetched."""
    file.unlink()
    file.symlink_to(f"../.git/annex/objects/{file.name}")


def test_files_that_were_not_fetched_are_counted(tmp_path):
    files = dicom_series(tmp_path / "scan", slices=7)
    for file in files[-2:]:
        let_go(file)
    for source in (tmp_path / "scan", files[0]):
        with pytest.raises(InputError, match="scan: 2 files are missing: links or pointers"):
            read_series(source)
    with pytest.raises(InputError, match=r"IMG0006\.dcm: is a link to a file that is not here"):
        read_series(files[-1])
    for file in files[:-2]:
        let_go(file)
    with pytest.raises(InputError, match="scan: 7 files are missing: links or pointers"):
        list_series(tmp_path / "scan")


def test_a_pointer_in_place_of_a_file_is_named(tmp_path):
    files = dicom_series(tmp_path / "scan")
    renamed = [file.rename(file.with_suffix("")) for file in files]
    renamed[-1].write_text("/annex/objects/MD5E-s3--1\n")
    with pytest.raises(InputError, match="scan: 1 file is missing: links or pointers"):
        read_series(tmp_path / "scan")


def test_a_dangling_link_to_something_else_is_no_obstacle(tmp_path):
    dicom_series(tmp_path / "scan")
    (tmp_path / "scan" / "README.md").symlink_to("../nowhere.md")
    assert read_series(tmp_path / "scan").shape == (10, 8, 5)


def test_linked_folders_are_followed_and_loops_are_not(tmp_path):
    dicom_series(tmp_path / "store" / "one")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "T1").symlink_to(tmp_path / "store" / "one")
    (tmp_path / "store" / "one" / "up").symlink_to(tmp_path / "study")
    assert read_series(tmp_path / "study").shape == (10, 8, 5)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_never_opened(tmp_path):
    dicom_series(tmp_path / "scan")
    os.mkfifo(tmp_path / "scan" / "pipe.dcm")
    assert read_series(tmp_path / "scan").shape == (10, 8, 5)
    with pytest.raises(InputError, match=r"pipe\.dcm: is a pipe, socket or device"):
        read_series(tmp_path / "scan" / "pipe.dcm")


def test_files_of_one_name_in_two_folders_are_told_apart(tmp_path):
    first = dicom_series(tmp_path / "scan" / "Mustermann", slices=3, uid="1.2")
    dicom_series(tmp_path / "scan" / "b", slices=3, uid="1.2", step_mm=2.5)
    edit(first[1], ImagePositionPatient=[0, 0, 70])
    with pytest.raises(Exception, match=r"IMG0000\.dcm \(1 of 2 of that name\)") as fault:
        read_series(tmp_path / "scan")
    assert "Mustermann" not in str(fault.value)


def test_here_has_the_name_of_its_folder(tmp_path, monkeypatch):
    dicom_series(tmp_path / "scan")
    monkeypatch.chdir(tmp_path / "scan")
    assert read_series(os.curdir).name == "scan"


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED])
def test_a_damaged_member_of_any_packing_is_no_whole_zip(tmp_path, method):
    files = dicom_series(tmp_path / "scan")
    with zipfile.ZipFile(tmp_path / "scan.zip", "w", method) as archive:
        for file in files:
            archive.write(file, file.name)
    content = bytearray((tmp_path / "scan.zip").read_bytes())
    content[48:120] = b"\xff" * 72
    (tmp_path / "scan.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"scan\.zip: is not a complete zip file"):
        read_series(tmp_path / "scan.zip")


def test_a_member_without_a_name_is_no_whole_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "scan.zip", "w") as archive:
        archive.writestr("IMG.dcm", b"x")
    content = (tmp_path / "scan.zip").read_bytes()
    (tmp_path / "scan.zip").write_bytes(content.replace(b"IMG.dcm", b"\0MG.dcm"))
    with pytest.raises(InputError, match=r"scan\.zip: "):
        read_series(tmp_path / "scan.zip")


def test_hidden_files_are_left_out_unless_they_are_named(tmp_path):
    """As in a batch: a name that begins with a dot, macOS's forks among them."""
    folder = tmp_path / "scan"
    shown = dicom_series(folder, uid="1.2")
    hidden = dicom_series(folder, uid="1.3", prefix="..")
    dicom_series(folder / ".old", uid="1.4")
    (folder / "._IMG0000.dcm").write_bytes(b"fork")
    with zipfile.ZipFile(tmp_path / "scan.zip", "w") as archive:
        for file in folder.rglob("*.dcm"):
            archive.write(file, file.relative_to(tmp_path))
    for place in (folder, tmp_path / "scan.zip", shown[0]):
        assert [(series.uid, series.files) for series in list_series(place)] == [("1.2", 5)]
    assert [series.uid for series in list_series(hidden[0])] == ["1.3"]


def test_a_folder_of_hidden_files_is_not_called_empty(tmp_path):
    (tmp_path / "scan").mkdir()
    with pytest.raises(InputError, match="is an empty folder"):
        list_series(tmp_path / "scan")
    dicom_series(tmp_path / "scan", prefix=".")
    with pytest.raises(InputError, match="holds no files to read"):
        list_series(tmp_path / "scan")


@pytest.mark.parametrize("name", ["scan.hdr", "scan.img", "SCAN.IMG.gz"])
def test_half_of_an_analyze_image_is_called_so(tmp_path, name):
    (tmp_path / name).write_bytes(bytes(348))
    with pytest.raises(InputError, match="is one half of an image in two files"):
        read_series(tmp_path / name)
