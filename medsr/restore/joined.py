"""Several enhanced scans of one contrast become one image that explains all of them.

The others are registered to the first by their enhanced images, which are sharp in every
direction, and laid onto its grid. The mean of all is the first guess of `explain_all`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from medsr.acquisition.projection import Projector
from medsr.acquisition.stacks import Stack, explain_all, predicted
from medsr.audit.null_space import null_space_share
from medsr.errors import UsageError
from medsr.intensity import Scaling, scaling_for
from medsr.remarks import Meaning, Remark
from medsr.restore.data_consistency import NOISE_FREE
from medsr.restore.enhancer import Enhanced, Enhancer
from medsr.restore.laid import Laid, lay
from medsr.restore.options import Options
from medsr.restore.plan import Plan, check_strict
from medsr.restore.record import Findings, StackUsed
from medsr.volume.modality import Modality

__all__ = ["MOST", "check_can_join", "joined", "run_joined"]

#: Scans that are joined at most.
MOST = 6

#: Least t of `explain_all`, for scans without noise: a smaller one gains nothing
#: (docs/development/stacks.md).
LEAST_RATIO = 0.003

#: Mean square error of the first guess over the squared gain (docs/development/stacks.md).
GUESS_ERROR = 0.005

#: A joined scan whose correlation with the first is below this is doubted: another person or
#: contrast (docs/development/stacks.md).
DOUBTED = 0.8


def check_can_join(options: Options, further: int) -> None:
    """Check options before anything is done.

    Args:
        options: of the enhancement of each scan.
        further: how many scans are to be joined with the first.

    Raises:
        UsageError: samples, intervals or maps of joined scans, or too many scans.
    """
    if not further:
        return
    if further >= MOST:
        raise UsageError(f"At most {MOST} scans can be joined, not {further + 1}.")
    if options.steps > 1 or options.samples > 1:
        raise UsageError("Joined scans have a posterior mean only: leave out --sample.")
    if options.interval or options.null_space_map:
        raise UsageError(
            "Intervals and the null-space map are about one scan: leave out --interval and "
            "--null-space-map when scans are joined."
        )


def run_joined(
    enhancer: Enhancer,
    plans: Sequence[Plan],
    progress: Callable[[float], None] | None = None,
    *,
    registered: bool = False,
) -> Enhanced:
    """Carry out the plans of one or several scans, and join the results.

    Args:
        enhancer: the model.
        plans: of each scan, the first one first.
        progress: called with the share of the work that is done, 0 to 1.
        registered: as in `joined`.

    Raises:
        Refused, UsageError: as `Enhancer.run` and `joined`; or the joined result is in doubt and
            the options are strict.
    """

    def part(k: int) -> Callable[[float], None] | None:
        return None if progress is None else lambda share: progress((k + share) / len(plans))

    scans = [enhancer.run(plan, part(k)) for k, plan in enumerate(plans)]
    if len(scans) == 1:
        return scans[0]
    result = joined(scans, registered=registered)
    check_strict(result.record.remarks, plans[0].options, plans[0].volume.name)
    return result


def joined(scans: Sequence[Enhanced], *, registered: bool = False) -> Enhanced:
    """One image of several enhanced scans of one contrast of one person.

    Args:
        scans: the first gives the grid, the frame of reference and the intensities. All are
            posterior means.
        registered: believe the headers' frames of reference instead of registering.

    Returns:
        The first with the joined image; its record names the others, and its findings are about
        the first scan and the joined image.

    Raises:
        Refused: scans hardly overlap, are of different modalities, or do not look alike even when
            registered.
        UsageError: SimpleITK is not installed.
    """
    first = scans[0]
    scaling = scaling_for(Modality(first.record.modality), np.asarray(first.measured.voxels))
    laid = [lay(scan, first, scaling, registered=registered) for scan in scans]
    start = _mean(laid)
    image = _explained(start, laid)
    if first.record.modality == Modality.CT or first.measured.voxels.min() >= 0:
        image = image.clamp(min=float(laid[0].stack.scan.min()))
    return _with_image(first, image, laid, scaling)


def _mean(laid: Sequence[Laid]) -> Tensor:
    """The mean of the images, each where it is; the first one's grid is full."""
    total = np.sum([part.image * part.inside for part in laid], axis=0)
    share = np.sum([part.inside for part in laid], axis=0)
    return torch.from_numpy((total / np.maximum(share, 1e-6)).astype(np.float32))


def _explained(start: Tensor, laid: Sequence[Laid]) -> Tensor:
    """The image near the mean that explains all scans, the noisier ones less closely."""
    least = max(min(part.noise for part in laid), 1e-3)
    stacks = [replace(p.stack, weight=(least / max(p.noise, least)) ** 2) for p in laid]
    excess = max(0.0, least**2 - NOISE_FREE**2)
    return explain_all(start, stacks, max(LEAST_RATIO, excess / GUESS_ERROR))


def _rms(image: Tensor, stack: Stack) -> float:
    """Root mean square of A x - y over the voxels that count."""
    rest = (predicted(image, stack) - stack.scan).square() * stack.counts
    return math.sqrt(float(rest.sum()) / max(float(stack.counts.sum()), 1.0))


def _with_image(
    first: Enhanced, image: Tensor, laid: Sequence[Laid], scaling: Scaling
) -> Enhanced:
    """The joined image, and what is known of it."""
    used = tuple(replace(part.used, residual=_rms(image, part.stack)) for part in laid)
    findings = first.record.findings
    if findings is not None:
        findings = _findings_anew(findings, image, laid[0].stack)
    remarks = (*first.record.remarks, *_remarks(used))
    voxels = image.mul(scaling.gain).add_(scaling.offset).numpy()
    return replace(
        first,
        volume=replace(first.volume, voxels=voxels),
        record=replace(first.record, stacks=used, findings=findings, remarks=remarks),
        std=None,
        half_width=None,
        null_space_map=None,
    )


def _findings_anew(before: Findings, image: Tensor, stack: Stack) -> Findings:
    """What is found of the joined image and the first scan."""
    rest = predicted(image, stack) - stack.scan
    axis = stack.acquisition.coarse_axis
    by_slice = rest.square().mean(dim=[k for k in range(3) if k != axis]).sqrt()
    return replace(
        before,
        inconsistency=tuple(by_slice.tolist()),
        largest_residual=float(rest.abs().max()),
        rms_residual=math.sqrt(float(rest.double().square().mean())),
        null_space_share=null_space_share([image], Projector.of(stack.acquisition)),
    )


def _remarks(used: Sequence[StackUsed]) -> list[Remark]:
    """One line on the joined scans, one on each that is in doubt."""
    others = used[1:]
    moved = ", ".join(
        f"{part.angle_deg:.1f} degrees and {part.shift_mm:.1f} mm" for part in others
    )
    lines = [
        Remark(
            Meaning.NOTE,
            f"{len(used)} scans were joined. Against the first, the others had moved by {moved}.",
        )
    ]
    for number, part in enumerate(others, start=2):
        if part.after < DOUBTED:
            words = (
                f"Scan {number} looks only somewhat like the first (correlation "
                f"{part.after:.2f}); look at the result, and leave the scan out if anatomy is "
                "doubled or blurred."
            )
            lines.append(Remark(Meaning.DOUBT, words))
    return lines
