"""Held-out subjects, degraded to 4 mm slices and enhanced by the commands: a table.

    python -m benchmarks quality.whole_commands configs/mr-head.yaml DATA_FOLDER [--steps N ...]

The subjects are the configuration's validation list; each scan is prepared as there, then goes
through `medsr degrade`, `medsr enhance` and `medsr evaluate`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from medsr.commands import degrade, enhance, evaluate
from medsr.config import load_config
from medsr.restore.enhancer import Options
from medsr.training.cases import load_case
from medsr.volume.nifti_write import write_nifti

METRICS = ("psnr", "ssim_3d")


def measure(case, config, model, steps, folder):
    """One person: rows of (label, psnr, ssim, seconds)."""
    reference, low = folder / "reference.nii", folder / "low.nii"
    volume = load_case(case, config.data, config.modality)
    write_nifti(volume, reference, {"Modality": config.modality})
    degrade.run(
        reference,
        low,
        degrade.Request(4.0, axis=2),
        overwrite=True,
    )
    rows = []
    for count in steps:
        out = folder / f"out{count}.nii"
        options = Options(steps=count, spacing_mm=volume.spacing_mm[2], model=model)
        began = time.monotonic()
        enhance.run(enhance.Request(low, out, options, overwrite=True))
        seconds = time.monotonic() - began
        request = evaluate.Request(reference, {"estimate": out}, low=low)
        result = evaluate.run(request).group.cases[0].evaluation
        if not rows:
            for label in ("linear", "cubic"):
                rows.append((label, *(result.value(label, m) for m in METRICS), 0.0))
        values = (result.value("estimate", m) for m in METRICS)
        rows.append((f"medsr, {count} steps", *values, seconds))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("data")
    parser.add_argument("--model", default=None)
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 3])
    words = parser.parse_args()
    config = load_config(words.config, [f"data.root={words.data}"])
    print("| person | method | PSNR dB | SSIM 3-D | seconds |\n|---|---|---|---|---|")
    for case in config.data.validate_:
        with tempfile.TemporaryDirectory() as folder:
            for label, psnr, ssim, seconds in measure(
                case, config, words.model, words.steps, Path(folder)
            ):
                print(f"| {case.person} | {label} | {psnr:.2f} | {ssim:.4f} | {seconds:.0f} |")


if __name__ == "__main__":
    main()
