"""Scans of a configuration: each with its own modality, where it says so."""

import io
import os
import shutil
import tarfile

import numpy as np
import pytest

from medsr.config import TrainConfig
from medsr.errors import InputError
from medsr.training import cases
from medsr.training.batches import fine_cases
from medsr.training.cases import cache_key, load_case, load_cases, prepare, unpack_tar
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


def test_the_cache_is_keyed_by_content(config, tmp_path):
    """Another scan of the same size, under the same name and date, is prepared anew."""
    data, case = config.data, config.data.train[0]
    before = load_case(case, data, "CT").voxels.copy()
    path = tmp_path / "ct.nii"
    date = path.stat().st_mtime
    content = bytearray(path.read_bytes())
    content[-4:] = np.float32(7).tobytes()
    path.write_bytes(content)
    os.utime(path, (date, date))
    after = load_case(case, data, "CT").voxels
    assert after[-1, -1, -1] == 7
    assert before[-1, -1, -1] != 7


def test_the_same_scan_elsewhere_is_not_prepared_again(config, tmp_path):
    data, case = config.data, config.data.train[0]
    load_case(case, data, "CT")
    shutil.copyfile(tmp_path / "ct.nii", tmp_path / "copy.nii")
    other = case.model_copy(update={"path": "copy.nii", "person": "z", "weight": 3.0})
    load_case(other, data, "CT")
    assert len(list((tmp_path / "cache").glob("*.nii"))) == 1


def test_what_changes_a_prepared_scan_changes_its_key(config, tmp_path, monkeypatch):
    case, source = config.data.train[0], tmp_path / "ct.nii"
    keys = {cache_key(source, case, "CT"), cache_key(source, case, "MR")}
    for change in (
        {"floor": 0.0},
        {"average": (2, 2, 1)},
        {"keep": (0.0, 0.5)},
        {"defaced": True},
    ):
        keys.add(cache_key(source, case.model_copy(update=change), "CT"))
    monkeypatch.setattr(cases, "PREPARATION", cases.PREPARATION + 1)
    keys.add(cache_key(source, case, "CT"))
    assert len(keys) == 7


def test_the_key_of_a_folder_follows_names_and_contents(config, tmp_path):
    case = config.data.train[0]
    keys = set()
    for name, content in (("1.dcm", b"a"), ("2.dcm", b"a"), ("1.dcm", b"b")):
        folder = tmp_path / f"series{len(keys)}"
        (folder / "in").mkdir(parents=True)
        (folder / "in" / name).write_bytes(content)
        keys.add(cache_key(folder, case, "CT"))
    assert len(keys) == 3


def test_voxels_are_averaged_by_parts_of_a_voxel(config):
    """A grid 1.4 times finer than the resolution: the mean stays, so does the outer corner."""
    case = config.data.train[1].model_copy(update={"average": (1.4, 1.4, 2.0)})
    volume = Volume(voxels=smooth_head((42, 35, 38), 1), affine=np.diag([0.9, 0.9, 1.0, 1.0]))
    coarse = prepare(volume, case)
    assert coarse.shape == (30, 25, 19)
    np.testing.assert_allclose(coarse.spacing_mm, (1.26, 1.26, 2.0), rtol=1e-5)
    corner = coarse.affine @ (-0.5, -0.5, -0.5, 1)
    np.testing.assert_allclose(corner, volume.affine @ (-0.5, -0.5, -0.5, 1), atol=1e-6)
    assert coarse.voxels.mean() == pytest.approx(volume.voxels.mean(), rel=0.01)


def test_the_cut_of_a_removed_face_fades_out(config):
    head = 100 + 20 * np.random.default_rng(0).random((40, 40, 40)).astype(np.float32)
    defaced = head.copy()
    defaced[:, 24:, :20] = 0
    case = config.data.train[1].model_copy(update={"defaced": True})
    faded = np.asarray(prepare(Volume(voxels=defaced, affine=np.eye(4)), case).voxels)
    kept = defaced != 0
    np.testing.assert_array_equal(faded[kept], defaced[kept])
    assert np.abs(np.diff(defaced[20, :, 10])).max() > 90  # a cliff
    assert np.abs(np.diff(faded[20, :, 10])).max() < 30  # no more than the head's own texture
    assert faded[20, -1, 0] < 5  # and nothing far from the head


def test_a_scan_without_zeros_has_no_removed_face(config):
    case = config.data.train[1].model_copy(update={"defaced": True})
    whole = np.full((8, 8, 8), 7, np.float32)
    np.testing.assert_array_equal(prepare(Volume(whole, np.eye(4)), case).voxels, whole)
