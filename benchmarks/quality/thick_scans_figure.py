"""Figure of docs/how-to/choose-options.md: five thick clinical scans, as a user gets them.

    python -m benchmarks quality.thick_scans_figure DATA_FOLDER docs/images/thick-scans.png

A row a scan: measured, cubic interpolation, posterior mean, one sample. Each panel is a part of a
plane that holds the slice axis and runs from side to side, in which nobody can be recognised. The
truth of these scans is not known.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import medsr
from medsr.acquisition.simulate import interpolated
from medsr.restore.enhancer import Models
from medsr.training.cases import unpack_tar
from medsr.volume.recognise import with_modality
from medsr.volume.volume import Volume

#: Path below the data folder, its title, and the share of the second axis at which it is cut.
RAW = "mri_head_open_ms/longitudinal_raw"
SCANS = (
    (f"{RAW}/patient03/study1_FLAIR.nii.gz", "FLAIR, 3.3 mm", 0.45),
    (f"{RAW}/patient01/study1_FLAIR.nii.gz", "FLAIR, 4 mm", 0.45),
    (f"{RAW}/patient04/study1_T1W.nii.gz", "T1w, 3 mm", 0.45),
    (f"{RAW}/patient12/study1_T2W.nii.gz", "T2w, 3.3 mm", 0.45),
    ("ct_abdomen_cptac_pda/C3L-00189_dicom.tar.xz", "CT, 5 mm", 0.5),
)

#: What is enhanced: so many planes about the one that is shown; what is shown of it, mm.
PLANES, SHOWN_MM = 48, 110.0


def scan_of(path: Path) -> Volume:
    """A scan, also from an archive, with its modality."""
    if path.suffix != ".xz":
        return with_modality(medsr.read(path), None)
    with tempfile.TemporaryDirectory() as folder:
        unpack_tar(path, Path(folder))
        return with_modality(medsr.read(folder), None)


def slab(volume: Volume, share: float) -> Volume:
    """A few planes about one across the second axis, and the middle of the first axis."""
    x, y, _ = volume.shape
    first = int(share * y) - PLANES // 2
    half = int(SHOWN_MM / volume.spacing_mm[0] / 2) + 16
    part = (slice(max(0, x // 2 - half), x // 2 + half), slice(first, first + PLANES))
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [part[0].start, first, 0]
    voxels = np.ascontiguousarray(volume.voxels[part])
    return replace(volume, voxels=voxels, affine=affine, padding=None)


def row(volume: Volume, share: float, models: Models) -> dict[str, Volume]:
    """Measured, cubic, posterior mean and sample of a part of a scan.

    The slice thickness is estimated from the whole scan.
    """
    enhancer = models.of_scan(volume, medsr.Options())
    plan = enhancer.plan(volume, medsr.Options())
    width = plan.acquisition.axes[plan.acquisition.coarse_axis].width_mm
    part = slab(volume, share)
    settings = {
        "slice_thickness_mm": width,
        "force": True,
        "spacing_mm": float(volume.spacing_mm[0]),
    }
    mean = enhancer.enhance(part, medsr.Options(**settings)).volume
    return {
        "measured": part,
        "cubic": interpolated(part, mean, 3),
        "posterior mean": mean,
        "sample": enhancer.enhance(part, medsr.Options(sample=True, **settings)).volume,
    }


def main() -> None:
    """Enhance the scans and draw them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path, help="PNG to write")
    words = parser.parse_args()
    models = Models("cpu")
    figure = Figure(figsize=(11, 13.2), layout="constrained", facecolor="black")
    grid = figure.subplots(len(SCANS), 4)
    for line, (path, label, share) in zip(grid, SCANS, strict=True):
        volumes = row(scan_of(words.data / path), share, models)
        values = volumes["measured"].voxels
        low, high = (-160, 240) if "CT" in label else (0, np.percentile(values, 99.5))
        for axes, (title, volume) in zip(line, volumes.items(), strict=True):
            x, _, z = volume.spacing_mm
            half = int(SHOWN_MM / x / 2)
            middle = volume.shape[0] // 2
            plane = np.rot90(volume.voxels[middle - half : middle + half, PLANES // 2])
            window = {"vmin": low, "vmax": high, "cmap": "gray", "interpolation": "nearest"}
            axes.imshow(plane, aspect=z / x, **window)
            axes.set_title(f"{label}: {title}" if title == "measured" else title, color="white")
            axes.set_axis_off()
    figure.savefig(words.output, dpi=70, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    main()
