"""What `import medsr` offers a notebook."""

import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

import medsr
from medsr.errors import MedsrWarning, NothingToDo, Refused, UsageError
from medsr.restore.enhancer import Models
from tests.batch.studies import small_model, thick_nifti

SAMPLES = Path(__file__).parents[1] / "sample_data"
NAMES = {
    "Enhanced",
    "Enhancer",
    "Options",
    "Volume",
    "__version__",
    "compare",
    "degrade",
    "evaluate",
    "joined",
    "models",
    "read",
}


@pytest.fixture(scope="module")
def enhancer(tmp_path_factory):
    return medsr.Enhancer.from_pretrained(small_model(tmp_path_factory.mktemp("model")))


@pytest.fixture
def path(tmp_path):
    return thick_nifti(tmp_path / "scan.nii.gz")


def test_the_public_names_are_these():
    assert set(medsr.__all__) == set(dir(medsr)) == NAMES
    assert all(getattr(medsr, name) is not None for name in NAMES)


def test_importing_medsr_imports_nothing_heavy():
    code = "import medsr, sys; print({'torch', 'monai', 'numpy', 'pydicom'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def forms(path):
    """The same scan as a path, a volume, an image, an array and tensors."""
    volume = medsr.read(path)
    image = nibabel.load(path)
    array, affine = np.array(volume.voxels), volume.affine
    yield "path", path, {}
    yield "text", str(path), {}
    yield "volume", volume, {}
    yield "nibabel", image, {"modality": "mr"}
    yield "array and affine", array, {"affine": affine, "modality": "MR"}
    yield "tensor", torch.tensor(array), {"affine": affine, "modality": "MR"}
    yield "channel first", torch.tensor(array)[None], {"affine": affine, "modality": "MR"}


def test_a_scan_is_taken_in_every_form(path, enhancer):
    found = {}
    for name, scan, more in forms(path):
        enhanced = enhancer.enhance(scan, steps=1, slice_thickness_mm=4.0, **more)
        assert enhanced.volume.shape == (12, 14, 20), name
        found[name] = enhanced.volume
    first = found["path"]
    for name, volume in found.items():
        assert np.array_equal(volume.voxels, first.voxels), name
        assert np.allclose(volume.affine, first.affine), name


def test_a_monai_tensor_brings_its_affine(path, enhancer):
    from monai.data import MetaTensor

    volume = medsr.read(path)
    tensor = MetaTensor(
        torch.tensor(np.array(volume.voxels))[None], affine=np.array(volume.affine)
    )
    enhanced = enhancer.enhance(tensor, steps=1, modality="MR")
    assert enhanced.volume.spacing_mm == pytest.approx((1, 1, 1))


class _SimpleITKImage:
    """Looks like an image of SimpleITK, which need not be installed."""

    __module__ = "SimpleITK.SimpleITK"

    def __init__(self, voxels):
        self.voxels = voxels

    def GetDimension(self):
        return 3

    def GetNumberOfComponentsPerPixel(self):
        return 1

    def GetDirection(self):
        return (1, 0, 0, 0, 1, 0, 0, 0, 1)

    def GetSpacing(self):
        return (1.0, 1.0, 4.0)

    def GetOrigin(self):
        return (10.0, 20.0, 30.0)


def test_a_simpleitk_image_is_placed_in_ras(path, enhancer, monkeypatch):
    class Library:
        @staticmethod
        def GetArrayFromImage(image):
            return image.voxels.transpose(2, 1, 0)

    monkeypatch.setitem(sys.modules, "SimpleITK", Library)
    image = _SimpleITKImage(np.asarray(medsr.read(path).voxels))
    enhanced = enhancer.enhance(image, steps=1, modality="MR")
    assert np.allclose(enhanced.measured.affine[:3, 3], (-10, -20, 30))
    assert np.allclose(np.diag(enhanced.measured.affine)[:3], (-1, -1, 4))


@pytest.mark.parametrize(
    ("scan", "words", "fault"),
    [
        (np.ones((4, 4, 4)), {}, "give its affine"),
        (np.ones((4, 4, 4), complex), {"spacing_mm": (1, 1, 3)}, "absolute value"),
        (np.ones((4, 4, 4)), {"spacing_mm": (1, 1)}, "three positive numbers"),
        (np.ones((4, 4, 4)), {"affine": "abc"}, "numbers"),
        (np.array(["a"]), {"spacing_mm": (1, 1, 3)}, "does not contain intensities"),
        ({"image": 1}, {}, "type dict"),
        (None, {}, "type NoneType"),
    ],
)
def test_what_is_no_scan_is_said_in_words(enhancer, scan, words, fault):
    with pytest.raises(UsageError, match=fault):
        enhancer.enhance(scan, **words)


def test_options_are_keywords_and_misspelt_ones_are_named(path, enhancer):
    with pytest.raises(UsageError, match=r"no option 'step'\. Did you mean 'steps'"):
        enhancer.enhance(path, step=1)
    with pytest.raises(UsageError, match="consistency must be one of off, noise, exact"):
        enhancer.enhance(path, consistency="strict")
    with pytest.raises(UsageError, match="steps must be at least 1"):
        enhancer.enhance(path, steps=0)
    with pytest.raises(UsageError, match="profile must be one of gaussian, box"):
        enhancer.enhance(path, profile="gauss")
    with pytest.raises(NothingToDo):
        enhancer.enhance(np.ones((9, 9, 9)), spacing_mm=(1, 1, 1), modality="MR")
    with pytest.raises(Refused, match="is CT"):
        enhancer.enhance(np.full((9, 9, 9), -1000.0), affine=np.diag([1, 1, 4, 1.0]))


def test_a_spacing_is_not_ignored_where_the_scan_has_its_own(path, enhancer):
    with pytest.raises(UsageError, match=r"medsr\.Options\(spacing_mm=\.\.\.\)"):
        enhancer.enhance(path, spacing_mm=0.5)
    options = medsr.Options(spacing_mm=2.0, modality="MR")
    assert enhancer.enhance(path, options).volume.spacing_mm[2] == pytest.approx(2.0)


def test_remarks_are_warnings_too(path, enhancer):
    array = np.asarray(medsr.read(path).voxels)
    with pytest.warns(MedsrWarning, match="assumed MR"):
        enhanced = enhancer.enhance(array, affine=np.diag([1, 1, 4, 1.0]), steps=1)
    assert any("assumed MR" in remark.text for remark in enhanced.remarks)


def test_a_note_is_no_python_warning(path, enhancer, recwarn):
    array = np.asarray(medsr.read(path).voxels)
    enhanced = enhancer.enhance(array, affine=np.diag([1, 1, 12, 1.0]), modality="MR", steps=1)
    assert any("8 times finer" in remark.text for remark in enhanced.remarks)
    assert not any("8 times finer" in str(warning.message) for warning in recwarn)


def test_a_volume_is_saved_and_shown_in_one_line(path, tmp_path):
    volume = medsr.read(path)
    assert repr(volume) == "Volume(scan.nii.gz: MR, 12 x 14 x 5 voxels of 1 x 1 x 4 mm)"
    saved = volume.save(tmp_path / "new" / "copy.nii.gz")
    assert np.array_equal(medsr.read(saved).voxels, volume.voxels)
    assert np.allclose(volume.to_nibabel().affine, volume.affine)
    with pytest.raises(UsageError, match=r"\.nii or \.nii\.gz"):
        volume.save(tmp_path / "copy.png")


def test_degrade_and_evaluate_work_on_volumes(phantom):
    fine = medsr.Volume(np.repeat(phantom.voxels, 4, axis=2), np.eye(4), modality="MR")
    thick = medsr.degrade(fine, 4.0, profile="box")
    assert thick.spacing_mm == pytest.approx((1, 1, 4))
    evaluation = medsr.evaluate(fine, {"same": fine}, low=thick)
    assert "cubic" in evaluation.to_text()
    with pytest.raises(UsageError, match="degrade"):
        medsr.degrade(fine, 4.0, thickness=3.0)


def test_the_cards_of_the_bundled_models_are_listed():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [card.name for card in medsr.models()] == ["ct-body", "mr-head"]


def test_the_model_of_a_scan_without_a_modality_follows_from_its_intensities():
    low = medsr.read(SAMPLES / "head_T1w_thick_dicom")
    unstated, options = replace(low, modality=None), medsr.Options()
    assert Models("cpu").of_scan(unstated, options).card.name == "mr-head"
    unclear = replace(unstated, voxels=low.voxels - low.voxels.mean())
    with pytest.raises(Refused, match="--modality"):
        Models("cpu").of_scan(unclear, options)
