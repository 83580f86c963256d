"""The plan of an enhancement, made before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from medsr.acquisition.acquisition import Acquisition, for_scan
from medsr.audit.out_of_distribution import remarks_on_distribution, remarks_on_range
from medsr.errors import Refused
from medsr.intensity import scaling_for
from medsr.network.checkpoint import ModelCard
from medsr.remarks import Meaning, Remark, in_order
from medsr.restore.options import Options
from medsr.restore.output_grid import check_memory, choose_target
from medsr.restore.slice_profile import SliceProfile, choose_slice_profile
from medsr.volume.anatomy import check_is_anatomy
from medsr.volume.modality import Modality
from medsr.volume.origin import check_origin
from medsr.volume.recognise import with_modality
from medsr.volume.volume import Volume

__all__ = ["Plan", "check_strict", "make_plan"]


DEFAULTS = Options()


@dataclass(frozen=True, eq=False)
class Plan:
    """One enhancement, decided but not done.

    Attributes:
        volume: the measured scan, with its modality resolved.
        acquisition: how it was made, as seen from the fine grid.
        options: the options of the enhancement.
        remarks: for the reader, in order.
        slice_profile: how the profile of `acquisition` was chosen; None where it was given.
        guides: other scans of the person, with their modality resolved.
        registered: believe the guides' frames of reference instead of registering them.
    """

    volume: Volume
    acquisition: Acquisition
    options: Options = DEFAULTS
    remarks: tuple[Remark, ...] = ()
    slice_profile: SliceProfile | None = None
    guides: tuple[Volume, ...] = ()
    registered: bool = False


def make_plan(volume: Volume, options: Options, card: ModelCard) -> Plan:
    """Decide how a model would enhance a scan.

    Args:
        volume: the measured scan.
        options: what to do.
        card: of the model.

    Raises:
        NotAnatomy: the scan shows something else, whatever is forced.
        NotOriginal: it is a reformat or a result of medsr (without `force`).
        Refused: its modality is not known, or another than the model's; it is unlike all that the
            model has learned from (without `force`); it is too large for this machine; or there
            is a doubt and the options are strict.
        NothingToDo: it is as fine as was asked for already.
        UsageError: options that do not make sense for this scan.
    """
    check_is_anatomy(volume.kind, volume.name)
    doubts = check_origin(volume.origin, volume.name, force=options.force)
    volume = with_modality(volume, options.modality)
    remarks = (*volume.remarks, *doubts)
    if volume.modality != card.modality:
        raise Refused(
            f"{volume.name}: is {volume.modality}, but model {card.name} is for "
            f"{card.modality}. Choose another with --model, or correct --modality."
        )
    target = choose_target(volume, spacing_mm=options.spacing_mm, scale=options.scale)
    chosen = choose_slice_profile(volume, target.spacing_mm, options)
    acquisition = for_scan(
        volume,
        target.spacing_mm,
        slice_thickness_mm=chosen.thickness_mm,
        profile=chosen.profile,
    )
    check_memory(acquisition, volume.name)
    remarks += chosen.remarks + target.remarks
    remarks += remarks_on_range(acquisition, card.ranges, samples=options.steps > 1)
    remarks += _remarks_on_distribution(volume, acquisition.coarse_axis, options, card)
    check_strict(remarks, options, volume.name)
    return Plan(volume, acquisition, options, in_order(remarks), chosen)


def check_strict(remarks: Iterable[Remark], options: Options, name: str) -> None:
    """Refuse a result that is in doubt, where the options are strict.

    Args:
        remarks: on the result, or on what is planned.
        options: strict or not.
        name: of the scan.

    Raises:
        Refused: a remark is a doubt.
    """
    doubts = [remark.text for remark in remarks if remark.meaning is Meaning.DOUBT]
    if options.strict and doubts:
        raise Refused(
            f"{name}: the result is in doubt, and --strict is given, so nothing was written. "
            f"{' '.join(doubts)}"
        )


def _remarks_on_distribution(
    volume: Volume, axis: int, options: Options, card: ModelCard
) -> tuple[Remark, ...]:
    """How the scan differs from the training scans."""
    voxels = np.asarray(volume.voxels)
    scaling = scaling_for(Modality(card.modality), voxels, volume.name)
    return remarks_on_distribution(
        (voxels - scaling.offset) / scaling.gain,
        axis,
        volume.spacing_mm,
        card.ranges.get("training_statistics", {}),
        volume.name,
        force=options.force,
    )
