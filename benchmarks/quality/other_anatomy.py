"""MR that is not of a head: what a model of heads does with it. A Markdown table.

    OMP_NUM_THREADS=1 python -m benchmarks quality.other_anatomy DATA/anatomy --write

Each scan of the folder is measured in one of two ways. Where its slices are as thin as its pixels
(less than 1.5 times) it is degraded fourfold across them, enhanced, and compared with itself: that
is the true gain. Where they are thick there is no such truth: slices of it are degraded fourfold
along each of their axes and restored alone (`quality.in_plane`). The self-check sees the thick
scan only: the degraded one, or the scan as it is.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.page import DOCS, write_region
from benchmarks.quality.in_plane import alone, turned
from medsr.acquisition.resample import upsample
from medsr.acquisition.simulate import degrade, plan_degradation
from medsr.errors import MedsrWarning, Refused
from medsr.metrics.fidelity import psnr
from medsr.metrics.foreground import foreground_mask, robust_range
from medsr.restore.enhancer import Enhancer
from medsr.restore.options import Options
from medsr.restore.plan import Plan
from medsr.volume.formats import read
from medsr.volume.modality import Modality
from medsr.volume.sidecar import strip_suffix
from medsr.volume.volume import Volume

PAGE = DOCS / "development" / "other-anatomy.md"
FACTOR = 4.0
SLICES = 8
#: Slices that are thicker than so many pixels have no fine truth across them.
THICK = 1.5

HEAD = """| scan | voxels | spacing, mm | direction | cubic, dB | gain, dB | self-check, dB \
| verdict | without `--force` |
|---|---|---|---|---|---|---|---|---|"""


def line(path: Path, enhancer: Enhancer) -> str:
    """One scan."""
    scan = replace(read(path), modality=Modality.MR)
    spacing = [float(mm) for mm in scan.spacing_mm]
    stack = scan.through_plane_axis
    thick = spacing[stack] >= THICK * min(spacing)
    if thick:
        (before, after), seen = _within_slices(scan, enhancer), scan
    else:
        (before, after), seen = _across_slices(scan, stack, enhancer)
    with warnings.catch_warnings(category=MedsrWarning, action="ignore"):
        check = enhancer.enhance(seen, Options(force=True)).record.findings
    found = check.self_check if check else None
    checked = "| | |" if found is None else f"| {found.gain:+.2f} | {found.verdict.value} |"
    shape, mm = (" x ".join(f"{n:.3g}" for n in values) for values in (scan.shape, spacing))
    way = "within slices" if thick else "across slices"
    return (
        f"| {strip_suffix(path)} | {shape} | {mm} | {way} | {before:.2f} | {after - before:+.2f} "
        f"{checked} {_said(seen, enhancer)} |"
    )


def _said(scan: Volume, enhancer: Enhancer) -> str:
    """Whether medsr enhances the scan as it comes."""
    try:
        with warnings.catch_warnings(category=MedsrWarning, action="error"):
            enhancer.plan(scan, Options())
    except Refused:
        return "refused"
    except MedsrWarning:
        return "enhanced, with a warning"
    return "enhanced"


def _across_slices(
    fine: Volume, axis: int, enhancer: Enhancer
) -> tuple[tuple[float, float], Volume]:
    """PSNR of cubic interpolation and of medsr, and the thick scan."""
    spacing = [float(mm) for mm in fine.spacing_mm]
    acquisition = plan_degradation(
        fine.shape, spacing, slice_axis=axis, slice_spacing_mm=FACTOR * spacing[axis]
    )
    low = degrade(fine, acquisition, slice_axis=axis)
    cubic = upsample(torch.from_numpy(np.array(low.voxels)), acquisition).numpy()
    result = enhancer.run(Plan(low, acquisition, Options())).volume
    return _scores(np.asarray(fine.voxels), cubic, np.asarray(result.voxels)), low


def _within_slices(scan: Volume, enhancer: Enhancer) -> tuple[float, float]:
    """PSNR of cubic interpolation and of medsr, the mean of both axes."""
    found = []
    for _, stack in turned(scan, SLICES):
        parts = zip(*(alone(image, enhancer, FACTOR, 1) for image in stack), strict=True)
        found.append(_scores(*(np.stack(part) for part in parts)))
    before, after = np.mean(found, axis=0)
    return float(before), float(after)


def _scores(truth: np.ndarray, cubic: np.ndarray, result: np.ndarray) -> tuple[float, float]:
    top = robust_range(truth, modality=Modality.MR)
    mask = foreground_mask(truth, modality=Modality.MR)
    before, after = (psnr(truth, image, data_range=top, mask=mask) for image in (cubic, result))
    return before, after


def main() -> None:
    """Measure every scan of a folder, and write the table into the page if asked."""
    parser = argparse.ArgumentParser(description="MR that is not of a head.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="mr-head")
    parser.add_argument("--write", action="store_true", help=f"also write docs/.../{PAGE.name}")
    words = parser.parse_args()
    enhancer = Enhancer.from_pretrained(words.model)
    lines = [HEAD]
    for path in sorted(words.folder.glob("*.nii.gz")):
        lines.append(line(path, enhancer))
        print(lines[-1], flush=True)
    if words.write:
        write_region(PAGE, "quality.other_anatomy", "\n".join(lines))


if __name__ == "__main__":
    main()
