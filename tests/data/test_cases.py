"""Scans of a configuration: each with its own modality, where it says so."""

import numpy as np
import pytest

from medsr.config import TrainConfig
from medsr.data.batches import fine_cases
from medsr.data.cases import load_cases
from medsr.volume.nifti import write_nifti
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
