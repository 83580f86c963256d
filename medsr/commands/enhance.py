"""`medsr enhance`: enhance one scan, NIfTI or DICOM, and write it with its record."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medsr.errors import OutputError, Refused, UsageError
from medsr.network.checkpoint import card_path
from medsr.network.device import use_threads
from medsr.remarks import Remark
from medsr.restore.enhancer import Enhancer, Models
from medsr.restore.guides import check_can_guide, plan_with
from medsr.restore.joined import check_can_join, run_joined
from medsr.restore.options import Options
from medsr.restore.plan import Plan
from medsr.restore.running import halves
from medsr.results.target import (
    Target,
    check_free,
    check_not_the_scan,
    format_of,
    used_sources,
    with_context,
)
from medsr.results.write import sidecar, write
from medsr.volume.anatomy import check_is_anatomy
from medsr.volume.dicom.read.series import DicomSeries
from medsr.volume.dicom.values import text
from medsr.volume.dicom.write.derive import check_belongs
from medsr.volume.formats import Scan, open_scan
from medsr.volume.recognise import with_modality
from medsr.volume.volume import Volume

__all__ = ["Done", "Request", "run"]


@dataclass(frozen=True)
class Request:
    """One call of `medsr enhance`.

    Attributes:
        source: a scan.
        output: a NIfTI file, or a folder for a DICOM series.
        options: what to do.
        stacks: further thick scans of the same person and contrast, to be joined.
        guides: other scans of the same person, of any contrast, at most three.
        registered: the stacks or guides lie as their headers say.
        series: which DICOM series of the source, by UID, number or description.
        template: a DICOM series whose patient and study a NIfTI scan takes over.
        report: HTML page to write.
        save_model: where the adapted model is written, `NAME.safetensors`; nothing is where the
            adaptation was not kept.
        device: auto, cpu, cuda[:N] or mps.
        threads: CPU threads; 0 for all.
        dry_run: decide and write nothing.
        overwrite: replace an output that is there.
    """

    source: Path
    output: Path
    options: Options
    stacks: tuple[Path, ...] = ()
    guides: tuple[Path, ...] = ()
    registered: bool = False
    series: str | None = None
    template: Path | None = None
    report: Path | None = None
    save_model: Path | None = None
    device: str = "auto"
    threads: int = 0
    dry_run: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.guides and self.stacks:
            raise UsageError("Joined scans take no guides: give either --stack or --guide.")
        if self.save_model is None:
            return
        if self.options.adapt_s is None:
            raise UsageError("--save-model keeps an adapted model: give --adapt SECONDS as well.")
        if self.save_model.suffix != ".safetensors":
            raise UsageError(
                f"{self.save_model.name}: a model is a .safetensors file. Give --save-model "
                f"{self.save_model.stem}.safetensors."
            )
        there = [p for p in (self.save_model, card_path(self.save_model)) if p.exists()]
        if there and not (self.overwrite or self.dry_run):
            raise OutputError(
                f"{there[0].name}: exists already. Use --overwrite to replace it, or another name."
            )


@dataclass(frozen=True)
class Done:
    """What became of a request.

    Attributes:
        facts: what the sidecar records, and the `Seconds` that it took.
        remarks: for the reader, in order.
    """

    facts: dict[str, Any]
    remarks: tuple[Remark, ...]


def run(
    request: Request,
    progress: Callable[[float], None] | None = None,
    models: Models | None = None,
) -> Done:
    """Enhance and write.

    Args:
        request: what to do.
        progress: called with the share of the work that is done, 0 to 1.
        models: already loaded; a node keeps them from series to series.

    Raises:
        MedsrError: see the tree in `medsr.errors`.
    """
    began, options = time.monotonic(), request.options
    check_not_the_scan(request.source, request.output)
    check_can_join(options, len(request.stacks))
    target = Target(
        request.output,
        format_of(request.output, options),
        multi_frame=options.multi_frame,
        page=request.report,
    )
    if not request.dry_run:
        check_free(target, overwrite=request.overwrite)
    use_threads(request.threads)
    with open_scan(request.source, series=request.series) as scan:
        target = with_context(target, scan, request.template)
        scan = _of_the_templates_modality(scan, target)
        check_is_anatomy(scan.volume.kind, scan.volume.name)
        volume = with_modality(scan.volume, options.modality)
        enhancer = (models or Models(request.device)).of_scan(volume, options)
        check_can_guide(enhancer.card, options, len(request.guides))
        if target.source is not None:
            check_belongs(volume, target.source)
        further = [_further(path, scan) for path in (*request.stacks, *request.guides)]
        plans = _plans(volume, further, enhancer, request)
        if request.dry_run:
            return Done(enhancer.record(plans[0]).to_json(), plans[0].remarks)
        if options.adapt_s is not None:
            first, progress = halves(progress)
            enhancer = enhancer.adapted(plans, options.adapt_s, first)
        enhanced = run_joined(enhancer, plans, progress, registered=request.registered)
        target = replace(target, further=used_sources(further, enhanced.record))
        write(target, enhanced)
        if request.save_model is not None and enhanced.record.is_adapted:
            enhancer.save(request.save_model)
    seconds = round(time.monotonic() - began, 2)
    return Done({**sidecar(target, enhanced), "Seconds": seconds}, enhanced.remarks)


def check_same_patient(series: DicomSeries, first: DicomSeries) -> None:
    """Refuse two scans whose headers name two patients; the names themselves are not said.

    Raises:
        Refused: they do.
    """
    one, other = (text(s.files[0], "PatientID") for s in (series, first))
    if one and other and one != other:
        raise Refused(
            f"{series.name} and {first.name} are of different patients by their headers, so they "
            "are not used together. Leave out the second, or correct the headers."
        )


def _further(path: Path, first: Scan) -> Scan:
    """A further scan of the same person."""
    with open_scan(path) as scan:
        if first.series is not None and scan.series is not None:
            check_same_patient(scan.series, first.series)
        return scan


def _plans(
    volume: Volume, further: Sequence[Scan], enhancer: Enhancer, request: Request
) -> list[Plan]:
    """The plan of the scan with its guides, and those of its stacks."""
    options = request.options
    plan, others = enhancer.plan(volume, options), [scan.volume for scan in further]
    if request.guides:
        return [plan_with(plan, others, enhancer.card, registered=request.registered)]
    stacks = [with_modality(stack, options.modality) for stack in others]
    return [plan, *(enhancer.plan(stack, options) for stack in stacks)]


def _of_the_templates_modality(scan: Scan, target: Target) -> Scan:
    """A NIfTI scan of unknown modality is what the series is that it was made from."""
    if scan.volume.modality is not None or target.source is None:
        return scan
    return replace(scan, volume=scan.volume.of_modality(target.source.modality))
