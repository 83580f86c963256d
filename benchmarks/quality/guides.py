"""Thick scans guided by other scans of the same person: Markdown tables.

    python -m benchmarks quality.guides mr-head TARGET.nii.gz [TARGET ...] --guide T1.nii.gz \
        --other T1_OF_ANOTHER.nii.gz [--axes 0 1] [--side 144] [--factor 4] [--average 2 2 1]

Targets are sharp along the axes that are named; where their voxels are finer than that,
`--average` joins some of them. Guides lie where their headers say. The middle block of a target is
degraded along each of the axes and enhanced without a guide, with the guide, and with guides that
are wrong: another person's, shifted by 3 voxels, turned by 5 degrees, inverted, noise. "Network"
is what the network makes of them as they lie, "result" what the user gets: registered, checked on
the scan's own slices, and dropped where they do not help there. PSNR in dB over the foreground.

With `--lesions` a second table: blobs that only the guide has, or only the target. "Borrowed" is
how much the guided result at the blob differs from what it is without the blob in the guide, over
the height of the blob; for a blob in the target alone, the mean error there.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsr.acquisition.simulate import degraded_to
from medsr.acquisition.stacks import moved_to
from medsr.config import CaseConfig
from medsr.errors import Refused
from medsr.metrics.fidelity import psnr
from medsr.metrics.foreground import foreground_mask, robust_range
from medsr.restore import guides as guiding
from medsr.restore.enhancer import Enhanced, Enhancer
from medsr.restore.guides import plan_with
from medsr.restore.options import Options
from medsr.restore.plan import Plan
from medsr.training.cases import prepare
from medsr.volume.formats import read
from medsr.volume.volume import Volume

Image = NDArray[np.float32]

#: Voxels from the border of the block that are not measured.
BORDER = 6

#: Radius of a blob, voxels, and its brightness over the robust range.
RADIUS, HEIGHT = 4.0, 0.5


def block(path: str, words: argparse.Namespace, target: str, axis: int) -> Image:
    """The middle block of a scan on the grid of a target, the axis last; no negative overshoot."""
    case = CaseConfig(path=target, person="", average=words.average)
    grid, side = prepare(read(target), case), words.side
    voxels = np.asarray(grid.voxels)
    if path != target:
        scan = read(path)
        index = np.linalg.inv(scan.affine) @ grid.affine
        voxels, _ = moved_to(np.asarray(scan.voxels), index, grid.shape)
    voxels = np.moveaxis(np.maximum(voxels, 0), axis, 2)
    sides = [min(n, side) for n in voxels.shape]
    sides[0] = min(sides[0], side // 2)
    starts = [(n - m) // 2 for n, m in zip(voxels.shape, sides, strict=True)]
    cut = tuple(slice(s, s + m) for s, m in zip(starts, sides, strict=True))
    return np.ascontiguousarray(voxels[cut])


def volume(voxels: Image, name: str) -> Volume:
    return Volume(np.ascontiguousarray(voxels), np.eye(4), modality="MR", name=name, slice_axis=2)


def enhanced(
    enhancer: Enhancer, plan: Plan, guides: Sequence[Image], *, checked: bool
) -> Enhanced:
    """A result: as a user gets it, or with the guides as they lie, whatever the check says."""
    volumes = [volume(guide, f"guide {k}") for k, guide in enumerate(guides)]
    guided = plan_with(plan, volumes, enhancer.card, registered=not checked)
    if checked:
        return enhancer.run(guided)
    with mock.patch.multiple(guiding, REFUSED=0.0, LEAST_GAIN_DB=-100.0):
        return enhancer.run(guided)


def wrong_ones(guide: Image, other: Image | None) -> Iterator[tuple[str, Image]]:
    """Guides that a user should not have given."""
    if other is not None:
        yield "another person's", other
    yield "shifted by 3 voxels", np.roll(guide, (2, 2, 1), (0, 1, 2))
    yield "turned by 5 degrees", ndimage.rotate(guide, 5, (1, 2), reshape=False, order=1)
    yield "inverted", np.where(guide > 0, 1.05 * guide.max() - guide, 0).astype(np.float32)
    noise = np.random.default_rng(0).uniform(0, guide.max(), guide.shape)
    yield "noise", noise.astype(np.float32)


class Case:
    """One target along one axis: its truth, its thick scan, how it is measured."""

    def __init__(self, truth: Image, factor: float) -> None:
        fine, low, acquisition = degraded_to(volume(truth, "target"), factor)
        self.truth = np.asarray(fine.voxels)
        thickness = replace(low, slice_thickness_mm=factor)
        self.plan = Plan(thickness, acquisition, Options())
        self.top = robust_range(self.truth, modality="MR")
        self.mask = foreground_mask(self.truth, modality="MR")
        inner = np.zeros_like(self.mask)
        inner[(slice(BORDER, -BORDER),) * 3] = True
        self.mask &= inner

    def cut(self, image: Image) -> Image:
        """A guide on the grid of the truth."""
        return image[tuple(slice(n) for n in self.truth.shape)]

    def psnr(self, result: Enhanced) -> float:
        image = np.asarray(result.volume.voxels)
        return psnr(self.truth, image, data_range=self.top, mask=self.mask)


def rows(enhancer: Enhancer, words: argparse.Namespace, target: str, axis: int) -> None:
    """All rows of a target along an axis, printed."""
    case = Case(block(target, words, target, axis), words.factor)
    guides = [case.cut(block(path, words, target, axis)) for path in words.guide]
    began = time.perf_counter()
    alone = case.psnr(enhanced(enhancer, case.plan, [], checked=True))
    seconds = time.perf_counter() - began
    name = f"{Path(target).name.partition('_N4')[0].partition('.')[0]}, axis {axis}"
    print(f"| {name} | none | {alone:.2f} | | | | {seconds:.1f} |", flush=True)
    other = case.cut(block(words.other, words, target, axis)) if words.other else None
    sets = [(f"guide {k + 1}", [guide]) for k, guide in enumerate(guides)]
    sets += [("all guides", guides)] if len(guides) > 1 else []
    for what, given in [*sets, *((w, [g]) for w, g in wrong_ones(guides[0], other))]:
        began = time.perf_counter()
        network = case.psnr(enhanced(enhancer, case.plan, given, checked=False)) - alone
        seconds = time.perf_counter() - began
        try:
            found = enhanced(enhancer, case.plan, given, checked=True)
            result = f"{case.psnr(found) - alone:+.2f}"
            own = ", ".join(f"{g.gain_db or 0:+.2f}" for g in found.record.guides)
            used = ", ".join("yes" if g.used else "no" for g in found.record.guides)
        except Refused:
            result, own, used = "0", "", "refused"
        print(
            f"| {name} | {what} | {network:+.2f} | {own} | {used} | {result} | {seconds:.1f} |",
            flush=True,
        )


def blob(shape: Sequence[int], place: Sequence[float]) -> Image:
    """A soft ball: 1 in the middle, 0 outside."""
    at = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    distance = np.sqrt(sum((a - p) ** 2 for a, p in zip(at, place, strict=True)))
    return (1 / (1 + np.exp(2 * (distance - RADIUS)))).astype(np.float32)


def lesions(enhancer: Enhancer, words: argparse.Namespace, target: str, axis: int) -> None:
    """What a blob in only one of the two scans becomes, printed."""
    truth = block(target, words, target, axis)
    guide = block(words.guide[0], words, target, axis)
    place = [n // 2 + d for n, d in zip(truth.shape, (0, 22, 24), strict=True)]
    ball = blob(truth.shape, place)
    tops = [float(np.percentile(image[image > 0], 99)) for image in (truth, guide)]
    raised = [
        image * (1 - ball) + HEIGHT * t * ball
        for image, t in zip((truth, guide), tops, strict=True)
    ]
    for sign, words_of in ((1, "a blob in the guide alone"), (0, "a blob in the target alone")):
        case = Case(truth if sign else raised[0].astype(np.float32), words.factor)
        mask = case.cut(ball) > 0.5
        given = [guide, raised[1].astype(np.float32)] if sign else [guide]
        images = [
            np.asarray(enhanced(enhancer, case.plan, [case.cut(g)], checked=False).volume.voxels)
            for g in given
        ]
        if sign:
            height = float(np.abs(raised[1] - guide)[ball > 0.5].mean()) / tops[1]
            share = float(np.abs(images[1] - images[0])[mask].mean()) / tops[0] / height
            print(f"| {words_of}, axis {axis} | {100 * share:.1f} % borrowed |", flush=True)
            continue
        alone = np.asarray(enhanced(enhancer, case.plan, [], checked=True).volume.voxels)
        error = [float(np.abs(i - case.truth)[mask].mean()) / tops[0] for i in (alone, images[0])]
        print(
            f"| {words_of}, axis {axis} | mean error there {100 * error[0]:.1f} % of the range "
            f"without, {100 * error[1]:.1f} % with guide |",
            flush=True,
        )


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("targets", nargs="+")
    parser.add_argument("--guide", action="append", required=True)
    parser.add_argument("--other")
    parser.add_argument("--axes", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--factor", type=float, default=4.0)
    parser.add_argument("--side", type=int, default=144)
    parser.add_argument("--average", nargs=3, type=float, default=(1, 1, 1))
    parser.add_argument("--lesions", action="store_true")
    words = parser.parse_args()
    words.average = tuple(words.average)
    enhancer = Enhancer.from_pretrained(words.model)
    print("| target | guide | network, dB | own slices, dB | used | result, dB | seconds |")
    print("|---|---|---|---|---|---|---|")
    for target in words.targets:
        for axis in words.axes:
            rows(enhancer, words, target, axis)
    if words.lesions:
        print("\n| what | result |\n|---|---|")
        for axis in words.axes:
            lesions(enhancer, words, words.targets[0], axis)


if __name__ == "__main__":
    main()
