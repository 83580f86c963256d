"""The report of one enhancement: the scan before and after, and the settings."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version

from medsr.acquisition.simulate import interpolated, predicted_scan
from medsr.errors import Refused
from medsr.evaluation.evaluation import cell
from medsr.evaluation.scores import Score
from medsr.metrics import consistency
from medsr.metrics.registry import ALL_METRICS, BETTER_WORDS
from medsr.report.methods import enhancement_words, provenance_of
from medsr.report.numbers import Line, Table
from medsr.report.page import PageText, scan_page
from medsr.report.scans import ScanImages
from medsr.restore.enhancer import Enhanced
from medsr.version import __version__
from medsr.volume.modality import air_value
from medsr.volume.volume import Volume

__all__ = ["enhanced_page", "versions"]


def enhanced_page(enhanced: Enhanced) -> str:
    """The page of one enhancement: before, after, the maps where there are some."""
    measured, result, facts = enhanced.measured, enhanced.volume, enhanced.record.to_json()
    before = interpolated(measured, result, 3)
    return scan_page(
        ScanImages(
            after=result,
            before=before,
            std=enhanced.std,
            half_width=enhanced.half_width,
            null_space_map=enhanced.null_space_map,
            slice_axis=measured.through_plane_axis,
        ),
        PageText(
            title="Enhanced scan",
            warnings=[str(remark) for remark in enhanced.remarks],
            tables=[
                _consistency_table(scanner_of(enhanced), {"before": before, "enhanced": result})
            ],
            provenance=[*provenance_of(facts), *versions()],
            methods=enhancement_words(facts),
        ),
    )


def scanner_of(enhanced: Enhanced) -> Volume:
    """The measured scan with the slice thickness that data consistency used."""
    findings = enhanced.record.findings
    if findings is None:
        return enhanced.measured
    return replace(enhanced.measured, slice_thickness_mm=findings.consistency_thickness_mm)


def _consistency_table(measured: Volume, images: Mapping[str, Volume]) -> Table:
    """The one number that needs no reference."""
    floor = air_value(measured.modality)
    cells = []
    for volume in images.values():
        try:
            predicted = predicted_scan(measured, volume)
            value = consistency.residual(measured.voxels - floor, predicted - floor)
            cells.append(cell(Score("consistency", value)))
        except Refused:
            cells.append("-")
    metric = ALL_METRICS["consistency"]
    line = Line(metric.title, BETTER_WORDS["lower"], metric.definition, tuple(cells))
    words = [
        "There is no reference scan, so this page cannot show whether the restored "
        "detail is correct."
    ]
    return Table("Numbers", tuple(images), (line,), words)


def versions() -> list[tuple[str, str]]:
    """The versions that a page was made with: (name, value) pairs."""
    return [
        ("Page written by", f"medsr {__version__}"),
        ("Python", platform.python_version()),
        ("numpy, torch", f"{version('numpy')}, {version('torch')}"),
    ]
