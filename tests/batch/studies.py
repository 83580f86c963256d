"""Small studies of any kind, and stubs that stand for the model."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

import medsr.batch
from medsr.acquisition.acquisition import AxisSampling
from medsr.batch.job import Means
from medsr.restore.enhancer import Enhanced
from medsr.restore.options import Options
from medsr.restore.record import ModelUsed, Record
from medsr.volume.geometry import refined_grid, spacing_mm
from medsr.volume.nifti_write import write_nifti
from medsr.volume.volume import Volume
from tests.dicom_factory import SECRET, dicom_series


def make_plan(folder, out, *, options=None, selection=None, **words):
    """`medsr.batch.plan`, its settings in one row: those of `Options` and of `Means`."""
    chosen = {name: words.pop(name) for name in ("model", "format") if name in words}
    options = replace(options or Options(), **chosen)
    more = {} if selection is None else {"selection": selection}
    return medsr.batch.make_plan(folder, out, options=options, means=Means(**words), **more)


def small_model(folder: Path) -> str:
    """The path of a tiny, untrained model."""
    import torch  # not for the stubs, which Dask workers import

    from medsr.network.checkpoint import save_model
    from tests.network.test_unet_and_checkpoint import card, small_denoiser

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "small.safetensors"
    torch.manual_seed(0)
    save_model(small_denoiser(), card(), path)
    return str(path)


def thick_nifti(path: Path, seed: int = 0, shape=(12, 14, 5), **changes) -> Path:
    """1 x 1 x 4 mm, MR."""
    voxels = np.random.default_rng(seed).uniform(50, 150, shape).astype(np.float32)
    volume = Volume(voxels, np.diag([1.0, 1.0, 4.0, 1.0]), modality="MR", slice_axis=2)
    facts = {"Modality": "MR", "SliceThickness": 4.0, "MagneticFieldStrength": 3}
    write_nifti(replace(volume, **changes), path, facts)
    return path


def nifti_study(root: Path, scans: int) -> Path:
    for k in range(scans):
        thick_nifti(root / f"group{k % 2}" / f"scan{k:02d}.nii.gz", seed=k)
    return root


def dicom_study(root: Path, scans: int) -> Path:
    for k in range(scans):
        folder = root / f"{SECRET}{k % 2}" / f"study{k:02d}"
        dicom_series(folder, slices=3, step_mm=4.0, seed=k, uid=f"1.2.3.{k + 1}")
    return root


def dicom_dump(root: Path) -> Path:
    """Two thick series in one folder, a localizer, a map, a 4-D and an isotropic one."""
    person = root / f"{SECRET}_Erika_19640812"
    dicom_series(person / "all", prefix="A", step_mm=4.0, seed=1)
    dicom_series(person / "all", prefix="B", step_mm=5.0, seed=2)
    dicom_series(person / "scout", change=_image_type("LOCALIZER"))
    dicom_series(person / "map", change=_image_type("ADC", first="DERIVED"))
    times = dicom_series(person / "perfusion", uid="1.2.3.4", prefix="T0")
    dicom_series(person / "perfusion", uid="1.2.3.4", prefix="T1", change=_later)
    assert times
    dicom_series(person / "fine", step_mm=0.8, pixel_spacing=(0.8, 0.8))
    dicom_series(person / "gap", slices=8, step_mm=4.0, skip=(3,))
    dicom_series(person / "ct", modality="CT", step_mm=5.0)
    (person / "readme.txt").write_text("not an image")
    return root


def _image_type(third, first="ORIGINAL"):
    def change(_, dataset):
        dataset.ImageType = [first, "PRIMARY", third]

    return change


def _later(_, dataset):
    dataset.TemporalPositionIdentifier = 2


def bids_study(root: Path, people=("01", "02")) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    facts = {"Name": "study", "BIDSVersion": "1.10.0", "DatasetType": "raw", "Authors": ["A", "B"]}
    (root / "dataset_description.json").write_text(json.dumps(facts))
    (root / "README.md").write_text("A study of phantoms, made by a test of medsr. " * 5)
    for k, person in enumerate(people):
        thick_nifti(root / f"sub-{person}" / "anat" / f"sub-{person}_T1w.nii.gz", seed=k)
    return root


def stub_restore(volume, job):
    """Stands for the model: repeats every slice four times; the std is a tenth of the image."""
    voxels = np.repeat(volume.voxels, 4, axis=2)
    spacing = spacing_mm(volume.affine) / [1, 1, 4]
    affine, _ = refined_grid(volume.affine, volume.shape, spacing)
    x, y, z = volume.shape
    mm = [float(v) for v in spacing]
    record = Record(
        model=ModelUsed("stub", job.models["MR"].digest, job.models["MR"].settings_digest),
        options=job.options,
        modality=volume.modality or "MR",
        input_digest=volume.digest,
        axes=(
            AxisSampling(x, mm[0], x, mm[0]),
            AxisSampling(y, mm[1], y, mm[1]),
            AxisSampling(4 * z, mm[2], z, 4 * mm[2], 4.0, "box"),
        ),
        coarse_axis=2,
    )
    known = volume.of_modality(volume.modality or "MR")
    result = replace(known, voxels=voxels, affine=affine, digest="")
    std = replace(result, voxels=voxels / 10) if job.options.samples > 1 else None
    return Enhanced(result, record, known, std=std)
