"""What stands in place of a UID is shown nowhere: it may name a person, or move the cursor."""

import pydicom
import pytest

from medsr.commands import info
from medsr.errors import MedsrError
from medsr.volume.dicom.read.choose import list_series
from medsr.volume.dicom.read.series import read_series
from medsr.volume.dicom.uids import shown_uid
from tests.dicom_factory import SECRET, dicom_series

WRONG = [SECRET, "1.2\n3", "\x1b[2J", "1.2 3", "1" * 65, "1.2\u202e3"]


@pytest.mark.parametrize("uid", ["1.2.840.1", "2.25." + "9" * 39, "0af3" * 8])
def test_uids_and_digests_are_shown(uid):
    assert shown_uid(uid) == uid


@pytest.mark.parametrize("uid", WRONG)
def test_anything_else_is_not(uid):
    assert shown_uid(uid) == "(its UID is not valid)"


def test_none_is_said():
    assert shown_uid("") == "(no UID)"


@pytest.mark.parametrize("uid", WRONG[:3])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_series_uid_that_is_none_is_shown_nowhere(tmp_path, uid):
    folder = tmp_path / "scan"
    dicom_series(folder, uid=uid, change=_undescribed)
    dicom_series(folder, uid="1.2", prefix="OTHER", change=_undescribed)
    with pytest.raises(MedsrError) as fault:
        read_series(folder)
    with pytest.raises(MedsrError) as unknown:
        read_series(folder, series="Erika^" + SECRET)
    shown = [str(fault.value), str(unknown.value), *info.run(folder, None).lines]
    shown += [series.uid for series in list_series(folder)]
    for words in shown:
        assert uid not in words
        assert SECRET not in words
    assert any("its UID is not valid" in words for words in shown)


def _undescribed(_, dataset):
    del dataset.SeriesDescription  # free text, which info does show


@pytest.mark.parametrize("uid", WRONG[:3])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_transfer_syntax_that_is_none_is_shown_nowhere(tmp_path, uid):
    for file in dicom_series(tmp_path / "scan"):
        header = pydicom.dcmread(file)
        header.file_meta.TransferSyntaxUID = uid
        header.save_as(file, enforce_file_format=False, implicit_vr=False, little_endian=True)
    (words,) = info.run(tmp_path / "scan", None).lines[1:]
    assert uid not in words
    assert "unknown transfer syntax" in words
