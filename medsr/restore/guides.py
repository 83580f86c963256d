"""Other scans of the same person as guides of one scan.

Each guide is registered to the scan and laid onto its fine grid. Whether it helps is measured on
the scan's own slices: degraded and restored with the guide and without (`self_check`). A guide
that does not help is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from medsr.acquisition.guided import MOST_GUIDES
from medsr.acquisition.stacks import moved_to
from medsr.errors import Refused, UsageError
from medsr.intensity import scaling_for
from medsr.network.checkpoint import ModelCard
from medsr.remarks import Meaning, Remark
from medsr.restore.data_consistency import DataConsistency
from medsr.restore.guide_channels import OnGrid, with_guides
from medsr.restore.guide_used import GuideUsed
from medsr.restore.options import Options
from medsr.restore.plan import Plan
from medsr.restore.self_check import self_check
from medsr.restore.slice_denoiser import Network
from medsr.restore.upsampled import STATE, Upsampled, on_fine_grid
from medsr.volume.anatomy import check_is_anatomy
from medsr.volume.modality import Modality
from medsr.volume.recognise import with_modality
from medsr.volume.registration import Measure, Motion, register
from medsr.volume.volume import Volume

__all__ = ["check_can_guide", "check_options", "guided", "plan_with", "remarks_on_guides"]

#: Normalised mutual information with the scan below which a guide is refused: it does not show the
#: same anatomy, or the registration failed (docs/development/guides.md).
REFUSED = 1.015

#: Share of the network's work that each check of a guide takes.
SHARE = 0.05

#: A guide must gain so much on the scan's own slices, dB.
LEAST_GAIN_DB = 0.05


def check_can_guide(card: ModelCard, options: Options, guides: int) -> None:
    """Check model and options before anything is done.

    Args:
        card: of the model.
        options: of the enhancement.
        guides: how many.

    Raises:
        UsageError: the model takes no guides, there are too many, or the options do not go with
            guides.
    """
    if not guides:
        return
    if not card.network.get("guides"):
        raise UsageError(
            f"Model {card.name} takes no guides: it has not learned from several scans of one "
            "person. Leave out --guide, or choose another with --model."
        )
    if guides > MOST_GUIDES:
        raise UsageError(f"A scan can have at most {MOST_GUIDES} guides, not {guides}.")
    check_options(options)


def check_options(options: Options) -> None:
    """Check that the options go with guides.

    Raises:
        UsageError: they do not.
    """
    if options.steps > 1 or options.samples > 1:
        raise UsageError("Guides improve the posterior mean only: leave out --sample.")
    if options.adapt_s is not None:
        raise UsageError("A model that is adapted to one scan takes no guides: leave out --adapt.")


def plan_with(
    plan: Plan, guides: Sequence[Volume], card: ModelCard, *, registered: bool = False
) -> Plan:
    """A plan that takes other scans of the person as guides.

    Args:
        plan: of the scan.
        guides: at most three, any grids.
        card: of the model.
        registered: believe the guides' frames of reference instead of registering them.

    Raises:
        Refused: a guide is no anatomy, or its modality is not clear.
        UsageError: see `check_can_guide`.
    """
    check_can_guide(card, plan.options, len(guides))
    for guide in guides:
        check_is_anatomy(guide.kind, guide.name)
    known = tuple(with_modality(guide) for guide in guides)
    return replace(plan, guides=known, registered=registered)


def guided(
    plan: Plan, upsampled: Upsampled, measured: DataConsistency, network: Network
) -> tuple[Upsampled, tuple[GuideUsed, ...]]:
    """An upsampled scan with the guides that help it, and what became of each.

    Args:
        plan: with the scan and its guides.
        upsampled: the scan.
        measured: the same, with its noise.
        network: the model.

    Raises:
        Refused: a guide hardly overlaps the scan, or does not agree with it even when registered.
        UsageError: SimpleITK is not installed.
    """
    if not plan.guides:
        return upsampled, ()
    laid = [_laid(guide, plan) for guide in plan.guides]
    gains = _gains([image for image, _ in laid], upsampled, measured, network)
    used = tuple(
        replace(found, gain_db=gain, used=gain is None or gain >= LEAST_GAIN_DB)
        for (_, found), gain in zip(laid, gains, strict=True)
    )
    kept = [image for (image, _), found in zip(laid, used, strict=True) if found.used]
    return with_guides(upsampled, kept), used


def remarks_on_guides(used: Sequence[GuideUsed]) -> list[Remark]:
    """One line for each guide."""
    return [_remark(number, guide) for number, guide in enumerate(used, start=1)]


def _laid(guide: Volume, plan: Plan) -> tuple[OnGrid, GuideUsed]:
    """A guide on the fine grid of a scan, in the network's range."""
    scan, acquisition = plan.volume, plan.acquisition
    refine, measure = not plan.registered, Measure.MUTUAL_INFORMATION
    motion = register(guide, scan, refine=refine, measure=measure)
    _check(motion, guide, scan)
    grid = on_fine_grid(scan, acquisition, torch.zeros(1).expand(acquisition.fine_shape))
    scaling = scaling_for(Modality(str(guide.modality)), np.asarray(guide.voxels), guide.name)
    index = motion.index(guide.affine, grid.affine)
    moved, inside = moved_to(np.asarray(guide.voxels), index, acquisition.fine_shape)
    image = torch.from_numpy(moved).sub_(scaling.offset).div_(scaling.gain).to(STATE)
    used = GuideUsed(
        digest=guide.digest,
        modality=str(guide.modality),
        spacing_mm=tuple(float(mm) for mm in guide.spacing_mm),
        registered=refine,
        angle_deg=motion.angle_deg,
        shift_mm=motion.shift_mm(scan),
        before=motion.before,
        after=motion.after,
        overlap=motion.overlap,
    )
    return (image, torch.from_numpy(inside).to(STATE)), used


def _check(motion: Motion, guide: Volume, scan: Volume) -> None:
    """Refuse a guide that cannot show the same anatomy."""
    motion.check_overlap(guide.name, scan.name, "of a guide. Leave it out.")
    if motion.after < REFUSED:
        raise Refused(
            f"{guide.name} could not be registered to {scan.name}: where both are, they have "
            f"hardly anything in common (normalised mutual information {motion.after:.3f}, at "
            f"least {REFUSED:g} is needed). Is it the same part of the same person? Register it "
            "yourself and add --registered, or leave it out."
        )


def _gains(
    images: Sequence[OnGrid], upsampled: Upsampled, measured: DataConsistency, network: Network
) -> list[float | None]:
    """What each guide alone gains on the scan's own slices, dB; None where that is not known."""

    def gain(guides: Sequence[OnGrid]) -> float | None:
        check = self_check(
            upsampled.condition,
            replace(upsampled, images=tuple(guides)),
            measured,
            network,
            quick=False,
            interval=None,
            share=SHARE,
        )
        return None if check is None else check.gain

    without = gain([])
    if without is None:
        return [None] * len(images)
    found = [gain([image]) for image in images]
    return [None if value is None else value - without for value in found]


def _remark(number: int, guide: GuideUsed) -> Remark:
    if guide.gain_db is None:
        words = (
            f"Guide {number} could not be checked on the scan's own slices, which show too "
            "little; it was used. Compare with the result without it."
        )
        return Remark(Meaning.ASSUMPTION, words)
    where = f"on the scan's own slices it gains {guide.gain_db:.1f} dB"
    if not guide.used:
        words = (
            f"Guide {number} was not used: {where}. Another person, a poor registration or a "
            "contrast that says nothing about this scan does that."
        )
        return Remark(Meaning.ASSUMPTION, words)
    moved = f"registered by {guide.angle_deg:.1f} degrees and {guide.shift_mm:.1f} mm"
    how = moved if guide.registered else "taken as it lies by its header"
    return Remark(Meaning.NOTE, f"Guide {number} was used ({how}); {where}.")
