"""Archive -> medsr -> archive, with a real Orthanc and DCMTK."""

import pydicom
import pytest

from medsr.cli.main import main
from medsr.network.checkpoint import save_model
from medsr.volume.dicom.read.series import read_series
from tests.dicom_factory import dicom_series
from tests.dicom_tools import needs
from tests.network.test_unet_and_checkpoint import card, small_denoiser
from tests.orthanc import fetch, orthanc, send


def in_one_study(k, dataset):
    dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = "2.25.11", "2.25.12"
    dataset.SeriesNumber = 4


@needs("Orthanc", "storescu", "getscu")
@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_an_archive_shows_one_study_with_two_series(tmp_path, modality):
    dicom_series(tmp_path / "in", modality=modality, uid="2.25.13", change=in_one_study)
    model = tmp_path / "small.safetensors"
    save_model(small_denoiser(), card(modality=modality), model)
    with orthanc(tmp_path / "archive") as server:
        assert send(tmp_path / "in", server.dicom) == 0
        fetch(tmp_path / "fetched", server.dicom, "2.25.13")
        words = ["enhance", tmp_path / "fetched", "-o", tmp_path / "out", "--model", model]
        with pytest.raises(SystemExit) as stop:
            main([*map(str, words), "--steps", "1", "-q"])
        assert stop.value.code == 0
        assert send(tmp_path / "out", server.dicom) == 0
        assert send(tmp_path / "out", server.dicom) == 0  # again: the same instances

        (study,) = server.get("/studies?expand")
        assert study["MainDicomTags"]["StudyInstanceUID"] == "2.25.11"
        series = [server.get(f"/series/{identifier}") for identifier in study["Series"]]
        assert len(series) == 2
        frames = set()
        for one in series:
            tags = server.get(f"/instances/{one['Instances'][0]}/simplified-tags")
            frames.add(tags["FrameOfReferenceUID"])
            assert one["MainDicomTags"]["Modality"] == modality
        assert frames == {"2.25.12"}
        (new,) = [s for s in series if s["MainDicomTags"]["SeriesInstanceUID"] != "2.25.13"]
        assert "research use only" in new["MainDicomTags"]["SeriesDescription"]
        assert len(new["Instances"]) == len(list((tmp_path / "out").iterdir()))

        fetch(tmp_path / "back", server.dicom, new["MainDicomTags"]["SeriesInstanceUID"])
        ours, theirs = read_series(tmp_path / "out"), read_series(tmp_path / "back")
        assert (ours.voxels == theirs.voxels).all()
        assert (ours.affine == theirs.affine).all()
        assert pydicom.dcmread(next((tmp_path / "back").iterdir())).ImageType[0] == "DERIVED"
