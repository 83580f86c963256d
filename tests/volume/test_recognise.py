"""The modality is recognised where it is clear, and asked about elsewhere."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from medsr.commands import info
from medsr.errors import Refused
from medsr.volume.formats import read
from medsr.volume.modality import Modality
from medsr.volume.recognise import guess_modality, modality_of_name, with_modality
from medsr.volume.volume import Volume
from tests.nifti_factory import nifti_file
from tests.real_data import REAL_DATA, needs_real_data


def body(seed=0):
    """HU of a body of fat, muscle, lung and bone in air, with noise; the air is a third."""
    rng = np.random.default_rng(seed)
    hu = np.full((24, 24, 12), -1000.0)
    hu[4:20, 2:22] = -100
    hu[6:18, 4:20] = 40
    hu[8:12, 6:10] = -800
    hu[13:15, 11:13] = 700
    return np.clip(hu + rng.normal(0, 15, hu.shape), -1024, 3071).astype(np.float32)


def head(seed=0):
    """A magnitude image of tissues that differ widely."""
    rng = np.random.default_rng(seed)
    voxels = np.zeros((24, 24, 12))
    voxels[4:20, 2:22] = rng.choice([150.0, 220, 300, 420], (16, 20, 12))
    return np.abs(voxels + rng.normal(0, 8, voxels.shape)).astype(np.float32)


CT = {
    "HU": body(),
    "padded": np.where(np.arange(24)[:, None, None] < 2, -2000, body()),
    "wide window": np.clip(body(), -1000, 1000),
}
UNCLEAR = {
    "HU + 1024": body() + 1024,
    "scaled to [0, 1]": (body() + 1024) / 4095,
    "brain window": np.clip(body(), 0, 80),
    "soft tissue window": np.clip(body(), -160, 240),
    "brain alone": np.where(np.abs(body() - 40) < 40, body(), 0),
    "z-scored MR": (head() - head().mean()) / head().std(),
    "phase": np.random.default_rng(0).uniform(-4096, 4095, (9, 9, 9)),
}
MR = {
    "magnitude": head(),
    "scaled to [0, 1]": np.clip(head() / np.percentile(head(), 99.5), 0, 1),
    "ringing": head() - 3,
}


@pytest.mark.parametrize("name", CT)
def test_ct_is_recognised(name):
    assert guess_modality(CT[name]).modality == Modality.CT


@pytest.mark.parametrize("name", MR)
def test_mr_is_recognised(name):
    assert guess_modality(MR[name]).modality == Modality.MR


@pytest.mark.parametrize("name", UNCLEAR)
def test_what_may_be_either_is_asked_about(name):
    volume = Volume(UNCLEAR[name].astype(np.float32), np.diag([1, 1, 4, 1.0]), name="scan")
    with pytest.raises(Refused, match=r"scan: the file does not state .* --modality MR, or") as it:
        with_modality(volume)
    assert f"reach from {volume.voxels.min():.4g}" in str(it.value)
    assert with_modality(volume, Modality.MR).modality == Modality.MR


@pytest.mark.parametrize(
    ("path", "modality"),
    [
        ("s0001/ct.nii.gz", Modality.CT),
        ("sub-01_ct.nii.gz", Modality.CT),
        ("CT/0012.nii", Modality.CT),
        ("mri.nii.gz", Modality.MR),
        ("sub-CT01_T1w.nii.gz", Modality.MR),
        ("ct_to_mr.nii.gz", None),
        ("ct/T2.nii.gz", Modality.MR),
        ("project_ct_and_mr/scan.nii.gz", None),
        ("contact.nii.gz", None),
    ],
)
def test_a_name_may_say_it(path, modality):
    path = Path(path)
    assert modality_of_name(path, path.name.partition(".")[0]) == modality


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("scan_ct.nii", body(), Modality.CT),
        ("window_ct.nii", np.clip(body(), 0, 80), Modality.CT),
        ("t1.nii", (head() - 200) / 100, Modality.MR),
        ("shifted_ct.nii", body() + 1024, "another scale than Hounsfield"),
        ("t2.nii", body(), "its name says MR, but its intensities look like CT"),
        ("head_ct.nii", head(), "its name says CT, but its intensities look like MR"),
    ],
)
def test_a_name_counts_where_the_intensities_allow_it(tmp_path, name, values, found):
    volume = read(nifti_file(tmp_path / name, values, dtype=np.float32))
    if isinstance(found, Modality):
        assert with_modality(volume).modality == found
    else:
        with pytest.raises(Refused, match=found):
            with_modality(volume)


def test_an_assumption_is_said_and_a_name_that_agrees_is_not(tmp_path):
    def remarks(name, values):
        volume = with_modality(read(nifti_file(tmp_path / name, values, dtype=np.float32)))
        assert with_modality(volume).remarks == volume.remarks
        return " ".join(remark.text for remark in volume.remarks)

    assert "assumed CT from the intensities" in remarks("a.nii", body())
    assert "assumed CT from its name" in remarks("b_ct.nii", np.clip(body(), -160, 240))
    assert remarks("c_ct.nii", body()) == ""


def test_header_and_user_may_not_differ():
    volume = Volume(head(), np.eye(4), modality=Modality.MR)
    with pytest.raises(Refused, match="header says MR and --modality says CT"):
        with_modality(volume, Modality.CT)


def test_info_asks_too(tmp_path):
    scan = nifti_file(tmp_path / "scan.nii", np.clip(body(), 0, 80))
    lines = info.run(scan, None).lines
    assert "reach from 0 to 80" in lines[-1]


@needs_real_data
def test_real_scans_are_recognised_and_their_windows_asked_about():
    hu = nibabel.load(REAL_DATA / "ct_totalsegmentator_example" / "example_ct.nii.gz").get_fdata()
    hu = hu[::2, ::2, ::2]
    assert guess_modality(hu).modality == Modality.CT
    clipped = np.clip(hu, -1024, 3071)
    for window in (clipped + 1024, np.clip(hu, 0, 80), np.clip(hu, -160, 240), hu / hu.std()):
        assert guess_modality(window).modality is None
    brain = np.where((hu > 0) & (hu < 80), hu, 0)
    assert guess_modality(brain).modality is None
    for path in sorted(REAL_DATA.glob("mri_*/**/*.nii.gz")):
        voxels = nibabel.load(path).get_fdata(dtype=np.float32)[::2, ::2, ::2]
        assert guess_modality(voxels).modality == Modality.MR, path.name
        assert guess_modality((voxels - voxels.mean()) / voxels.std()).modality is None, path.name
