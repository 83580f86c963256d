"""One self-contained HTML page of a scan.

Nothing is loaded from anywhere: styles, scripts, volumes and the viewer (NiiVue, BSD-2-Clause,
`vendor/`) are inside the file, and a content security policy forbids the rest. The page carries no
name, identifier or date of a patient: only voxels, numbers and what was run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from medsr.metrics import foreground
from medsr.report.colours import SOLID_FROM, viewer_colours
from medsr.report.curves import curves_of
from medsr.report.embed import embed, pack
from medsr.report.numbers import Table
from medsr.report.scans import TITLES, Map, ScanImages, maps_of, telling_plane
from medsr.report.stills import Still, bar_picture, stills_of
from medsr.version import __version__
from medsr.volume.modality import Modality
from medsr.volume.volume import Volume

__all__ = ["PageText", "render", "scan_page"]

HERE = Path(__file__).parent

#: Characters for the viewer, pictures, curves and volumes; the rest of a page is under 0.3 MB.
PAGE_CHARACTERS = 9_600_000

#: The usual window of the trunk: level 40, width 400.
SOFT_TISSUE_HU = (-160.0, 240.0)

#: Scripts of the viewer, in the order in which they need each other.
SCRIPTS = ("volumes.js", "stage.js", "picture.js", "controls.js")


@dataclass(frozen=True)
class PageText:
    """The texts of a page.

    Attributes:
        title: of the page; no patient's name.
        warnings: sentences that come first.
        tables: numbers with their definitions.
        facts: sentences on how they were made.
        provenance: what was run: (name, value) pairs.
        methods: a paragraph to paste.
    """

    title: str
    warnings: Sequence[str] = ()
    tables: Sequence[Table] = ()
    facts: Sequence[str] = ()
    provenance: Sequence[tuple[str, str]] = ()
    methods: str = ""


def scan_page(scans: ScanImages, text: PageText) -> str:
    """The HTML of one scan.

    Args:
        scans: what to show.
        text: the texts of the page.

    Raises:
        Refused: the scan is empty.
    """
    main = scans.reference or scans.after
    modality = main.modality or Modality.MR
    mask = foreground.foreground_mask(main.voxels, modality=modality)
    window = _window(main, mask)
    maps = list(maps_of(scans, window, mask))
    stills = _stills(scans, maps, mask, window)
    curves = curves_of(scans.images, mask, _centre(mask))
    taken = sum(len(picture) for still in stills for _, picture, _, _ in still.planes)
    taken += sum(len(curve.svg) for curve in curves) + len(_niivue())
    packed = embed(
        {role: np.asarray(v.voxels) for role, v in scans.images.items()},
        {m.key: m.values for m in maps if not m.made_of},
        main.affine,
        mask,
        modality,
        PAGE_CHARACTERS - taken,
    )
    return render(
        "scan.html",
        title=text.title,
        warnings=text.warnings,
        text=text,
        stills=stills,
        curves=curves,
        volumes=packed.packed,
        averaged=packed.averaged,
        levels=packed.levels,
        settings=_settings(scans, maps, window),
        scripts=[_template(name) for name in SCRIPTS],
        niivue=_niivue(),
        notices=(HERE / "vendor" / "LICENSE.niivue.txt").read_text(encoding="utf-8"),
    )


def render(template: str, **content: Any) -> str:
    """A template of `templates/` filled in; all text is escaped."""
    loader = jinja2.FileSystemLoader(HERE / "templates")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(
        version=__version__, style=_template("page.css"), **content
    )


def _template(name: str) -> str:
    return (HERE / "templates" / name).read_text(encoding="utf-8")


def _stills(
    scans: ScanImages,
    maps: Sequence[Map],
    mask: NDArray[np.bool_],
    window: tuple[float, float],
) -> list[Still]:
    """Every image, then every map, through the middle of the anatomy."""
    main, centre = scans.after, _centre(mask)
    shown = [
        stills_of(np.asarray(v.voxels), main.affine, centre, window, TITLES[role], main.unit)
        for role, v in scans.images.items()
    ]
    for number, guide in enumerate(scans.guides, start=1):
        values, title = np.asarray(guide.voxels), f"Guide {number}, registered"
        own = _window(replace(guide, modality=None), mask)
        shown.append(stills_of(values, main.affine, centre, own, title, ""))
    return shown + [
        stills_of(m.values, main.affine, centre, (m.low, m.top), m.title, main.unit, m.colours)
        for m in maps
    ]


def _settings(
    scans: ScanImages, maps: Sequence[Map], window: tuple[float, float]
) -> dict[str, Any]:
    """What the viewer's scripts need to know."""
    return {
        "titles": {role: TITLES[role] for role in scans.images},
        "maps": {
            m.key: {
                "title": m.title,
                "words": m.words,
                "signed": m.signed,
                "ramp": bar_picture(m.colours),
                "range": (m.low, m.top),
                "madeOf": m.made_of,
            }
            for m in maps
        },
        "unit": scans.after.unit,
        "window": window,
        "presets": _presets(window, (scans.reference or scans.after).modality or "MR"),
        "left": "before" if scans.before is not None else "reference",
        "plane": telling_plane(scans),
        "colours": viewer_colours(),
        "solidFrom": SOLID_FROM,
        "version": __version__,
    }


def _window(main: Volume, mask: NDArray[np.bool_]) -> tuple[float, float]:
    """What is shown darkest and brightest: soft tissue in CT, nearly all of the anatomy in MR."""
    if main.modality == "CT":
        return SOFT_TISSUE_HU
    low, high = (float(v) for v in np.percentile(main.voxels[mask], [0.5, 99.7]))
    return min(low, 0.0), max(high, low + 1e-6)


def _presets(window: tuple[float, float], modality: str) -> list[tuple[str, float, float]]:
    """Contrasts to choose from: name, darkest, brightest."""
    if modality == "CT":
        return [
            ("Soft tissue (40, 400 HU)", *SOFT_TISSUE_HU),
            ("Brain (40, 80 HU)", 0, 80),
            ("Lung (-600, 1500 HU)", -1350, 150),
            ("Bone (500, 2000 HU)", -500, 1500),
            ("All", -1024, 1500),
        ]
    low, high = window
    span = high - low
    return [
        ("Standard", low, high),
        ("Bright", low, low + 0.6 * span),
        ("Narrow", low + 0.25 * span, low + 0.75 * span),
        ("Wide", low, low + 1.5 * span),
    ]


def _centre(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    return np.asarray(np.rint([indices.mean() for indices in np.nonzero(mask)]), dtype=np.intp)


@cache
def _niivue() -> str:
    return pack((HERE / "vendor" / "niivue.umd.js").read_bytes())
