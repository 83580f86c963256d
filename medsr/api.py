"""Functions for notebooks: the commands of medsr on volumes in memory."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medsr.commands.degrade import Request, degraded
from medsr.commands.models import run as list_models
from medsr.errors import MedsrWarning, UsageError
from medsr.evaluation.case import Loaded, evaluate_loaded, with_interpolation
from medsr.evaluation.evaluation import Evaluation
from medsr.network.checkpoint import ModelCard
from medsr.regions.reader import read_segmenter
from medsr.volume.convert import as_volume
from medsr.volume.volume import Volume

__all__ = ["degrade", "evaluate", "models"]


def degrade(scan: Any, slice_spacing_mm: float, **settings: Any) -> Volume:
    """Simulate a thick-slice scan from a fine one.

    Args:
        scan: a path, a `Volume`, or an image of another library; see `Enhancer.enhance`.
        slice_spacing_mm: distance between the slices to make.
        settings: `slice_thickness_mm`, `in_plane`, `noise`, `profile`, `axis`, `seed` and
            `modality`, as in `medsr degrade --help`.

    Raises:
        UsageError: an unknown setting, or slices thinner than the scan's.

    Example:
        >>> thick = degrade("fine.nii.gz", 4.0, profile="box")  # doctest: +SKIP
    """
    try:
        request = Request(slice_spacing_mm, **settings)
    except TypeError as fault:
        raise UsageError(f"degrade: {fault}.") from None
    low, remarks = degraded(as_volume(scan), request)
    for remark in remarks:
        if remark.is_python_warning:
            warnings.warn(remark.text, MedsrWarning, stacklevel=2)
    return low


def evaluate(
    reference: Any,
    estimates: Mapping[str, Any] | Any,
    *,
    low: Any = None,
    mask: Any = None,
    labels: Any = None,
    segmenter: str | Path | None = None,
) -> Evaluation:
    """Compare enhanced scans with their reference.

    Args:
        reference: the fine scan; a path, a `Volume`, or an image of another library.
        estimates: one estimate, or name -> estimate.
        low: the measured thick-slice scan; adds interpolation as a baseline, and data
            consistency.
        mask: voxels to compare; the reference's foreground when None.
        labels: label map of the reference: adds tissue overlap and volumes.
        segmenter: folder of a segmentation network: adds volumes and overlap of its regions.

    Returns:
        The metrics with their definitions; print them with `evaluation.to_text()`.

    Raises:
        Refused: the grids do not match.

    Example:
        >>> evaluate("fine.nii.gz", enhanced.volume, low="thick.nii.gz")  # doctest: +SKIP
    """
    named = estimates if isinstance(estimates, Mapping) else {"estimate": estimates}
    loaded = Loaded(
        reference=as_volume(reference),
        estimates={name: as_volume(scan) for name, scan in named.items()},
        low=None if low is None else as_volume(low),
        mask=None if mask is None else as_volume(mask),
        labels=None if labels is None else as_volume(labels),
    )
    network = None if segmenter is None else read_segmenter(segmenter)
    return evaluate_loaded(with_interpolation(loaded), network)


def models(folder: str | Path | None = None) -> list[ModelCard]:
    """The cards of the bundled models, and of those in a folder.

    Example:
        >>> [card.name for card in models()]
        ['ct-body', 'mr-head']
    """
    return list_models(None if folder is None else Path(folder))
