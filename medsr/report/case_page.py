"""The HTML pages that `medsr evaluate` writes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from medsr.errors import Refused
from medsr.evaluation.case import Loaded
from medsr.evaluation.evaluation import Evaluation
from medsr.evaluation.group import Group
from medsr.evaluation.pairing import CaseFiles
from medsr.report.enhanced_page import versions
from medsr.report.group_page import group_page
from medsr.report.methods import enhancement_words, evaluation_words, provenance_of
from medsr.report.numbers import score_table, tissue_table
from medsr.report.page import PageText, ScanImages, scan_page
from medsr.volume import formats
from medsr.volume.placement import common_box, place
from medsr.volume.sidecar import read_sidecar
from medsr.volume.volume import Volume

__all__ = ["case_page", "case_page_path", "group_report"]


def case_page(case: CaseFiles, loaded: Loaded, evaluation: Evaluation) -> str:
    """The page of one evaluated case: the first estimate, the scan before, the reference.

    Raises:
        Refused: the estimate does not cover the whole grid of the reference.
    """
    name = next(iter(case.estimates))
    sidecar: dict[str, Any] = {}
    if formats.is_nifti(case.estimates[name]):
        sidecar = read_sidecar(case.estimates[name])
    before = loaded.estimates.get("cubic")
    scans = ScanImages(
        after=_on_grid(loaded.estimates[name], loaded.reference),
        before=None if before is None else _on_grid(before, loaded.reference),
        reference=loaded.reference,
    )
    digests = {"reference": loaded.reference} | {k: loaded.estimates[k] for k in case.estimates}
    provenance = [*provenance_of(sidecar), *versions()]
    provenance += [(f"SHA-256 of {role}", volume.digest) for role, volume in digests.items()]
    return scan_page(
        scans,
        PageText(
            title=f"Evaluation of {case.name}",
            warnings=evaluation.warnings,
            tables=[t for t in (score_table(evaluation), tissue_table(evaluation)) if t],
            facts=evaluation.facts(),
            provenance=provenance,
            methods=_methods(sidecar, evaluation),
        ),
    )


def group_report(group: Group, path: Path, remarks: Sequence[str]) -> str:
    """The page of a group, with links to the pages of its cases."""
    links = {c.name: f"{_folder(path).name}/{_file_name(c.name)}" for c in group.cases}
    return group_page(group, f"Evaluation of {len(group.cases)} cases", links, remarks)


def case_page_path(report: Path, case: str) -> Path:
    """Where the page of a case stands: in a folder beside the group's page."""
    return _folder(report) / _file_name(case)


def _on_grid(volume: Volume, reference: Volume) -> Volume:
    """A scan on the reference's grid and axes, exactly."""
    placed = place(volume, reference)
    box = common_box(reference.shape, [placed])
    if box != tuple((0, n) for n in reference.shape):
        raise Refused(
            f"{volume.name} covers only a part of {reference.name}; a report shows whole "
            "scans. Leave out --report, or crop the reference to the same part."
        )
    return replace(volume, voxels=placed.cut(box), affine=reference.affine)


def _methods(sidecar: Mapping[str, Any], evaluation: Evaluation) -> str:
    made = "Model" in sidecar and "Steps" in sidecar and "ModelSHA256" in sidecar
    return (f"{enhancement_words(sidecar)} " if made else "") + evaluation_words(evaluation)


def _folder(report: Path) -> Path:
    return report.with_name(f"{report.stem}_cases")


def _file_name(case: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", case) + ".html"
