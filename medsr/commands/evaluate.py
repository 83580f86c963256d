"""`medsr evaluate`: an estimate against its reference, beside plain interpolation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from medsr.acquisition.acquisition import for_scan
from medsr.acquisition.resample import lift
from medsr.errors import OutputError, UsageError
from medsr.metrics.compare import evaluate_pair
from medsr.metrics.evaluation import Evaluation
from medsr.report.picture import compare_figure, save_picture
from medsr.volume import files, geometry
from medsr.volume.volume import Volume

__all__ = ["interpolated", "run"]


def run(
    reference: Path,
    estimate: Path,
    *,
    low: Path | None,
    mask: Path | None,
    output: Path | None,
    picture: Path | None,
) -> Evaluation:
    """Compare, and write the report and the picture where asked.

    Raises:
        MedsrError: see the tree in `medsr.errors`.
    """
    true = files.read(reference)
    estimates: dict[str, Volume] = {"estimate": files.read(estimate)}
    if low is not None:
        measured = files.read(low)
        for label, order in (("linear", 1), ("cubic", 3)):
            estimates[label] = interpolated(measured, estimates["estimate"], order)
    evaluation = evaluate_pair(true, estimates, None if mask is None else files.read(mask))
    if output is not None:
        _write_report(evaluation, output)
    if picture is not None:
        same = {k: v for k, v in estimates.items() if v.shape == true.shape and k != "linear"}
        if "estimate" not in same:
            raise UsageError("A picture needs an estimate on the whole grid of the reference.")
        labels: list[str] = [k for k in ("cubic", "estimate") if k in same]
        panels = {k: np.asarray(same[k].voxels) for k in labels}
        figure = compare_figure(panels, np.asarray(true.voxels), true.spacing_mm, true.unit)
        save_picture(figure, picture)
    return evaluation


def interpolated(low: Volume, like: Volume, order: int) -> Volume:
    """A scan interpolated by a B-spline to the spacing of another, outer corners shared."""
    acquisition = for_scan(low, like.spacing_mm)
    voxels = lift(torch.from_numpy(np.array(low.voxels)), acquisition, order=order)
    fine_mm = [axis.fine_mm for axis in acquisition.axes]
    affine, _ = geometry.refined_grid(low.affine, low.shape, fine_mm)
    return replace(low, voxels=voxels.numpy(), affine=affine)


def _write_report(evaluation: Evaluation, output: Path) -> None:
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        partial = output.with_name(f".{output.name}.partial")
        partial.write_text(json.dumps(evaluation.to_json(), indent=2) + "\n", encoding="utf-8")
        partial.replace(output)
    except OSError as fault:
        raise OutputError(f"{output.name}: cannot be written ({fault.strerror}).") from None
