"""A small disk: nothing is half written, the fault is said, and room is all that it takes."""

import numpy as np
import pytest

import medsr.batch
from medsr.batch import worker
from tests.batch.studies import make_plan, small_model, stub_restore, thick_nifti
from tests.dicom_factory import dicom_series
from tests.small_disk import small_disk_at

SIZE = 4_000_000


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of 4 MB."""
    with small_disk_at(tmp_path / "disk", SIZE) as place:
        yield place


def study(root, scans=4):
    """Outputs of about 1 MB each, which do not compress."""
    for k in range(scans):
        voxels = np.random.default_rng(k).uniform(0, 1, (60, 60, 20)).astype(np.float32)
        thick_nifti(root / f"scan{k}.nii", voxels=voxels)
    return root


def series(root, scans=4):
    """Outputs of about half as much as DICOM."""
    for k in range(scans):
        dicom_series(root / f"scan{k}", slices=10, shape=(60, 60), step_mm=4.0, seed=k)
    return root


def outputs(out):
    return [*out.glob("*.nii.gz"), *out.glob("*/series-*/")]


@pytest.mark.parametrize("make", [study, series])
@pytest.mark.parametrize("foreseen", [True, False])
def test_a_full_disk(tmp_path, small_disk, monkeypatch, foreseen, make):
    """Seen before the work, or (when others fill the disk meanwhile) while writing."""
    if not foreseen:
        monkeypatch.setattr(worker, "check_room", lambda item, job: None)
    source, model = make(tmp_path / "in"), small_model(tmp_path / "model")
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(SIZE - 900_000))
    out = small_disk / "out"
    results = medsr.batch.run(make_plan(source, out, model=model), restore=stub_restore)
    assert set(results.counts) <= {"failed", "done"}
    assert results.counts["failed"] >= 1
    assert all("free space" in row.reason for row in results.faults)
    assert not list(out.rglob(".*")), "temporary files are left"
    assert len(outputs(out)) == results.counts.get("done", 0)
    ballast.unlink()
    again = medsr.batch.run(make_plan(source, out, model=model), restore=stub_restore)
    assert again.is_whole
    assert len(outputs(out)) == 4
