"""MGH, MetaImage and NRRD: the same voxels in the same place as NIfTI, and faults in words."""

import gzip
import importlib.util
from contextlib import suppress

import nibabel
import numpy as np
import pytest
from nibabel.freesurfer.mghformat import MGHImage

import medsr.batch
from medsr.batch.survey import survey
from medsr.errors import InputError, MedsrError, Refused, SeveralVolumes, UsageError
from medsr.volume import itk
from medsr.volume.formats import input_files, open_scan, read, read_image_header
from medsr.volume.modality import Modality
from tests.batch.studies import make_plan, small_model, stub_restore
from tests.command_line import call

needs_itk = pytest.mark.skipif(
    importlib.util.find_spec("SimpleITK") is None, reason="SimpleITK is not installed"
)

#: Oblique, left-handed, 0.9 x 0.8 x 4 mm.
TURN = nibabel.eulerangles.euler2mat(0.3, -0.2, 0.1) @ np.diag([0.9, 0.8, -4.0])
AFFINE = nibabel.affines.from_matvec(TURN, [-31.5, 17.25, -4.0])


def values(dtype=np.int16):
    voxels = np.random.default_rng(0).integers(0, 900, (7, 9, 5)).astype(dtype)
    return voxels if np.issubdtype(dtype, np.integer) else voxels + dtype(0.5)


def mgh(path, voxels=None, affine=AFFINE):
    image = MGHImage(values(np.int16) if voxels is None else voxels, affine.astype(np.float32))
    nibabel.save(image, path)
    return path


def itk_file(path, voxels=None):
    import SimpleITK

    voxels = values() if voxels is None else voxels
    lps = np.diag([-1.0, -1, 1, 1]) @ AFFINE
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image = SimpleITK.GetImageFromArray(voxels.T if voxels.ndim == 3 else voxels)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    SimpleITK.WriteImage(image, str(path), path.name.startswith("z"))
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32])
@pytest.mark.parametrize("name", ["s.mgz", "s.mgh"])
def test_mgh_is_where_nifti_is(tmp_path, name, dtype):
    voxels = (values() % 200).astype(dtype)
    volume = read(mgh(tmp_path / name, voxels))
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-4)
    assert (volume.voxels == voxels).all()
    assert volume.slice_axis == 2
    assert volume.stored_as_integers == np.issubdtype(dtype, np.integer)


@needs_itk
@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("s.mha", np.uint8),
        ("z.mha", np.int16),
        ("s.mhd", np.uint16),
        ("s.nrrd", np.float32),
        ("z.nrrd", np.float64),
        ("s.nhdr", np.int32),
    ],
)
def test_itk_formats_are_where_nifti_is(tmp_path, name, dtype):
    voxels = (values() % 200).astype(dtype)
    nibabel.save(nibabel.Nifti1Image(voxels, AFFINE), tmp_path / "s.nii.gz")
    expected, volume = read(tmp_path / "s.nii.gz"), read(itk_file(tmp_path / name, voxels))
    np.testing.assert_allclose(volume.affine, expected.affine, atol=1e-4)
    assert (volume.voxels == expected.voxels).all()
    assert volume.stored_as_integers == expected.stored_as_integers
    assert volume.slice_axis == expected.slice_axis
    header = read_image_header(tmp_path / name)
    assert (header.shape, header.integers) == (volume.shape, volume.stored_as_integers)


@needs_itk
@pytest.mark.parametrize("space", ["RAS", "left-anterior-superior", "LPS", None])
def test_nrrd_axes_are_turned_into_ras(tmp_path, space):
    signs = {"RAS": (1, 1), "left-anterior-superior": (-1, 1)}.get(space, (-1, -1))
    shown = np.diag([*signs, 1, 1]) @ AFFINE
    columns = " ".join(f"({','.join(map(str, shown[:3, k]))})" for k in range(3))
    lines = ["NRRD0004", "type: short", "dimension: 3", "sizes: 7 9 5", "endian: little"]
    lines += [f"space: {space}"] if space else ["space dimension: 3"]
    lines += [f"space directions: {columns}", "encoding: raw"]
    lines += [f"space origin: ({','.join(map(str, shown[:3, 3]))})", "", ""]
    path = tmp_path / "s.nrrd"
    path.write_bytes("\n".join(lines).encode() + values().tobytes(order="F"))
    volume = read(path)
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-4)
    assert (volume.voxels == values()).all()
    assert volume.space == ((1, 1) if space else (0, 0))


def faults(tmp_path):
    """Files with a fault, and what is said of each."""
    whole = mgh(tmp_path / "whole.mgz").read_bytes()
    content = gzip.decompress(whole)
    (tmp_path / "cut.mgz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cut.mgh").write_bytes(content[:400])
    (tmp_path / "sum.mgz").write_bytes(whole[:-8] + b"\0\0\0\0" + whole[-4:])
    (tmp_path / "empty.mgh").write_bytes(b"")
    (tmp_path / "text.mgz").write_bytes(b"not an image" * 50)
    (tmp_path / "huge.mgh").write_bytes(content[:4] + b"\0\1\0\0" * 3 + content[16:])
    (tmp_path / "none.mgz").symlink_to("missing")
    (tmp_path / "folder.mgz").mkdir()
    return {
        "cut.mgz": "truncated",
        "cut.mgh": "it is truncated or damaged",
        "sum.mgz": "gzip checksum",
        "empty.mgh": "does not begin with an MGH header",
        "text.mgz": "does not begin with an MGH header",
        "huge.mgh": "65536 x 65536 x 65536",
        "none.mgz": "is a link to a file that is not here",
        "folder.mgz": "is a folder",
    }


def itk_faults(tmp_path):
    whole = itk_file(tmp_path / "s.mha").read_bytes()
    (tmp_path / "cut.mha").write_bytes(whole[:-100])
    (tmp_path / "huge.mha").write_bytes(whole.replace(b"7 9 5", b"70000 90000 50000"))
    (tmp_path / "cut.nrrd").write_bytes(itk_file(tmp_path / "z.nrrd").read_bytes()[:-30])
    (tmp_path / "text.nrrd").write_bytes(b"not an image" * 50)
    (tmp_path / "empty.mha").write_bytes(b"")
    nrrd = itk_file(tmp_path / "s.nrrd").read_bytes()
    axes = nrrd.replace(b"left-posterior-superior", b"scanner-xyz")
    (tmp_path / "axes.nrrd").write_bytes(axes)
    (tmp_path / "many.mhd").write_bytes(whole.replace(b"= LOCAL", b"= s%03d.raw 1 5 1"))
    itk_file(tmp_path / "gone.mhd")
    (tmp_path / "gone.raw").unlink()
    itk_file(tmp_path / "short.nhdr")
    (tmp_path / "short.raw").write_bytes(b"1234")
    itk_file(tmp_path / "vector.mha", np.zeros((3, 4, 5, 3), np.float32))
    return {
        "cut.mha": "ITK cannot read it",
        "huge.mha": "70000 x 90000 x 50000",
        "cut.nrrd": "ITK cannot read it",
        "text.nrrd": "does not begin with an NRRD header",
        "empty.mha": "does not begin with a MetaImage header",
        "axes.nrrd": "which does not say where left and right are",
        "many.mhd": "its voxels are in several files",
        "gone.mhd": "its voxels are in the file gone.raw, which is not there",
        "short.nhdr": "it is truncated or damaged",
        "vector.mha": "contains 3 values per voxel",
    }


def check_faults(tmp_path, said):
    for name, words in said.items():
        with pytest.raises((InputError, Refused)) as fault:
            read(tmp_path / name)
        assert str(fault.value).startswith(f"{name}: "), name
        assert words in str(fault.value), name


def test_faults_of_mgh_are_said(tmp_path):
    check_faults(tmp_path, faults(tmp_path))


@needs_itk
def test_faults_of_itk_formats_are_said(tmp_path):
    check_faults(tmp_path, itk_faults(tmp_path))


def test_several_frames_are_refused(tmp_path):
    with pytest.raises(SeveralVolumes, match=r"has 4 axes \(shape"):
        read(mgh(tmp_path / "t.mgz", np.stack([values(), values()], axis=3)))


@needs_itk
def test_a_meta_image_of_four_axes(tmp_path):
    text = itk_file(tmp_path / "s.mha").read_bytes().partition(b"ElementDataFile")[0].decode()
    for frames, name in ((1, "one.mha"), (2, "two.mha")):
        lines = [
            "NDims = 4" if line.startswith("NDims") else line
            for line in text.splitlines()
            if not line.startswith(("Transform", "Offset", "Center", "Anatomical"))
        ]
        lines = [f"{line} 1" if line.startswith("ElementSpacing") else line for line in lines]
        lines = [f"{line} {frames}" if line.startswith("DimSize") else line for line in lines]
        head = "\n".join([*lines, "ElementDataFile = LOCAL", ""]).encode()
        (tmp_path / name).write_bytes(head + values().tobytes(order="F") * frames)
    assert (read(tmp_path / "one.mha").voxels == values()).all()
    with pytest.raises(SeveralVolumes):
        read(tmp_path / "two.mha")


@needs_itk
def test_a_reader_that_dies_is_a_fault_of_the_file(tmp_path, monkeypatch):
    path = itk_file(tmp_path / "s.mha")
    for code in ("import os; os.abort()", "print('{\"shape\": [2')", "raise SystemExit(3)"):
        monkeypatch.setattr(itk, "WORKER", code)
        with pytest.raises(InputError, match=r"s.mha: ITK cannot read it"):
            read(path)


@needs_itk
def test_a_stated_modality_and_the_file_of_voxels_count(tmp_path):
    path = itk_file(tmp_path / "s.mhd")
    assert [file.name for file in input_files(path)] == ["s.mhd", "s.raw"]
    with open_scan(path) as scan:
        before = scan.volume.digest
    (tmp_path / "s.raw").write_bytes(values()[::-1].tobytes(order="F"))
    with open_scan(path) as scan:
        assert scan.volume.digest != before
    path.write_text(path.read_text().replace("NDims = 3", "NDims = 3\nModality = MET_MOD_CT"))
    assert read(path).modality == Modality.CT


def test_without_simpleitk_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "s.mha").write_bytes(b"")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"Reading .mha needs SimpleITK: .*medsr\[itk\]"):
        read(tmp_path / "s.mha")


def test_a_batch_finds_and_enhances_them(tmp_path):
    study = tmp_path / "in"
    study.mkdir()
    mgh(study / "orig.mgz")
    mgh(study / "aseg.mgz")
    nibabel.save(nibabel.Nifti1Image(values(), AFFINE), study / "orig.nii.gz")
    decisions = {found.item.label.split(" ")[0]: found.item.decision for found in survey(study)}
    assert decisions == {"orig.mgz": "enhance", "aseg.mgz": "skip", "orig.nii.gz": "enhance"}
    (study / "orig.nii.gz").unlink()
    plan = make_plan(study, tmp_path / "out", model=small_model(tmp_path / "model"))
    results = medsr.batch.run(plan, restore=stub_restore)
    assert [row.end for row in results.rows if row.reason == ""] == ["done"]
    assert read(tmp_path / "out" / "orig.nii.gz").shape == (7, 9, 20)


def test_they_can_be_degraded_but_are_not_written(tmp_path, capsys):
    path = mgh(tmp_path / "fine.mgz", np.kron(values(), np.ones((3, 3, 3))).astype(np.int16))
    spacing = ("--slice-spacing", 4, "--axis", 0, "--modality", "MR")
    assert call("degrade", path, "-o", tmp_path / "thick.nii.gz", *spacing) == 0
    assert call("degrade", path, "-o", tmp_path / "thick.mgz", *spacing) == 2
    assert "must end in .nii or .nii.gz" in capsys.readouterr().err
    assert call("enhance", path, "-o", tmp_path / "out.mha") == 2
    assert "must end in .nii or .nii.gz" in capsys.readouterr().err


def test_no_fault_is_anything_but_medsrs_own(tmp_path):
    rng = np.random.default_rng(0)
    content = gzip.decompress(mgh(tmp_path / "s.mgz").read_bytes())
    for k in range(200):
        changed = bytearray(content)
        for place in rng.integers(0, 284, 3):
            changed[place] = rng.integers(256)
        path = tmp_path / f"{k}.mgh"
        path.write_bytes(changed)
        with suppress(MedsrError):
            read(path)
