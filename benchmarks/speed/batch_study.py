"""A simulated study of thousands of DICOM series: what do planning and scheduling cost?

    python -m benchmarks speed.batch_study FOLDER --series 10000 --slices 4 --workers 1

Headers are complete (or copied from a real file with --header), pixels are 8 x 8, and a stub that
repeats slices stands for the model, so that what is measured is all the rest: finding, deciding,
claims, reading, writing with its flushes, scheduling, summary. CPU seconds are printed beside wall
seconds, for a machine that is not idle.
"""

import argparse
import resource
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

import medsr.batch
from medsr.acquisition.acquisition import AxisSampling
from medsr.batch.cluster import local
from medsr.batch.plan import Plan
from medsr.restore.enhancer import Enhanced
from medsr.restore.record import ModelUsed, Record
from medsr.volume.modality import Modality

STEP_MM = 4.0

#: Of one length each, so that a file is made from the template by replacing bytes.
SERIES, INSTANCE, POSITION = "1.2.826.0.1.77000000", "1.2.826.0.1.88000000000", "-99000.125"


def stub_restore(volume, job):
    """Stands for the model: repeats every slice four times."""
    voxels = np.repeat(volume.voxels, 4, axis=2)
    affine = volume.affine @ np.diag([1, 1, 0.25, 1])
    x, y, z = volume.shape
    model = job.models["MR"]
    record = Record(
        model=ModelUsed("stub", model.digest, model.settings_digest),
        options=job.options,
        modality="MR",
        input_digest=volume.digest,
        axes=(
            AxisSampling(x, 1.0, x, 1.0),
            AxisSampling(y, 1.0, y, 1.0),
            AxisSampling(4 * z, STEP_MM / 4, z, STEP_MM, STEP_MM, "box"),
        ),
        coarse_axis=2,
    )
    known = volume.of_modality(Modality.MR)
    return Enhanced(replace(known, voxels=voxels, affine=affine, digest=""), record, known)


def template(header: Path | None) -> bytes:
    """One slice as a file, with the marks that are replaced in each copy."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = INSTANCE
    real = pydicom.dcmread(header, stop_before_pixels=True) if header else Dataset()
    dataset = FileDataset("", real, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, INSTANCE
    dataset.SeriesInstanceUID, dataset.Modality = SERIES, "MR"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    dataset.PatientName = dataset.PatientID = "PHANTOM"
    dataset.ImagePositionPatient = ["0", "0", POSITION]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [1, 1], STEP_MM
    dataset.Rows = dataset.Columns = 8
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = np.arange(64, dtype=np.uint16).tobytes()
    buffer = pydicom.filebase.DicomBytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def make_study(folder: Path, series: int, slices: int, header: Path | None) -> None:
    """One folder a person, ten series a person."""
    page = template(header)
    for number in range(series):
        place = folder / f"p{number // 10:05d}" / f"s{number:06d}"
        place.mkdir(parents=True)
        uid = str(int(SERIES[-8:]) + number).encode()
        one = page.replace(SERIES[-8:].encode(), uid)
        for k in range(slices):
            instance = str(int(INSTANCE[-11:]) + number * 1000 + k).encode()
            position = f"{k * STEP_MM:010.3f}".encode()
            file = one.replace(INSTANCE[-11:].encode(), instance)
            (place / f"{k:04d}.dcm").write_bytes(file.replace(POSITION.encode(), position))


def cpu_s() -> float:
    """CPU seconds of this process and the children that have ended."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def peak_mib() -> float:
    """Peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(words: str, count: int, work):
    """Do the work and print what it cost."""
    wall, cpu = time.monotonic(), cpu_s()
    result = work()
    wall, cpu = time.monotonic() - wall, cpu_s() - cpu
    print(
        f"{words}: {wall:.1f} s wall ({count / wall:.0f}/s), {cpu:.1f} s CPU "
        f"({count / cpu:.0f} a CPU second), peak memory of the driver {peak_mib():.0f} MiB",
        flush=True,
    )
    return result


def planned(study: Path, out: Path, readers: int) -> Plan:
    """The plan; NIfTI out, for the stub's record is too short for a derived series."""
    return medsr.batch.make_plan(study, out, readers=readers, series_as="nifti")


def run(plan: Plan, workers: int) -> None:
    """The plan through this process or through Dask."""
    if not workers:
        medsr.batch.run(plan, restore=stub_restore)
        return
    with local(workers) as client:
        client.wait_for_workers(workers)
        measured(
            f"{len(plan.todo)} scans, {workers} workers, start of the cluster left out",
            len(plan.todo),
            lambda: medsr.batch.run(plan, client, restore=stub_restore),
        )


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("folder", type=Path)
    words.add_argument("--series", type=int, default=10_000)
    words.add_argument("--slices", type=int, default=4)
    words.add_argument("--header", type=Path, help="a DICOM file whose header is copied")
    words.add_argument("--readers", type=int, default=2)
    words.add_argument("--workers", type=int, nargs="*", default=[0, 1], help="0: no engine")
    words.add_argument("--scans", type=int, help="run only so many of them")
    given = words.parse_args()
    study, files = given.folder / "in", given.series * given.slices
    if not study.exists():
        measured(
            "made, files",
            files,
            lambda: make_study(study, given.series, given.slices, given.header),
        )
    print(f"peak memory of the driver before planning {peak_mib():.0f} MiB")
    for workers in given.workers:
        one_way(study, given.folder / f"out_{workers}", files, workers, given)


def one_way(study: Path, out: Path, files: int, workers: int, given: argparse.Namespace) -> None:
    """Plan, run and plan again."""
    plan = measured("planned, files", files, lambda: planned(study, out, given.readers))
    plan = replace(plan, items=plan.items[: given.scans])
    measured(f"run, {workers} workers, scans", len(plan.todo), lambda: run(plan, workers))
    again = measured("planned again, files", files, lambda: planned(study, out, 1))
    print(f"{len(again.done)} of {len(again.items)} done")


if __name__ == "__main__":
    main()
