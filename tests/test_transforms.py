import numpy as np
import pytest

from medsr.transforms import SimulateThickSlicesd, UpsampleSlicesd, VolumeReader
from medsr.volume.nifti_write import write_nifti
from medsr.volume.volume import Volume
from tests.conftest import smooth_head

pytestmark = pytest.mark.filterwarnings("ignore")  # MONAI's own


def test_load_acquire_lift_in_a_monai_pipeline(tmp_path):
    from monai.transforms import Compose, LoadImaged

    affine = np.diag([-0.9, 0.8, 1.0, 1.0])
    write_nifti(Volume(voxels=smooth_head(), affine=affine), tmp_path / "a.nii.gz")
    load = LoadImaged("image", reader=VolumeReader(), ensure_channel_first=True)
    fine = load({"image": tmp_path / "a.nii.gz"})["image"]
    assert fine.shape == (1, 24, 28, 32)
    assert np.asarray(fine.affine) == pytest.approx(affine)
    thick = SimulateThickSlicesd("image", slice_spacing_mm=4.0)
    low = Compose([load, thick])({"image": tmp_path / "a.nii.gz"})
    assert low["image"].shape == (1, 24, 28, 8)
    back = UpsampleSlicesd("image")(low)["image"]
    assert back.shape == fine.shape
    assert np.asarray(back.affine) == pytest.approx(affine)
    assert float((back - fine).abs().mean()) < 0.05 * float(fine.max())
