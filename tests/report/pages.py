"""A small scan with everything that a page can show, made on the fly."""

from dataclasses import replace
from functools import cache

import numpy as np
from scipy import ndimage

from medsr.evaluation.compare import evaluate_pair
from medsr.report.methods import evaluation_words
from medsr.report.numbers import score_table
from medsr.report.page import PageText, scan_page
from medsr.report.scans import ScanImages
from medsr.volume.volume import Volume
from tests.conftest import smooth_head

SHAPE = (48, 56, 44)


@cache
def volumes():
    """before, after, reference, spread: MR, oblique storage (first axis to the left)."""
    rng = np.random.default_rng(0)
    voxels = smooth_head(SHAPE) + 4 * rng.standard_normal(SHAPE).astype(np.float32)
    voxels[22:26, 26:30, 20:24] += 120  # something small and bright
    affine = np.diag([-1.2, 1.0, 1.0, 1.0])
    affine[:3, 3] = (28.0, -27.0, -22.0)
    reference = Volume(voxels, affine, modality="MR", slice_axis=2, name="reference")
    blurred = ndimage.gaussian_filter(voxels, (0, 0, 2))
    noisy = voxels + 3 * rng.standard_normal(SHAPE).astype(np.float32)
    spread = np.abs(voxels - blurred)
    before, after, std = (replace(reference, voxels=v) for v in (blurred, noisy, spread))
    return before, after, reference, std


@cache
def full_page():
    """A page of an evaluation with every map, in scanner units of about 0 to 300."""
    before, after, reference, spread = volumes()
    found = evaluate_pair(reference, {"medsr": after, "cubic": before})
    text = PageText(
        title="Evaluation of a <made> head",
        warnings=("medsr is only a test.",),
        tables=(score_table(found),),
        facts=found.facts(),
        provenance=(("Seed", "0"),),
        methods=evaluation_words(found),
    )
    return scan_page(
        ScanImages(after, before, reference, spread, half_width=spread, null_space_map=added()),
        text,
    )


def added():
    """What the enhanced scan adds to the scan before, of both signs."""
    before, after, _, _ = volumes()
    return replace(after, voxels=after.voxels - before.voxels)


def page_of(modality, scale, offset):
    """A page of the scan before and after in other units: intensity * scale + offset."""
    before, after, _, _ = (
        replace(v, voxels=v.voxels * np.float32(scale) + np.float32(offset), modality=modality)
        for v in volumes()
    )
    return scan_page(ScanImages(after, before), PageText(title=f"Enhanced {modality}"))
