"""One case of an evaluation: its volumes, interpolation as a baseline, and its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from medsr.acquisition.simulate import interpolated, predicted_scan
from medsr.errors import Refused, UsageError
from medsr.evaluation.compare import Measured, evaluate_pair
from medsr.evaluation.evaluation import BASELINES, Evaluation
from medsr.evaluation.pairing import CaseFiles
from medsr.regions.segmenter import Segmenter
from medsr.restore.options import Options
from medsr.restore.slice_profile import choose_slice_profile
from medsr.volume import formats
from medsr.volume.modality import Modality
from medsr.volume.placement import common_box, place
from medsr.volume.volume import Volume

__all__ = ["Loaded", "evaluate_loaded", "load", "measured_by", "with_interpolation"]


@dataclass(frozen=True, eq=False)
class Loaded:
    """The volumes of one case; `estimates` holds plain interpolation where `low` is given."""

    reference: Volume
    estimates: Mapping[str, Volume]
    low: Volume | None
    mask: Volume | None
    labels: Volume | None


def load(case: CaseFiles) -> Loaded:
    """Read all files of a case.

    Raises:
        MedsrError: a file is missing, unreadable or refused.
    """
    loaded = Loaded(
        reference=formats.read(case.reference),
        estimates={name: formats.read(path) for name, path in case.estimates.items()},
        low=None if case.low is None else formats.read(case.low),
        mask=None if case.mask is None else formats.read(case.mask),
        labels=None if case.labels is None else formats.read(case.labels),
    )
    return with_interpolation(loaded)


def with_interpolation(loaded: Loaded) -> Loaded:
    """The same with linear and cubic interpolation among the estimates, where `low` is given.

    There is none where the grid of `low`, refined to the spacing of the first estimate, is not
    the reference's: the estimates have their numbers all the same.

    Raises:
        UsageError: an estimate has the name of an interpolation.
    """
    if loaded.low is None:
        return loaded
    taken = [name for name in loaded.estimates if name in BASELINES]
    if taken:
        raise UsageError(
            f"An estimate is called {taken[0]}, as the interpolation that medsr adds where the "
            "thick-slice scan is given. Give it another name."
        )
    first = next(iter(loaded.estimates.values()))
    try:
        plain = {
            "linear": interpolated(loaded.low, first, 1),
            "cubic": interpolated(loaded.low, first, 3),
        }
        common_box(loaded.reference.shape, [place(v, loaded.reference) for v in plain.values()])
    except Refused:
        return loaded
    return replace(loaded, estimates={**loaded.estimates, **plain})


def evaluate_loaded(loaded: Loaded, segmenter: Segmenter | None = None) -> Evaluation:
    """The numbers of one case; with a segmenter, of its regions too."""
    return evaluate_pair(
        loaded.reference,
        loaded.estimates,
        loaded.mask,
        measured=None
        if loaded.low is None
        else measured_by(loaded.low, loaded.reference.modality),
        labels=loaded.labels,
        baselines=() if loaded.low is None else BASELINES,
        segmenter=segmenter,
    )


def measured_by(low: Volume, modality: Modality | None = None) -> Measured:
    """The low scan and its scanner, for the consistency of estimates with it.

    The slices have the thickness that an enhancement would use: the header's, unless the scan
    contradicts it.

    Args:
        low: the measured scan.
        modality: of a scan that does not say it; MR where nobody does.
    """
    known = replace(low, modality=low.modality or modality or Modality.MR)
    finest = [min(low.spacing_mm)] * 3
    chosen = choose_slice_profile(known, finest, Options())
    thickness = low.slice_thickness_mm if chosen.thickness_mm is None else chosen.thickness_mm
    scanner = replace(low, slice_thickness_mm=thickness)
    return Measured(
        volume=low,
        slice_axis=low.through_plane_axis,
        predict=lambda estimate: predicted_scan(scanner, estimate),
    )
