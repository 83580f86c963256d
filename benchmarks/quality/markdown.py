"""Measured rows -> Markdown. Every number of the tables comes from a row; none is typed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from benchmarks.quality.conditions import CONDITIONS
from benchmarks.quality.scoring import decibels, drawn_means, percentiles

__all__ = ["NOTES", "full_table", "numbers", "summary"]

Row = dict[str, Any]

#: What the columns are, once a page.
NOTES = """\
Slice thickness equals slice spacing, with a Gaussian profile, unless a heading says otherwise; the
noise is half of the maximum that the model was trained with. PSNR, SSIM 3-D and GMSD are computed
over the foreground; the range is the reference's 99.9th percentile (CT: above -1024 HU); GMSD is
computed in the planes across the first axis, which contain the coarse axis. In brackets: 95 %
percentile bootstrap over blocks of 8 such planes, within this one volume; differences from cubic
are drawn in pairs. Sharpness: energy above half of the Nyquist frequency along the coarse axis,
relative to the reference. CPU s: processor seconds of one call on one thread. MB: maximal growth
of the process during the call (ECLARE: peak of its process, without its data loaders).
"""

#: The method that the others are compared with.
BASE = "cubic"


def _cell(values: np.ndarray, digits: int, *, signed: bool = False) -> str:
    """A number with its interval: 26.80 (26.11 to 27.42)."""
    sign = "+" if signed else ""
    value, low, high = (f"{v:{sign}.{digits}f}" for v in percentiles(values))
    return f"{value} ({low} to {high})"


def _draws(row: Row, metric: str) -> np.ndarray:
    values = drawn_means(np.array(row["blocks"][metric]))
    return decibels(values) if metric == "mse" else values


def _by_condition(rows: Sequence[Row], person: str) -> Iterable[tuple[str, dict[str, Row]]]:
    for name in CONDITIONS:
        found = {r["method"]: r for r in rows if r["person"] == person and r["condition"] == name}
        if found:
            yield name, found


def _people(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(r["person"] for r in rows))


def _methods(rows: Sequence[Row]) -> list[str]:
    ranked = sorted(rows, key=lambda r: r["rank"])
    return list(dict.fromkeys(r["method"] for r in ranked))


def summary(rows: Sequence[Row]) -> str:
    """Methods against conditions: PSNR of cubic, and dB over it of the others."""
    lines = []
    for person in _people(rows):
        found = dict(_by_condition(rows, person))
        words = [CONDITIONS[name].words for name in found]
        lines += ["", f"**{person}**, PSNR in dB over cubic (cubic: PSNR)", ""]
        lines += ["| method | " + " | ".join(words) + " |", "|---" * (len(words) + 1) + "|"]
        for method in _methods(rows):
            cells = [_over_cubic(of_condition, method) for of_condition in found.values()]
            if any(cells):
                lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines[1:]) + "\n"


def _over_cubic(found: dict[str, Row], method: str) -> str:
    if method not in found or "blocks" not in found[method] or BASE not in found:
        return ""
    value = float(_draws(found[method], "mse")[0])
    if method == BASE:
        return f"{value:.2f}"
    return f"{value - float(_draws(found[BASE], 'mse')[0]):+.2f}"


def numbers(rows: Sequence[Row]) -> dict[str, Any]:
    """The numbers for a program: person -> condition -> method -> numbers."""
    found: dict[str, Any] = {}
    for row in rows:
        if "blocks" in row:
            of_condition = found.setdefault(row["person"], {}).setdefault(row["condition"], {})
            of_condition[row["method"]] = {
                "psnr_db": round(float(_draws(row, "mse")[0]), 2),
                "ssim_3d": round(float(_draws(row, "ssim")[0]), 4),
                "gmsd": round(float(_draws(row, "gmsd")[0]), 4),
                "sharpness": round(row["sharpness"], 2),
            }
    return found


HEAD = (
    "| method | PSNR dB | over cubic, dB | SSIM 3-D | GMSD | sharpness | CPU s | MB |\n"
    "|---|---|---|---|---|---|---|---|"
)


def full_table(rows: Sequence[Row]) -> str:
    """Every number of every row, by person and condition, with remarks below each table."""
    lines: list[str] = []
    for person in _people(rows):
        for name, found in _by_condition(rows, person):
            lines += ["", f"## {person}: {CONDITIONS[name].words}", "", HEAD]
            present = [m for m in _methods(rows) if m in found]
            lines += [_line(found[m], found.get(BASE)) for m in present]
            remarks = [f"- {m}: {found[m]['remark']}." for m in present if found[m]["remark"]]
            lines += ["", *remarks] if remarks else []
    return "\n".join(lines[1:]) + "\n"


def _line(row: Row, base: Row | None) -> str:
    if "blocks" not in row:
        return f"| {row['method']} | not measured | | | | | | |"
    psnr = _draws(row, "mse")
    over = "" if base is None or row is base else _cell(psnr - _draws(base, "mse"), 2, signed=True)
    memory = "" if row["megabytes"] is None else f"{row['megabytes']:.0f}"
    cells = [
        row["method"],
        _cell(psnr, 2),
        over,
        _cell(_draws(row, "ssim"), 4),
        _cell(_draws(row, "gmsd"), 4),
        f"{row['sharpness']:.2f}",
        f"{row['seconds']:.1f}",
        memory,
    ]
    return "| " + " | ".join(cells) + " |"
