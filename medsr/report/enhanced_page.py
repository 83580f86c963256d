"""The report of one enhancement: the scan before and after, and the settings."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
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
from medsr.restore.guide_used import GuideUsed
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
            guides=enhanced.guides,
            slice_axis=measured.through_plane_axis,
        ),
        PageText(
            title="Enhanced scan",
            warnings=[str(remark) for remark in enhanced.remarks],
            tables=[
                _consistency_table(scanner_of(enhanced), {"before": before, "enhanced": result}),
                *([_guide_table(enhanced.record.guides)] if enhanced.record.guides else []),
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


def _guide_table(guides: Sequence[GuideUsed]) -> Table:
    """How each guide was registered, and what it is worth."""
    columns = [
        ("Rotation, degrees", "by which it had turned against the scan", "{:.1f}"),
        ("Shift, mm", "by which it had moved, at the middle of the scan", "{:.1f}"),
        (
            "Mutual information before",
            "normalised, with the scan, by the headers: 1 to 2",
            "{:.3f}",
        ),
        ("Mutual information after", "the same after registration", "{:.3f}"),
        ("Overlap", "share of the scan's anatomy that it covers", "{:.2f}"),
        ("Gain on the scan's own slices, dB", "with the guide over without", "{:+.2f}"),
    ]
    values = [(g.angle_deg, g.shift_mm, g.before, g.after, g.overlap, g.gain_db) for g in guides]
    lines = [
        Line(
            title,
            "",
            definition,
            tuple("-" if row[k] is None else form.format(row[k]) for row in values),
        )
        for k, (title, definition, form) in enumerate(columns)
    ]
    lines.append(Line("Used", "", "", tuple("yes" if g.used else "no" for g in guides)))
    names = tuple(f"guide {number}" for number in range(1, len(guides) + 1))
    return Table("Guides", names, tuple(lines), [])


def versions() -> list[tuple[str, str]]:
    """The versions that a page was made with: (name, value) pairs."""
    return [
        ("Page written by", f"medsr {__version__}"),
        ("Python", platform.python_version()),
        ("numpy, torch", f"{version('numpy')}, {version('torch')}"),
    ]
