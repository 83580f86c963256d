"""Sidecars: read as people write them, inherited as BIDS says, and never a reason to refuse."""

import json
import os

import pytest

from medsr.errors import Refused
from medsr.volume.formats import input_files
from medsr.volume.nifti import read_nifti, read_nifti_header
from medsr.volume.sidecar import declared_modality, positive_number, read_settings
from tests.nifti_factory import nifti_file

TEXT = '{"SliceThickness": 3.5, "Modality": "MR", "PatientPosition": "M\u00fcller"}'


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"]
)
def test_encodings_of_people(tmp_path, encoding):
    (tmp_path / "a.json").write_bytes(TEXT.encode(encoding))
    sidecar = read_settings(tmp_path / "a.nii.gz")
    assert sidecar.settings == json.loads(TEXT)
    assert sidecar.remarks == ()


@pytest.mark.parametrize(
    "text",
    [
        '{"SliceThickness": 3.5,}',
        '{"SliceThickness": 3.5} // mine',
        "[1, 2]",
        "",
        "[" * 100_000,
        '{"a": ' * 50_000,
        "\x00\x01\x02",
    ],
    ids=lambda text: text[:12],
)
def test_one_that_cannot_be_read_is_ignored_with_a_remark(tmp_path, text):
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    volume = read_nifti(nifti_file(tmp_path / "a.nii"))
    assert "a.json" in volume.remarks[0].text
    assert "ignored" in volume.remarks[0].text
    assert volume.slice_thickness_mm is None
    read_nifti_header(tmp_path / "a.nii")


@pytest.mark.parametrize("value", ["9" * 5000, "-" + "9" * 400, "NaN", "1e999", "[5]", '{"a": 1}'])
@pytest.mark.parametrize("key", ["SliceThickness", "Modality", "SliceProfile", "ImageType"])
def test_a_setting_of_another_type_says_nothing(tmp_path, key, value):
    (tmp_path / "a.json").write_text(f'{{"{key}": {value}}}')
    volume = read_nifti(nifti_file(tmp_path / "a.nii"))
    assert volume.slice_thickness_mm is None
    assert volume.modality is None
    assert volume.slice_profile is None


def test_a_pipe_beside_an_image_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    assert read_nifti(nifti_file(tmp_path / "a.nii")).shape == (16, 14, 6)


def test_numbers_and_modalities():
    assert positive_number("3.5") == 3.5
    assert positive_number(True) is None
    assert positive_number(-1) is None
    assert declared_modality({"MagneticFieldStrength": 3}, "a.nii") == "MR"
    with pytest.raises(Refused, match="US"):
        declared_modality({"Modality": "us"}, "a.nii")


class TestInheritance:
    def dataset(self, root, **files):
        (root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.8.0"}')
        anat = root / "sub-01" / "anat"
        image = nifti_file(anat / "sub-01_run-1_T2w.nii")
        for name, thickness in files.items():
            path = root / name.replace("__", "/").replace("sub_", "sub-").replace("run_", "run-")
            path = path.with_suffix(".json")
            path.write_text(json.dumps({"SliceThickness": thickness, path.stem: 1}))
        return image

    def test_the_root_counts_and_the_nearest_wins(self, tmp_path):
        image = self.dataset(tmp_path, T2w=3.5)
        assert read_nifti(image).slice_thickness_mm == 3.5
        image = self.dataset(tmp_path, **{"sub_01__sub_01_T2w": 4})
        settings = read_settings(image).settings
        assert settings["SliceThickness"] == 4
        assert settings["T2w"] == 1  # kept where nothing nearer says otherwise
        image = self.dataset(tmp_path, **{"sub_01__anat__sub_01_run_1_T2w": 4.5})
        assert read_nifti(image).slice_thickness_mm == 4.5
        assert len(input_files(image)) == 4

    @pytest.mark.parametrize("name", ["T1w", "run_2_T2w", "sub_02_T2w", "acq_x_T2w"])
    def test_one_of_another_suffix_or_entity_does_not(self, tmp_path, name):
        assert read_nifti(self.dataset(tmp_path, **{name: 9})).slice_thickness_mm is None

    def test_of_several_on_a_level_the_one_with_most_entities(self, tmp_path):
        image = self.dataset(tmp_path, T2w=3, run_1_T2w=3.5)
        assert read_nifti(image).slice_thickness_mm == 3.5

    def test_outside_of_a_dataset_only_the_file_beside_counts(self, tmp_path):
        (tmp_path / "T2w.json").write_text('{"SliceThickness": 3.5}')
        image = nifti_file(tmp_path / "sub-01" / "anat" / "sub-01_T2w.nii")
        assert read_nifti(image).slice_thickness_mm is None

    def test_a_linked_image_is_judged_where_it_is_named(self, tmp_path):
        image = self.dataset(tmp_path, T2w=3.5)
        content = tmp_path / "store.nii"
        image.rename(content)
        image.symlink_to(content)
        assert read_nifti(image).slice_thickness_mm == 3.5
