"""`medsr enhance`: one scan in, its enhanced version and a sidecar out; NIfTI or DICOM."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from medsr.errors import OutputError, Refused
from medsr.network.bundled import model_for, model_path
from medsr.network.checkpoint import weights_digest
from medsr.restore.enhancer import Enhancer, Options, modality_of
from medsr.restore.record import facts_of, result_facts
from medsr.results import target as output
from medsr.results.target import Format
from medsr.volume import formats
from medsr.volume.atomic import write_text
from medsr.volume.dicom.write.derive import check_belongs
from medsr.volume.volume import Modality

__all__ = ["Request", "run"]


@dataclass(frozen=True)
class Request:
    """One call of `medsr enhance`.

    Attributes:
        source: a scan.
        output: a NIfTI file, or a folder for a DICOM series.
        options: what to do.
        model, modality, series_uid, device, threads: as the command line names them.
        format: "nifti" or "dicom"; None when the output's name says it.
        template: a DICOM series that lends patient and study to a NIfTI scan.
        multi_frame: one enhanced multi-frame file rather than one file a slice.
        dry_run, overwrite: as the command line names them.
    """

    source: Path
    output: Path
    options: Options
    model: str | None = None
    modality: Modality | None = None
    series_uid: str | None = None
    device: str = "auto"
    threads: int = 0
    format: Format | None = None
    template: Path | None = None
    multi_frame: bool = False
    dry_run: bool = False
    overwrite: bool = False
    report: Path | None = None


def run(request: Request, progress: Callable[[float], None] | None = None) -> dict[str, Any]:
    """Enhance and write; returns what the sidecar records.

    Raises:
        MedsrError: see the tree in `medsr.errors`.
    """
    began = time.monotonic()
    target = output.target_for(
        request.source,
        request.output,
        request.format,
        template=request.template,
        series_uid=request.series_uid,
        multi_frame=request.multi_frame,
    )
    if not request.dry_run:
        output.check_free(target, overwrite=request.overwrite)
        _check_report(request)
    if request.threads:
        torch.set_num_threads(request.threads)
    volume = formats.read(request.source, series_uid=request.series_uid)
    of_source = None if target.source is None else target.source.modality
    known = volume.modality or of_source
    if known and request.modality and known != request.modality:
        raise Refused(
            f"{volume.name}: is {known} by its header, which --modality contradicts. Leave out "
            "--modality, or correct the header if it is wrong."
        )
    modality, remark = modality_of(volume, request.modality or known)
    volume = replace(volume, modality=modality, unit="HU" if modality == "CT" else volume.unit)
    if target.source is not None:
        check_belongs(volume, target.source)
    name = request.model or model_for(modality)
    enhancer = Enhancer.from_pretrained(name, device=request.device)
    plan = enhancer.plan(volume, request.options)
    facts = facts_of(
        enhancer,
        plan,
        request.options,
        model_digest=weights_digest(model_path(name)),
        input_digest=formats.digest(request.source),
    )
    facts["Remarks"] = [r for r in (remark, *plan.remarks) if r]
    if request.dry_run:
        return facts
    result = enhancer.run(plan, request.options, progress)
    facts |= result_facts(plan, result)
    facts["Remarks"] = [r for r in (remark, *facts["Remarks"]) if r]
    facts["Seconds"] = round(time.monotonic() - began, 2)
    output.write(target, volume, result, facts)
    if request.report is not None:
        from medsr.report.enhanced_page import enhanced_page  # matplotlib: a second, for who asks

        page = enhanced_page(plan.volume, result.volume, result.spread, facts)
        write_text(page, request.report)
    return facts


def _check_report(request: Request) -> None:
    """No page is replaced that the user did not give up."""
    path = request.report
    if path is not None and path.exists() and not request.overwrite:
        raise OutputError(f"{path.name}: exists already; give --overwrite to replace it.")
