"""Lesions of real shapes, put into held-out scans: kept, blurred, moved, invented? Two tables.

    OMP_NUM_THREADS=1 python -m benchmarks quality.lesion_masks DATA --masks FOLDER [FOLDER ...]
        [--scans NAME ...] [--mm 4 3 6] [--model PATH] [--sample-mm 4] [--picture FILE] [--write]

Shapes are the connected parts of binary masks of 1 mm: multiple sclerosis (open_ms) and acute
stroke. A scan gets up to 24 at once, of four sizes, well inside the brain and apart from each
other: bright in T2w, dark in T1w, by 40 % of the median of the head, their edges blurred by half
a voxel. The scan with and without lesions is degraded to thick slices along its last axis and
brought back; the difference of the two results, D, is compared with what was put in, T:

- contrast: <D, T> / <T, T>; kept from 0.7 on, lost below 0.3, else blurred.
- moved: distance of the centre of D from that of T, mm.
- invented: in the result *without* lesions, spots of the lesions' polarity and size (5 to 1000 mm3
  in which the image minus its surroundings exceeds half of the contrast) where neither the fine
  scan nor cubic interpolation has as much as a quarter; for each litre of the inner head.

Rows go to runs/lesion_masks.jsonl, so that a stopped run goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from scipy import ndimage

from benchmarks.page import DOCS, write_region
from medsr.acquisition.simulate import degraded_to, interpolated
from medsr.config import CaseConfig, DataConfig
from medsr.metrics.foreground import foreground_mask
from medsr.restore.enhancer import Enhancer
from medsr.restore.options import Options
from medsr.restore.plan import Plan
from medsr.training.cases import load_case
from medsr.volume.volume import Volume

PAGE = DOCS / "explanation" / "next-step.md"
ROWS = Path("runs/lesion_masks.jsonl")

#: Name -> file, and whether a lesion is brighter than tissue. None of these people trained.
SCANS = {
    "T2w, m2208": ("M2208_T2w.nii.gz", True),
    "T1w, ds000011-14": ("ds000011/sub-14/anat/sub-14_T1w.nii.gz", False),
    "T1w, ds000011-09": ("ds000011/sub-09/anat/sub-09_T1w.nii.gz", False),
    "T1w, sag-anon": ("mri_head_sag_anon/SAG-anon_T1_dicom.tar.xz", False),
}

#: Sizes, voxels of 1 mm, as (least, most), and how many of each are put into a scan.
SIZES = ((5, 13), (14, 50), (51, 200), (201, 1000))
OF_EACH = 6

CONTRAST = 0.4

#: Of a sample.
STEPS = 6
SIDES = (112, 128, 96)
APART = 22
DEEP_MM = 14


@dataclass(frozen=True, eq=False)
class Lesion:
    """A shape at its place: voxels of the block [n, 3], and its size class."""

    box: tuple[slice, slice, slice]
    soft: np.ndarray
    size: int


def shapes(folders: list[Path], rng: np.random.Generator) -> dict[int, list[np.ndarray]]:
    """Connected parts of masks by size class, cut to their boxes; some, in random order."""
    found: dict[int, list[np.ndarray]] = {k: [] for k in range(len(SIZES))}
    files = sorted(p for f in folders for p in (f.rglob("*.nii.gz") if f.is_dir() else [f]))
    for k in rng.permutation(len(files)):
        labels, count = ndimage.label(np.asarray(nibabel.load(files[k]).dataobj) > 0)
        for part, number in zip(ndimage.find_objects(labels), range(1, count + 1), strict=True):
            mask = labels[part] == number
            for size, (least, most) in enumerate(SIZES):
                if least <= mask.sum() <= most and max(mask.shape) <= APART - 6:
                    found[size].append(mask)
        if all(len(each) >= 4 * OF_EACH for each in found.values()):
            break
    return found


def middle(fine: Volume) -> Volume:
    """A block in the upper middle of the head, where the brain is."""
    top = np.abs(fine.affine[2, :3] / fine.spacing_mm).argmax()
    bright = np.argwhere(foreground_mask(fine.voxels, modality="MR"))
    low, high = bright.min(axis=0), bright.max(axis=0) + 1
    centre = (low + high) / 2
    sign = np.sign(fine.affine[2, top])
    centre[top] += sign * 0.12 * (high - low)[top]
    starts = [
        int(np.clip(c - s / 2, 0, max(0, n - s)))
        for c, s, n in zip(centre, SIDES, fine.shape, strict=True)
    ]
    part = tuple(slice(a, a + s) for a, s in zip(starts, SIDES, strict=True))
    affine = fine.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ starts
    voxels = np.ascontiguousarray(fine.voxels[part])
    return replace(fine, voxels=voxels, affine=affine, slice_axis=2, padding=None)


def put_in(
    block: Volume, found: dict[int, list[np.ndarray]], rng: np.random.Generator
) -> list[Lesion]:
    """Places for lesions: deep in the head, where the tissue is even, apart from each other."""
    voxels = np.asarray(block.voxels)
    mask = foreground_mask(voxels, modality="MR")
    deep = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=block.spacing_mm)[
        1:-1, 1:-1, 1:-1
    ]
    value = float(np.median(voxels[mask]))
    smooth = ndimage.gaussian_filter(voxels, 2)
    rough = np.sqrt(np.maximum(ndimage.gaussian_filter(voxels**2, 2) - smooth**2, 0))
    edge = np.zeros(voxels.shape, dtype=bool)
    edge[10:-10, 10:-10, 10:-10] = True
    even = edge & (deep > DEEP_MM) & (rough < 0.15 * value) & (smooth > 0.5 * value)
    places = rng.permutation(np.argwhere(even))
    lesions: list[Lesion] = []
    centres: list[np.ndarray] = []
    for size in sorted(found, reverse=True):
        for mask_of_1_mm in found[size][:OF_EACH]:
            zoom = [1 / mm for mm in block.spacing_mm]
            soft = ndimage.zoom(np.pad(mask_of_1_mm.astype(np.float32), 3), zoom, order=1)
            soft = ndimage.gaussian_filter(soft, 0.5)
            place = next(
                (
                    p
                    for p in places
                    if all(np.abs(p - c).max() >= APART for c in centres)
                    and all(
                        c - s // 2 >= 0 and c - s // 2 + s <= n
                        for c, s, n in zip(p, soft.shape, voxels.shape, strict=True)
                    )
                ),
                None,
            )
            if place is None:
                continue
            centres.append(place)
            starts = [int(c - s // 2) for c, s in zip(place, soft.shape, strict=True)]
            box = tuple(slice(a, a + s) for a, s in zip(starts, soft.shape, strict=True))
            lesions.append(Lesion((box[0], box[1], box[2]), soft, size))
    return lesions


def restored(
    fine: Volume, mm: float, enhancer: Enhancer, steps: list[int]
) -> dict[str, np.ndarray]:
    """Method -> result on the fine grid, cut to what the thick slices cover."""
    fine, low, plan = degraded_to(fine, mm / float(fine.spacing_mm[2]))
    found = {
        "fine": np.asarray(fine.voxels),
        "cubic": np.asarray(interpolated(low, fine, 3).voxels),
    }
    for count in steps:
        options = Options(steps=count)
        name = "medsr, posterior mean" if count == 1 else f"medsr, sample of {count} steps"
        found[name] = np.asarray(enhancer.run(Plan(low, plan, options)).volume.voxels)
    return found


def recovered(
    change: np.ndarray, lesion: Lesion, amplitude: float, spacing: tuple[float, ...]
) -> tuple[float, float]:
    """Share of the contrast, and how far the centre moved, mm."""
    local = change[lesion.box] / amplitude
    template = lesion.soft[:, :, : local.shape[2]]
    share = float((local * template).sum() / (template**2).sum())
    weight = np.clip(local, 0, None)
    grid = np.meshgrid(*[np.arange(n) for n in local.shape], indexing="ij")
    moved = [
        ((g * weight).sum() / max(weight.sum(), 1e-9) - (g * template).sum() / template.sum()) * mm
        for g, mm in zip(grid, spacing, strict=True)
    ]
    return share, float(np.sqrt(np.sum(np.square(moved))))


def spots(image: np.ndarray, spacing: tuple[float, ...], sign: float) -> np.ndarray:
    """The image minus its surroundings, positive in lesions."""
    narrow, wide = ([s / mm for mm in spacing] for s in (0.7, 4.0))
    return sign * (ndimage.gaussian_filter(image, narrow) - ndimage.gaussian_filter(image, wide))


def invented(
    found: dict[str, np.ndarray],
    name: str,
    inside: np.ndarray,
    spacing: tuple[float, ...],
    amplitude: float,
) -> int:
    """How many spots of a lesion's size only this result has."""
    sign, level = float(np.sign(amplitude)), abs(amplitude)
    mine = spots(found[name], spacing, sign) > level / 2
    others = [spots(found[k], spacing, sign) for k in ("fine", "cubic")]
    reach = [max(1, round(2 / mm)) * 2 + 1 for mm in spacing]
    others = [ndimage.maximum_filter(o, size=reach) for o in others]
    labels, count = ndimage.label(mine & inside)
    total = 0
    for number, part in enumerate(ndimage.find_objects(labels), start=1):
        own = labels[part] == number
        if SIZES[0][0] <= own.sum() * np.prod(spacing) <= SIZES[-1][1]:
            total += all(float(o[part][own].max()) < level / 4 for o in others)
    return total if count else 0


def measure(
    name: str, fine: Volume, bright: bool, mm: float, enhancer: Enhancer, words: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """One row for each method."""
    rng = np.random.default_rng(0)
    block = middle(fine)
    mask = foreground_mask(block.voxels, modality="MR")
    amplitude = (1 if bright else -1) * CONTRAST * float(np.median(np.asarray(block.voxels)[mask]))
    lesions = put_in(block, shapes(words.masks, rng), rng)
    added = np.zeros(block.shape, np.float32)
    for lesion in lesions:
        added[lesion.box] += amplitude * lesion.soft
    steps: list[int] = [1, STEPS] if mm in words.sample_mm else [1]
    plain = restored(block, mm, enhancer, steps)
    ill = restored(replace(block, voxels=np.maximum(block.voxels + added, 0)), mm, enhancer, steps)
    spacing = tuple(float(s) for s in block.spacing_mm)
    depth = plain["fine"].shape[2]
    inside = (
        ndimage.distance_transform_edt(np.pad(mask[..., :depth], 1), sampling=spacing)[
            1:-1, 1:-1, 1:-1
        ]
        > 6
    )
    litres = float(inside.sum() * np.prod(spacing) / 1e6)
    whole = [x for x in lesions if x.box[2].stop <= depth]
    for method in plain:
        if method == "fine":
            continue
        change = ill[method] - plain[method]
        each = [(x.size, *recovered(change, x, amplitude, spacing)) for x in whole]
        count = invented(plain, method, inside, spacing, amplitude)
        yield {
            "scan": name, "mm": mm, "method": method,
            "digest": "" if method == "cubic" else enhancer.digest,
            "lesions": each, "invented": count, "litres": litres,
        }  # fmt: skip
    if words.picture is not None and mm == 4.0:
        draw(block, plain, ill, whole, words.picture)


def draw(
    block: Volume,
    plain: dict[str, np.ndarray],
    ill: dict[str, np.ndarray],
    lesions: list[Lesion],
    path: Path,
) -> None:
    """Small and large lesions, close up, as they are and as each method shows them."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    chosen = [
        next(x for x in lesions if x.size == k)
        for k in range(len(SIZES))
        if any(x.size == k for x in lesions)
    ]
    names = list(ill)
    figure, axes = plt.subplots(
        len(chosen), len(names), figsize=(2 * len(names), 2.1 * len(chosen)), squeeze=False
    )
    top = float(np.percentile(plain["fine"], 99.5))
    aspect = block.spacing_mm[2] / block.spacing_mm[1]
    for line, lesion in zip(axes, chosen, strict=True):
        x, y, z = ((s.start + s.stop) // 2 for s in lesion.box)
        for axis, name in zip(line, names, strict=True):
            part = ill[name][x, max(0, y - 18) : y + 18, max(0, z - 18) : z + 18]
            axis.imshow(part.T, origin="lower", cmap="gray", vmin=0, vmax=top, aspect=aspect)
            axis.set_axis_off()
            axis.set_title(
                f"{name}, {SIZES[lesion.size][0]}-{SIZES[lesion.size][1]} mm³", fontsize=6
            )
    figure.tight_layout()
    figure.savefig(path, dpi=130)


def tables(rows: list[dict[str, Any]]) -> str:
    """By thickness and size, all scans together; then invented spots."""
    lines = [
        "| slices | size, mm³ | method | lesions, scans | contrast | kept | blurred | lost "
        "| moved, mm (90 %) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    end = [
        "| slices | method | scans | invented spots for each litre of brain |",
        "|---|---|---|---|",
    ]
    for mm in sorted({r["mm"] for r in rows}):
        methods = list(dict.fromkeys(r["method"] for r in rows if r["mm"] == mm))
        for size, (least, most) in enumerate(SIZES):
            for method in methods:
                mine = [r for r in rows if (r["mm"], r["method"]) == (mm, method)]
                each = np.array([x[1:] for r in mine for x in r["lesions"] if x[0] == size])
                if len(each) == 0:
                    continue
                s, m = each.T
                lines.append(
                    f"| {mm:g} mm | {least}-{most} | {method} | {len(s)}, {len(mine)} "
                    f"| {s.mean():.2f} | {(s >= 0.7).mean():.0%} "
                    f"| {((s >= 0.3) & (s < 0.7)).mean():.0%} "
                    f"| {(s < 0.3).mean():.0%} | {np.median(m):.2f} ({np.percentile(m, 90):.2f}) |"
                )
        for method in methods:
            mine = [r for r in rows if (r["mm"], r["method"]) == (mm, method)]
            if method != "cubic":
                rate = sum(r["invented"] for r in mine) / sum(r["litres"] for r in mine)
                end.append(f"| {mm:g} mm | {method} | {len(mine)} | {rate:.1f} |")
    return "\n".join([*lines, "", *end])


def main() -> None:
    """Measure what is missing, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--masks", type=Path, nargs="+", required=True)
    parser.add_argument("--scans", nargs="*", default=list(SCANS))
    parser.add_argument("--mm", type=float, nargs="+", default=[4.0, 3.0, 6.0])
    parser.add_argument("--sample-mm", type=float, nargs="*", default=[4.0])
    parser.add_argument("--model", default=None)
    parser.add_argument("--rows", type=Path, default=ROWS)
    parser.add_argument("--picture", type=Path, default=None, help="skull-stripped scans only")
    parser.add_argument("--write", action="store_true", help=f"also write docs/.../{PAGE.name}")
    words = parser.parse_args()
    enhancer = Enhancer.from_pretrained(words.model or "mr-head")
    lines = words.rows.read_text().splitlines() if words.rows.exists() else []
    rows = [r for r in map(json.loads, lines) if r["digest"] in ("", enhancer.digest)]
    for mm in words.mm:
        for name in words.scans:
            if any((r["scan"], r["mm"], r["digest"]) == (name, mm, enhancer.digest) for r in rows):
                continue
            path, bright = SCANS[name]
            data = DataConfig(root=words.data, train=(), validate=())
            fine = load_case(CaseConfig(path=path, person=name), data, "MR")
            rows = [r for r in rows if (r["scan"], r["mm"]) != (name, mm)]
            for row in measure(name, fine, bright, mm, enhancer, words):
                rows.append(row)
                words.rows.parent.mkdir(parents=True, exist_ok=True)
                with words.rows.open("a") as sink:
                    sink.write(json.dumps(row) + "\n")
                print(
                    row["scan"],
                    mm,
                    row["method"],
                    row["invented"],
                    len(row["lesions"]),
                    flush=True,
                )
    print(tables(rows))
    if words.write:
        write_region(PAGE, "quality.lesion_masks", tables(rows))


if __name__ == "__main__":
    main()
