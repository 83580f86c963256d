"""One self-contained HTML page of a scan.

Nothing is loaded from anywhere: styles, scripts, volumes and the viewer (NiiVue, BSD-2-Clause,
`vendor/`) are inside the file, and a content security policy forbids the rest. The page carries no
name, identifier or date of a patient: only voxels, numbers and what was run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from medsr.errors import UsageError
from medsr.metrics import foreground
from medsr.report.curves import curves_of
from medsr.report.embed import embed, pack
from medsr.report.numbers import Table
from medsr.report.stills import DIFFERENCE, SPREAD, Still, colour_stops, stills_of
from medsr.version import __version__
from medsr.volume.modality import Modality
from medsr.volume.volume import Volume

__all__ = ["PageText", "ScanImages", "render", "scan_page"]

HERE = Path(__file__).parent

#: Differences are shown up to this share of the window of the images.
DIFFERENCE_SHARE = 0.25

#: Characters for the viewer, pictures, curves and volumes; the rest of a page is under 0.3 MB.
PAGE_CHARACTERS = 9_600_000

#: The usual window of the trunk: level 40, width 400.
SOFT_TISSUE_HU = (-160.0, 240.0)

TITLES = {"before": "Before", "after": "Enhanced", "reference": "Reference"}


@dataclass(frozen=True, eq=False)
class ScanImages:
    """What a page shows, all on one grid.

    Attributes:
        after: the enhanced scan.
        before: the measured scan, interpolated to that grid.
        reference: what it should look like.
        std: standard deviation of the samples, in the scan's unit.

    Raises:
        UsageError: the grids differ, or there is neither a scan before nor a reference.
    """

    after: Volume
    before: Volume | None = None
    reference: Volume | None = None
    std: Volume | None = None

    def __post_init__(self) -> None:
        others = [v for v in (self.before, self.reference, self.std) if v is not None]
        if self.before is None and self.reference is None:
            raise UsageError("A report needs the scan before enhancement, a reference, or both.")
        for volume in others:
            same = volume.shape == self.after.shape
            if not (same and np.allclose(volume.affine, self.after.affine, atol=1e-3)):
                raise UsageError(
                    f"{volume.name} and {self.after.name} are not on one grid; a report "
                    "compares scans voxel by voxel. Interpolate the scan before to the "
                    "enhanced grid."
                )

    @property
    def images(self) -> dict[str, Volume]:
        """Role -> scan, without the spread."""
        every = {"before": self.before, "after": self.after, "reference": self.reference}
        return {role: volume for role, volume in every.items() if volume is not None}


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
    low, high = _window(main, mask)
    voxels = {role: np.asarray(v.voxels) for role, v in scans.images.items()}
    if scans.std is not None:
        voxels["spread"] = np.asarray(scans.std.voxels)
    reach = DIFFERENCE_SHARE * (high - low)
    top = _top(scans, mask)
    stills = _stills(scans, mask, (low, high), reach, top)
    curves = curves_of(scans.images, mask, _centre(mask))
    taken = sum(len(picture) for still in stills for _, picture, _, _ in still.planes)
    taken += sum(len(curve.svg) for curve in curves) + len(_niivue())
    packed = embed(voxels, main.affine, mask, modality, PAGE_CHARACTERS - taken)
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
        settings=_settings(scans, (low, high), reach, top),
        niivue=_niivue(),
        notices=(HERE / "vendor" / "LICENSE.niivue.txt").read_text(encoding="utf-8"),
    )


def render(template: str, **content: Any) -> str:
    """A template of `templates/` filled in; all text is escaped."""
    loader = jinja2.FileSystemLoader(HERE / "templates")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    style = (HERE / "templates" / "page.css").read_text(encoding="utf-8")
    script = (HERE / "templates" / "viewer.js").read_text(encoding="utf-8")
    return environment.get_template(template).render(
        version=__version__, style=style, script=script, **content
    )


def _stills(
    scans: ScanImages,
    mask: NDArray[np.bool_],
    window: tuple[float, float],
    reach: float,
    top: float,
) -> list[Still]:
    """Every image, then every map, through the middle of the anatomy."""
    main, centre = scans.after, _centre(mask)
    unit = main.unit
    images = {role: np.asarray(v.voxels) for role, v in scans.images.items()}
    result = [
        stills_of(image, main.affine, centre, window, TITLES[role], unit)
        for role, image in images.items()
    ]
    for role, other in _differences(scans):
        values = images[role] - images[other]
        title = f"{TITLES[role]} minus {TITLES[other].lower()}"
        result.append(
            stills_of(values, main.affine, centre, (-reach, reach), title, unit, DIFFERENCE)
        )
    if scans.std is not None:
        spread = np.asarray(scans.std.voxels)
        title = "Uncertainty: spread of the samples"
        result.append(stills_of(spread, main.affine, centre, (0, top), title, unit, SPREAD))
    return result


def _differences(scans: ScanImages) -> list[tuple[str, str]]:
    if scans.reference is None:
        return [("after", "before")]
    return [(role, "reference") for role in scans.images if role != "reference"]


def _settings(
    scans: ScanImages, window: tuple[float, float], reach: float, top: float
) -> dict[str, Any]:
    """What the viewer's script needs to know."""
    modality = (scans.reference or scans.after).modality or "MR"
    return {
        "titles": {role: TITLES[role] for role in scans.images},
        "differences": _differences(scans),
        "spread": scans.std is not None,
        "unit": scans.after.unit,
        "window": window,
        "reach": reach,
        "top": top,
        "presets": _presets(window, modality),
        "left": "before" if scans.before is not None else "reference",
        "colours": {"difference": colour_stops(DIFFERENCE), "spread": colour_stops(SPREAD)},
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


def _top(scans: ScanImages, mask: NDArray[np.bool_]) -> float:
    """The brightest value of the uncertainty map."""
    if scans.std is None:
        return 1.0
    return max(float(np.percentile(scans.std.voxels[mask], 99.5)), 1e-6)


@cache
def _niivue() -> str:
    return pack((HERE / "vendor" / "niivue.umd.js").read_bytes())
