"""The HTML pages that `medsr evaluate` writes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from medsr.evaluation.case import Loaded
from medsr.evaluation.evaluation import Evaluation
from medsr.evaluation.group import Group
from medsr.evaluation.pairing import CaseFiles
from medsr.remarks import Remark
from medsr.report.enhanced_page import versions
from medsr.report.group_page import group_page
from medsr.report.methods import enhancement_words, evaluation_words, provenance_of
from medsr.report.numbers import region_table, score_table, tissue_table
from medsr.report.page import PageText, scan_page
from medsr.report.scans import ScanImages
from medsr.volume import formats
from medsr.volume.placement import Box, place
from medsr.volume.sidecar import read_sidecar
from medsr.volume.volume import Volume

__all__ = ["case_page", "case_page_path", "group_report"]


def case_page(case: CaseFiles, loaded: Loaded, evaluation: Evaluation) -> str:
    """The page of one evaluated case: the first estimate, the scan before, the reference.

    It shows the voxels that were compared.

    Raises:
        Refused: nothing is to be seen in them.
    """
    name = next(iter(case.estimates))
    sidecar: dict[str, Any] = {}
    if formats.is_nifti(case.estimates[name]):
        sidecar = read_sidecar(case.estimates[name])
    before = loaded.estimates.get("cubic")
    scans = ScanImages(
        after=_compared(loaded.estimates[name], loaded.reference, evaluation.box),
        before=None if before is None else _compared(before, loaded.reference, evaluation.box),
        reference=_compared(loaded.reference, loaded.reference, evaluation.box),
        slice_axis=evaluation.ruler.slice_axis,
    )
    digests = {"reference": loaded.reference} | {k: loaded.estimates[k] for k in case.estimates}
    provenance = [*provenance_of(sidecar), *versions()]
    provenance += [(f"SHA-256 of {role}", volume.digest) for role, volume in digests.items()]
    tables = (score_table(evaluation), region_table(evaluation), tissue_table(evaluation))
    return scan_page(
        scans,
        PageText(
            title=f"Evaluation of {case.name}",
            warnings=[*_remarks(sidecar), *evaluation.warnings],
            tables=[t for t in tables if t],
            facts=evaluation.facts(),
            provenance=provenance,
            methods=_methods(sidecar, evaluation),
        ),
    )


def group_report(group: Group, path: Path, pages: Collection[str], remarks: Sequence[str]) -> str:
    """The page of a group, with links to the pages of its cases.

    Args:
        group: the cases.
        path: where the page will stand.
        pages: the cases that have a page of their own.
        remarks: what went wrong; shown first.
    """
    links = {name: f"{_folder(path).name}/{_file_name(name)}" for name in pages}
    return group_page(group, f"Evaluation of {len(group.cases)} cases", links, remarks)


def case_page_path(report: Path, case: str) -> Path:
    """Where the page of a case stands: in a folder beside the group's page."""
    return _folder(report) / _file_name(case)


def _compared(volume: Volume, reference: Volume, box: Box) -> Volume:
    """The compared part of a scan, on the reference's axes."""
    affine = reference.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [start for start, _ in box]
    voxels = place(volume, reference).cut(box)
    return replace(volume, voxels=voxels, affine=affine, padding=None)


def _remarks(sidecar: Mapping[str, Any]) -> list[str]:
    """What medsr remarked on the first estimate when it made it, in its order."""
    found = sidecar.get("Remarks") if "ModelSHA256" in sidecar else None
    return [str(Remark.from_json(r)) for r in found] if isinstance(found, list) else []


def _methods(sidecar: Mapping[str, Any], evaluation: Evaluation) -> str:
    made = "Model" in sidecar and "Steps" in sidecar and "ModelSHA256" in sidecar
    return (f"{enhancement_words(sidecar)} " if made else "") + evaluation_words(evaluation)


def _folder(report: Path) -> Path:
    return report.with_name(f"{report.stem}_cases")


def _file_name(case: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", case) + ".html"
