"""Scans of a configuration: each with its own modality, where it says so."""

import io
import tarfile

import numpy as np
import pytest

from medsr.config import TrainConfig
from medsr.errors import InputError
from medsr.training.batches import fine_cases
from medsr.training.cases import load_cases, unpack_tar
from medsr.volume.nifti_write import write_nifti
from medsr.volume.volume import Volume
from tests.conftest import smooth_head


@pytest.fixture
def config(tmp_path):
    for name in ("ct", "head"):
        volume = Volume(voxels=smooth_head((40, 36, 38), 1), affine=np.eye(4))
        write_nifti(volume, tmp_path / f"{name}.nii")
    cases = [
        {"path": "ct.nii", "person": "a", "floor": -1024},
        {"path": "head.nii", "person": "b", "modality": "MR"},
    ]
    data = {"root": str(tmp_path), "cache": str(tmp_path / "cache")}
    return TrainConfig.model_validate(
        {
            "name": "mixed",
            "modality": "CT",
            "description": "for tests",
            "data": {**data, "train": cases, "validate": []},
            "trainer": {"steps": 1},
        }
    )


def test_a_scan_may_be_of_another_modality(config):
    data = config.data
    fine = fine_cases(load_cases(data.train, data, config.modality), data.train)
    assert [scan.modality for scan in fine] == ["CT", "MR"]
    assert [case.person for case in config.own_scans] == ["a"]


def tar_of(path, *members):
    """A tar archive of (name, kind) with three bytes each."""
    with tarfile.open(path, "w:xz") as archive:
        for name, kind in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, "/etc/passwd", 3
            archive.addfile(member, io.BytesIO(b"abc") if kind == tarfile.REGTYPE else None)
    return path


def test_a_tar_gives_its_regular_files_alone(tmp_path):
    regular, link = tarfile.REGTYPE, tarfile.SYMTYPE
    source = tar_of(tmp_path / "a.tar.xz", ("in/1.dcm", regular), ("in/link", link))
    unpack_tar(source, tmp_path / "out")
    found = [p for p in (tmp_path / "out").rglob("*") if not p.is_dir()]
    assert found == [tmp_path / "out" / "in" / "1.dcm"]
    assert found[0].read_bytes() == b"abc"


@pytest.mark.parametrize("name", ["../evil", "/evil", "in/../../evil"])
def test_a_tar_that_points_outside_is_refused_whole(tmp_path, name):
    source = tar_of(tmp_path / "a.tar.xz", ("good", tarfile.REGTYPE), (name, tarfile.REGTYPE))
    with pytest.raises(InputError, match="outside"):
        unpack_tar(source, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.tar.xz"]
