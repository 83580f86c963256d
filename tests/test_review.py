"""What a hostile reader of the commands found, and would find again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from monai.data import DataLoader, Dataset
from monai.transforms import Compose, LoadImaged

from medsr import Enhancer
from medsr.acquisition.acquisition import for_scan
from medsr.cli.main import app, main
from medsr.errors import InputError, OutputError, Refused, UsageError
from medsr.restore.options import Options
from medsr.transforms import SimulateThickSlicesd, UpsampleSlicesd, VolumeReader
from medsr.volume.nifti import read_nifti
from medsr.volume.nifti_write import write_nifti
from medsr.volume.volume import Volume
from tests.conftest import smooth_head


@pytest.fixture
def thick(tmp_path: Path, phantom: Volume) -> Path:
    path = tmp_path / "thick.nii.gz"
    write_nifti(phantom, path, {"Modality": "MR", "SliceThickness": 4.0})
    return path


def run(*words: object) -> None:
    """The command, with its own errors."""
    CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False, standalone_mode=False)


def test_the_slice_axis_is_coarse_however_the_axes_are_stored(phantom: Volume) -> None:
    turned = replace(
        phantom,
        voxels=np.moveaxis(phantom.voxels, 2, 0),
        affine=np.diag([4.0, 1.0, 1.0, 1.0]),
        slice_axis=0,
    )
    plan = for_scan(turned, (2.0, 0.5, 0.5))
    assert plan.coarse_axis == 0
    assert plan.axes[0].width_mm == 4.0


def test_the_sidecar_of_the_input_is_never_replaced(thick: Path) -> None:
    with pytest.raises(UsageError, match="would overwrite the input scan"):
        run("enhance", thick, "-o", thick.with_name("thick.nii"), "--steps", 1, "--overwrite")
    assert json.loads(thick.with_name("thick.json").read_text())["SliceThickness"] == 4.0


def test_maps_and_sidecars_are_not_replaced_unasked(thick: Path) -> None:
    (thick.parent / "m_std.nii.gz").write_text("mine")
    with pytest.raises(OutputError, match="m_std"):
        run("enhance", thick, "-o", thick.parent / "m.nii.gz", "--steps", 1)


def test_a_foreign_sidecar_is_not_replaced_unasked(thick: Path) -> None:
    (thick.parent / "m.json").write_text('{"EchoTime": 0.1}')
    with pytest.raises(OutputError, match=r"m\.json"):
        run("enhance", thick, "-o", thick.parent / "m.nii.gz", "--steps", 1)


def test_a_file_in_place_of_the_folder_is_said_before_the_work(thick: Path) -> None:
    (thick.parent / "file").write_text("")
    with pytest.raises(OutputError, match="not writable"):
        run("enhance", thick, "-o", thick.parent / "file" / "out.nii.gz", "--steps", 1)


def test_a_known_modality_is_not_overruled(thick: Path) -> None:
    with pytest.raises(Refused, match="the header says MR"):
        run("enhance", thick, "-o", thick.parent / "o.nii.gz", "--modality", "ct")


def test_an_unseen_modality_is_refused(thick: Path) -> None:
    thick.with_name("thick.json").write_text('{"Modality": "PT"}')
    with pytest.raises(Refused, match="modality PT"):
        read_nifti(thick)


@pytest.mark.parametrize("what", ["empty", "type", "offset", "huge"])
def test_damaged_headers_have_their_sentence(tmp_path: Path, what: str) -> None:
    path = tmp_path / "bad.nii"
    image = nibabel.Nifti1Image(np.zeros((4, 4, 4), np.float32), np.eye(4))
    content = bytearray(image.to_bytes())
    if what == "type":
        content[70:72] = (9999).to_bytes(2, "little")
    elif what == "offset":
        content[108:112] = np.float32(13).tobytes()
    elif what == "huge":
        content[42:48] = np.array([32767] * 3, np.int16).tobytes()
    path.write_bytes(b"" if what == "empty" else bytes(content))
    with pytest.raises(InputError, match=r"bad\.nii"):
        read_nifti(path)


def test_nifti_2_and_other_units_are_read(tmp_path: Path) -> None:
    image = nibabel.Nifti2Image(smooth_head((8, 9, 10)), np.diag([0.001, 0.001, 0.004, 1.0]))
    image.header.set_xyzt_units("meter")
    image.to_filename(tmp_path / "two.nii.gz")
    assert read_nifti(tmp_path / "two.nii.gz").spacing_mm == pytest.approx((1, 1, 4))


def test_the_posterior_mean_has_no_seed(phantom: Volume) -> None:
    enhancer = Enhancer.from_pretrained("mr-head", device="cpu")
    first, second = (
        enhancer.enhance(phantom, options).volume.voxels
        for options in (Options(steps=1, seed=0), Options(steps=1, seed=7))
    )
    assert np.array_equal(first, second)


def test_ct_noise_is_not_rician(tmp_path: Path) -> None:
    voxels = (smooth_head((40, 40, 40)) * 8 - 1000).astype(np.float32)
    write_nifti(Volume(voxels=voxels, affine=np.eye(4)), tmp_path / "ct.nii.gz")
    words = ["--slice-spacing", 4, "--noise", 20]
    run("degrade", tmp_path / "ct.nii.gz", "-o", tmp_path / "low.nii.gz", *words)
    low = read_nifti(tmp_path / "low.nii.gz")
    assert low.modality == "CT"
    assert float(low.voxels.min()) < -900


def test_the_sidecar_says_the_profile(tmp_path: Path) -> None:
    write_nifti(Volume(voxels=smooth_head(), affine=np.eye(4)), tmp_path / "fine.nii.gz")
    words = ["--slice-spacing", 4, "--profile", "box"]
    run("degrade", tmp_path / "fine.nii.gz", "-o", tmp_path / "low.nii.gz", *words)
    low = read_nifti(tmp_path / "low.nii.gz")
    assert for_scan(low, (1.0, 1.0, 1.0)).axes[2].profile == "box"
    assert for_scan(low, (1.0, 1.0, 1.0), profile="gaussian").axes[2].profile == "gaussian"


@pytest.mark.parametrize(
    "words",
    [
        ["--steps", "0"],
        ["--samples", "0"],
        ["--steps", "1", "--samples", "2"],
        ["--steps", "2", "--quick"],
        ["--slice-thickness", "0"],
        ["--threads", "-1"],
    ],
)
def test_bad_numbers_are_usage_errors_in_a_dry_run_too(thick: Path, words: list[str]) -> None:
    output = str(thick.parent / "o.nii.gz")
    with pytest.raises(SystemExit) as end:
        main(["enhance", str(thick), "-o", output, "--dry-run", *words])
    assert end.value.code == 2


def test_what_cannot_fit_is_refused_before_the_work(phantom: Volume) -> None:
    wide = replace(phantom, voxels=np.tile(phantom.voxels, (12, 12, 12)))
    enhancer = Enhancer.from_pretrained("mr-head", device="cpu")
    with pytest.raises(Refused, match="GB of memory"):
        enhancer.plan(wide, Options(scale=8))


@pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader")
def test_the_transforms_pass_a_monai_loader(tmp_path: Path) -> None:
    write_nifti(Volume(voxels=smooth_head(), affine=np.eye(4)), tmp_path / "fine.nii.gz")
    chain = Compose(
        [
            LoadImaged("image", reader=VolumeReader(), ensure_channel_first=True),
            SimulateThickSlicesd("image", slice_spacing_mm=4.0),
            UpsampleSlicesd("image"),
        ]
    )
    data = Dataset([{"image": str(tmp_path / "fine.nii.gz")}] * 2, chain)
    (batch,) = list(DataLoader(data, batch_size=2))
    assert batch["image"].shape == (2, 1, 24, 28, 32)
    assert bool(torch.isfinite(batch["image"]).all())
