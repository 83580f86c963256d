"""The metrics that an evaluation reports: name, function and definition."""

from __future__ import annotations

from functools import partial

from medsr.metrics import agreement, detail, fidelity, ring_correlation, sharpness, structure
from medsr.metrics.metric import BETTER_WORDS, IMAGE_UNIT, Metric, badness

__all__ = [
    "ALL_METRICS",
    "BETTER_WORDS",
    "FIRST",
    "IMAGE_UNIT",
    "METRICS",
    "OTHER_NUMBERS",
    "Metric",
    "badness",
]


def _high_frequency(axis: int) -> Metric:
    return Metric(
        function=partial(detail.high_frequency_ratio, axis=axis),
        needs=(),
        title=f"HF energy axis {axis}",
        unit="",
        better="one",
        digits=3,
        definition=f"High-frequency energy ratio along voxel axis {axis}: energy of the estimate "
        "above half of Nyquist's frequency, over that of the reference, of Hann-tapered "
        "whole lines that meet the mask; above 1 is noise, ringing or invented detail.",
    )


METRICS: dict[str, Metric] = {
    "psnr": Metric(
        function=fidelity.psnr,
        needs=("data_range",),
        title="PSNR",
        unit="dB",
        better="higher",
        digits=2,
        definition="Peak signal-to-noise ratio: 10 log10(range^2 / mean square error over the "
        "mask), infinite for identical images.",
    ),
    "ssim_3d": Metric(
        function=fidelity.ssim_3d,
        needs=("data_range",),
        title="SSIM 3-D",
        unit="",
        better="higher",
        digits=4,
        definition="Structural similarity (Wang et al. 2004, K1 = 0.01, K2 = 0.03) under an 11 x "
        "11 x 11 voxel Gaussian window (sigma 1.5 voxels): mean of its map over the "
        "voxels of the mask at least 5 voxels inside the compared box.",
    ),
    "ssim_slice_mean": Metric(
        function=fidelity.ssim_slice_mean,
        needs=("data_range", "axis"),
        title="SSIM 2-D",
        unit="",
        better="higher",
        digits=4,
        definition="Structural similarity (Wang et al. 2004, K1 = 0.01, K2 = 0.03) in each slice "
        "under an 11 x 11 voxel Gaussian window (sigma 1.5 voxels): mean of its maps "
        "over the voxels of the mask at least 5 voxels inside their slice.",
    ),
    "nrmse": Metric(
        function=fidelity.nrmse,
        needs=("data_range",),
        title="NRMSE",
        unit="",
        better="lower",
        digits=4,
        definition="Root mean square error over the mask, divided by the range; equivalent to "
        "PSNR (PSNR = -20 log10 NRMSE).",
    ),
    "mae": Metric(
        function=fidelity.mae,
        needs=(),
        title="MAE",
        unit=IMAGE_UNIT,
        better="lower",
        digits=3,
        definition="Mean absolute error over the mask, in the unit of the image; no range enters.",
    ),
    "ms_ssim": Metric(
        function=structure.ms_ssim,
        needs=("data_range",),
        title="MS-SSIM",
        unit="",
        better="higher",
        digits=4,
        definition="Multi-scale structural similarity (Wang et al. 2003) in 3-D at three scales, "
        "weights 0.0448, 0.2856, 0.3001 divided by their sum, windows and constants as "
        "SSIM 3-D: over the voxels of the mask with a whole window at each scale.",
    ),
    "gmsd": Metric(
        function=structure.gmsd,
        needs=("data_range", "axis"),
        title="GMSD",
        unit="",
        better="lower",
        digits=4,
        definition="Gradient magnitude similarity deviation (Xue et al. 2014) in each slice after "
        "averages over 2 x 2 pixels: standard deviation over the mask, mean over "
        "slices weighted by their pixels in the mask.",
    ),
    "doubtful_share": Metric(
        function=ring_correlation.doubtful_share,
        needs=("data_range", "axis"),
        title="doubtful patches",
        unit="",
        better="lower",
        digits=3,
        definition="Share of 32 x 32 pixel patches, in slices that contain the slice axis, whose "
        "Fourier ring correlation with the reference falls below 0.5 before 0.125 cycles "
        "per pixel (after sFRC, Kc et al. 2026): structure added or lost there.",
    ),
    "hfen": Metric(
        function=detail.hfen,
        needs=(),
        title="HFEN",
        unit="",
        better="lower",
        digits=4,
        definition="High-frequency error norm (Ravishankar and Bresler 2011): norm of the "
        "difference of the two images under a 3-D Laplacian of Gaussian (sigma 1.5 "
        "voxels, 15 voxels wide) over the mask, divided by the norm of the reference "
        "under the same filter.",
    ),
    **{f"hf_ratio_{axis}": _high_frequency(axis) for axis in range(3)},
    "rise_slices": Metric(
        function=sharpness.rise_across_slices,
        needs=("spacing_mm", "axis"),
        title="Sharpness (edge width)",
        unit="mm",
        better="reference",
        digits=2,
        definition="Width of edges, smaller is sharper: median 10-90 % rise, read in this image, "
        "of the strongest tenth of the reference's edges in the mask along the slice axis.",
    ),
    "rise_in_plane": Metric(
        function=sharpness.rise_in_plane,
        needs=("spacing_mm", "axis"),
        title="Sharpness in plane",
        unit="mm",
        better="reference",
        digits=2,
        definition="Width of edges: the same for edges along the two axes within the slices.",
    ),
    "bias": Metric(
        function=agreement.bias,
        needs=(),
        title="Bias",
        unit=IMAGE_UNIT,
        better="zero",
        digits=3,
        definition="Bland-Altman bias: mean of estimate minus reference over the mask.",
    ),
    "half_limits": Metric(
        function=agreement.half_limits,
        needs=(),
        title="Limits +-",
        unit=IMAGE_UNIT,
        better="lower",
        digits=3,
        definition="Bland-Altman limits of agreement: bias plus or minus this, 1.96 standard "
        "deviations of the difference over the mask.",
    ),
    "proportional_bias": Metric(
        function=agreement.proportional_bias,
        needs=(),
        title="Prop. bias",
        unit="",
        better="zero",
        digits=4,
        definition="Bland-Altman proportional bias: slope over the mask of the difference on the "
        "mean of the two images; 0.05 is about 5 % too much contrast.",
    ),
}

#: Numbers that are made of more than two images; `compare` fills them in.
OTHER_NUMBERS: dict[str, Metric] = {
    "shift_mm": Metric(
        function=None,
        needs=(),
        title="Shift",
        unit="mm",
        better="lower",
        digits=3,
        definition="Length of the sub-voxel shift between estimate and reference (Gauss-Newton "
        "registration over the mask, both images smoothed by 1.5 voxels); measured and "
        "reported, never corrected.",
    ),
    "consistency": Metric(
        function=None,
        needs=(),
        title="Consistency",
        unit="",
        better="lower",
        digits=4,
        definition="Consistency with the measured scan y: norm of A x - y over the norm of y, "
        "over the whole measured grid, A the assumed acquisition of the estimate x; "
        "the reference's own value is that of a perfect estimate.",
    ),
    "consistency_worst": Metric(
        function=None,
        needs=(),
        title="Consistency, worst",
        unit="",
        better="lower",
        digits=4,
        definition="The same for the worst slice, over the root mean square of all slices.",
    ),
    "tissue_dice": Metric(
        function=None,
        needs=(),
        title="Tissue Dice",
        unit="",
        better="higher",
        digits=4,
        definition="Dice overlap with the given label map of a Gaussian mixture segmentation of "
        "this image inside the map, mean over labels; the reference's own value is the ceiling.",
    ),
    "tissue_volume": Metric(
        function=None,
        needs=(),
        title="Tissue volume error",
        unit="%",
        better="lower",
        digits=2,
        definition="Absolute volume change of each label in that segmentation against the same "
        "segmentation of the reference, mean over labels.",
    ),
    "region_dice": Metric(
        function=None,
        needs=(),
        title="Region Dice",
        unit="",
        better="higher",
        digits=4,
        definition="Dice overlap of the regions that the segmenter finds in this image with those "
        "that it finds in the reference, mean over regions.",
    ),
    "region_volume": Metric(
        function=None,
        needs=(),
        title="Region volume error",
        unit="%",
        better="lower",
        digits=2,
        definition="Absolute volume change of each region that the segmenter finds, against its "
        "volume in the reference by the same segmenter, mean over regions.",
    ),
}

#: All numbers of an evaluation, in the order shown.
ALL_METRICS: dict[str, Metric] = METRICS | OTHER_NUMBERS

#: What is shown first; the tissues need a label map, the regions a segmenter.
FIRST = (
    *("psnr", "ssim_3d", "rise_slices", "consistency"),
    *("tissue_dice", "region_volume", "region_dice"),
)
