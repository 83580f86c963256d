"""What the name of a file, or the description of a series, says that an image shows."""

from __future__ import annotations

import re

from medsr.volume.anatomy import Kind

__all__ = ["kind_of_description", "kind_of_name"]

#: BIDS suffixes, and words that people and tools put at the end of a file name.
_SUFFIXES: dict[str, Kind] = {
    **dict.fromkeys(("phase", "ph", "pha", "phasediff", "phase1", "phase2"), Kind.PHASE),
    **dict.fromkeys(("unwrapped", "unwrappedphase", "phasemap"), Kind.PHASE),
    "real": Kind.REAL,
    **dict.fromkeys(("imaginary", "imag"), Kind.IMAGINARY),
    **dict.fromkeys(
        ("fieldmap", "fieldmaphz", "b0map", "tb1map", "rb1map", "tb1tfl"), Kind.FIELD_MAP
    ),
    **dict.fromkeys(("tb1epi", "tb1afi", "tb1srge", "b1map"), Kind.FIELD_MAP),
    **dict.fromkeys(("t1map", "t2map", "t2starmap", "r1map", "r2map", "r2starmap"), Kind.MAP),
    **dict.fromkeys(("pdmap", "mtrmap", "mtsat", "mtvmap", "mwfmap", "chimap"), Kind.MAP),
    **dict.fromkeys(("pdt2map", "s0map", "m0map", "irt1map", "qsm"), Kind.MAP),
    **dict.fromkeys(("adc", "adcmap", "eadc", "fa", "famap", "colfa", "md", "mdmap"), Kind.MAP),
    **dict.fromkeys(("trace", "tensor", "r2s", "r2star"), Kind.MAP),
    **dict.fromkeys(("asl", "m0scan", "cbf", "cbv", "mtt", "ttp", "tmax"), Kind.PERFUSION),
    **dict.fromkeys(("rcbf", "rcbv", "perfusion"), Kind.PERFUSION),
    **dict.fromkeys(("mask", "brainmask", "lesionmask"), Kind.MASK),
    **dict.fromkeys(("dseg", "seg", "segmentation", "label", "labels", "labelmap"), Kind.LABELS),
    **dict.fromkeys(("aseg", "parc", "aparc", "aparc+aseg", "wmparc"), Kind.LABELS),
    **dict.fromkeys(("probseg",), Kind.STATISTIC),
    **dict.fromkeys(("zstat", "tstat", "statmap", "zmap", "tmap"), Kind.STATISTIC),
    **dict.fromkeys(("xfm", "warp", "warpfield"), Kind.VECTORS),
    **dict.fromkeys(("mip", "minip"), Kind.PROJECTION),
    **dict.fromkeys(("localizer", "localiser", "scout", "topogram"), Kind.LOCALIZER),
}

#: The entity part- of BIDS.
_PARTS = {"phase": Kind.PHASE, "real": Kind.REAL, "imag": Kind.IMAGINARY}

#: Before "phase", these name a phase of contrast, of breathing or of the heart.
_OTHER_PHASES = re.compile(
    r"arter|ven|portal|delay|late|early|equilib|nephro|excret|hepat|parench|paren|contrast|cortic"
    r"|native|plain|resp|card|systol|diastol|inspir|expir|\d$|^$"
)

#: What dcm2niix and others append after the word that counts: an echo, a run, a number.
_TRAILER = re.compile(r"(e|echo|run)-?\d+|\d+|[a-d]")


def kind_of_name(stem: str) -> Kind | None:
    """What a file name says by its last word or by a BIDS entity; None for anatomy.

    Args:
        stem: the name without .nii or .nii.gz.

    >>> kind_of_name("scan_7_e2_ph"), kind_of_name("sub-01_T1map"), kind_of_name("sub-01_T1w")
    (<Kind.PHASE: 'phase'>, <Kind.MAP: 'map'>, None)
    """
    words = _words(stem)
    for word in words:
        key, _, value = word.partition("-")
        if key == "part" and value in _PARTS:
            return _PARTS[value]
    if len(words) < 2 and not set(words) <= _WHOLE_NAMES:
        return None
    last = words[-1]
    if last == "phase" and _OTHER_PHASES.search(words[-2].rpartition("-")[2]):
        return None
    found = _SUFFIXES.get(last) or _SUFFIXES.get(last.rpartition("-")[2])
    return found or (Kind.MAP if last.endswith(("map", "maps")) else None)


#: Words with another meaning in a free text, such as flip angle.
_AMBIGUOUS = {
    *("phase", "ph", "pha", "real", "fa", "md", "trace", "tensor", "label", "labels", "seg"),
    *("mask", "warp", "asl", "perfusion", "fieldmap"),
}

_IN_FULL = re.compile(r"apparent diffusion coeff|fractional anisotropy|mean diffusivity")


def kind_of_description(description: str) -> Kind | None:
    """What the free text of a series says by its last word; None for anatomy.

    >>> kind_of_description("Apparent Diffusion Coefficient (mm2/s)")
    <Kind.MAP: 'map'>
    >>> kind_of_description("AX DWI ADC"), kind_of_description("T1 FA 15")
    (<Kind.MAP: 'map'>, None)
    """
    if _IN_FULL.search(description.lower()):
        return Kind.MAP
    words = _words(re.sub(r"\(.*?\)|/", " ", description))
    return None if not words or words[-1] in _AMBIGUOUS else kind_of_name(" ".join(words))


def _words(name: str) -> list[str]:
    """The words of a name in small letters, without what follows the one that counts."""
    words = [word for word in re.split(r"[_.\s]+", name.lower()) if word]
    while len(words) > 1 and _TRAILER.fullmatch(words[-1]):
        words.pop()
    return words


#: File names of one word that say enough.
_WHOLE_NAMES = frozenset(
    word for word in _SUFFIXES if len(word) > 3 and word not in {"real", "trace", "label", "phase"}
)
