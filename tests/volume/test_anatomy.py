"""What is not anatomy: by ImageType, name, sidecar and voxels."""

import numpy as np
import pytest

from medsr.errors import Refused
from medsr.volume.anatomy import (
    Kind,
    check_is_anatomy,
    kind_of_image_type,
    kind_of_settings,
    kind_of_voxels,
    why_not_anatomy,
)
from medsr.volume.anatomy_names import kind_of_description, kind_of_name


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ("ORIGINAL PRIMARY P ND", Kind.PHASE),
        ("ORIGINAL PRIMARY PHASE_MAP P FFE", Kind.PHASE),
        ("ORIGINAL PRIMARY R ND", Kind.REAL),
        ("ORIGINAL PRIMARY I FFE", Kind.IMAGINARY),
        ("DERIVED PRIMARY DIFFUSION ADC ND", Kind.MAP),
        ("DERIVED SECONDARY T1_MAP", Kind.MAP),
        ("DERIVED PRIMARY PERFUSION RELCBF", Kind.PERFUSION),
        ("ORIGINAL PRIMARY LOCALIZER", Kind.LOCALIZER),
        ("ORIGINAL PRIMARY M ND NORM", None),
        ("ORIGINAL PRIMARY M_FFE M FFE", None),
        ("ORIGINAL PRIMARY AXIAL CT_SOM5 SPI", None),
        ("DERIVED PRIMARY MPR", None),
        ("", None),
    ],
)
def test_image_types(values, kind):
    assert kind_of_image_type(values.split()) == kind


@pytest.mark.parametrize(
    ("stem", "kind"),
    [
        ("scan_7_ph", Kind.PHASE),
        ("scan_e2_ph", Kind.PHASE),
        ("scan_ph_e2", Kind.PHASE),
        ("scan_real", Kind.REAL),
        ("scan_imaginary", Kind.IMAGINARY),
        ("scan_phase", Kind.PHASE),
        ("sub-01_part-phase_T2w", Kind.PHASE),
        ("sub-01_phasediff", Kind.PHASE),
        ("sub-01_fieldmap", Kind.FIELD_MAP),
        ("sub-01_R1map", Kind.MAP),
        ("sub-01_MTVmap", Kind.MAP),
        ("dwi_12_ADC", Kind.MAP),
        ("sub-01_asl", Kind.PERFUSION),
        ("sub-01_desc-brain_mask", Kind.MASK),
        ("sub-01_dseg", Kind.LABELS),
        ("aparc+aseg", Kind.LABELS),
        ("x_adc_map", Kind.MAP),
        ("FA_MAP", Kind.MAP),
        ("sub-01_T1heatmap", Kind.MAP),
        ("sub-01_T2starw", None),
        ("T1_roi", None),
        ("sub-01_T1w", None),
        ("sub-01_part-mag_T1w", None),
        ("liver_arterial_phase", None),
        ("liver_portal-venous_phase", None),
        ("scan", None),
        ("T1", None),
        ("realigned_head", None),
    ],
)
def test_names(stem, kind):
    assert kind_of_name(stem) == kind


def test_sidecars():
    assert kind_of_settings({"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}) == Kind.PHASE
    assert kind_of_settings({"ImageType": "ORIGINAL\\PRIMARY\\R"}) == Kind.REAL
    assert kind_of_settings({"ComplexImageComponent": "IMAGINARY"}) == Kind.IMAGINARY
    assert kind_of_settings({"Units": "rad"}) == Kind.PHASE
    assert (
        kind_of_settings({"Units": "arbitrary", "ImageType": ["ORIGINAL", "PRIMARY", "M"]}) is None
    )
    assert kind_of_settings({"ImageType": {"a": 1}, "Units": 3}) is None


def test_voxels():
    random = np.random.default_rng(0)
    labels = np.kron(random.integers(0, 5, (6, 6, 3)), np.ones((6, 6, 4))).astype(np.float32)
    assert kind_of_voxels(labels) == Kind.LABELS
    assert kind_of_voxels((labels > 2).astype(np.float32)) == Kind.MASK
    assert kind_of_voxels(random.integers(0, 200, (20, 20, 9)).astype(np.float32)) is None
    assert kind_of_voxels(random.random((20, 20, 9)).astype(np.float32)) is None
    assert kind_of_voxels(np.ones((4, 4, 4), dtype=np.float32)) is None


def test_every_kind_has_its_sentence_and_is_refused():
    for kind in Kind:
        assert why_not_anatomy(kind).endswith(".")
        with pytest.raises(Refused, match=r"a\.nii: "):
            check_is_anatomy(kind, "a.nii")
    check_is_anatomy(None, "a.nii")


@pytest.mark.parametrize(
    ("description", "kind"),
    [
        ("Apparent Diffusion Coefficient (mm2/s)", Kind.MAP),
        ("AX DWI ADC", Kind.MAP),
        ("ep2d_diff_ADC_2", Kind.MAP),
        ("Fractional Anisotropy (FA)", Kind.MAP),
        ("rCBV", Kind.PERFUSION),
        ("brain TTP", Kind.PERFUSION),
        ("SWI mIP", Kind.PROJECTION),
        ("localizer", Kind.LOCALIZER),
        ("T1 FA 15", None),
        ("liver arterial phase", None),
        ("AX T2 label", None),
        ("SAG MPRAGE 220 FOV", None),
        ("", None),
    ],
)
def test_the_description_of_a_series_tells(description, kind):
    assert kind_of_description(description) == kind
