"""Where a model fails: pictures of the worst places inside the body, one row a condition.

    python -m benchmarks quality.failures configs/mr-head.yaml DATA \
        PERSON -o docs/images/failures-mr-head.png
        [--conditions 8x 4x-noise ...]

Each row: the reference, cubic interpolation, medsr's posterior mean and its sample, and the error
of the posterior mean, in a plane that holds the coarse axis (left to right in the picture), around
the place where that error is largest. Places lie deep inside the foreground and the crop is
small, so that nobody can be recognised; look at the picture all the same before publishing it.
"""

from __future__ import annotations

import argparse

import numpy as np
from matplotlib.figure import Figure
from scipy import ndimage

from benchmarks.quality.baselines import interpolate
from benchmarks.quality.common import middle
from benchmarks.quality.conditions import CONDITIONS, Trial, trial_of
from benchmarks.quality.scoring import Ruler
from medsr.config import load_config
from medsr.restore.enhancer import Enhancer
from medsr.restore.options import DEFAULT_STEPS, Options
from medsr.restore.plan import Plan
from medsr.training.cases import load_case

#: Side of the pictures, voxels; and how deep inside the foreground their centres lie.
SIDE, DEPTH = 48, 12

#: Width of the Gaussian (voxels) over which an error is averaged to find the worst place.
SMOOTHING = 4.0


def worst_place(error: np.ndarray, mask: np.ndarray, across: int) -> tuple[int, int, int]:
    """Where the smoothed square error is largest, deep inside the mask, the crop whole."""
    deep = ndimage.binary_erosion(mask, iterations=DEPTH)
    for axis in {0, 1, 2} - {across}:
        inside = np.zeros(mask.shape[axis], dtype=bool)
        inside[SIDE // 2 : mask.shape[axis] - SIDE // 2 + 1] = True
        deep &= inside.reshape([-1 if a == axis else 1 for a in range(3)])
    smooth = np.where(deep, ndimage.gaussian_filter(error**2, SMOOTHING), -1.0)
    return tuple(int(i) for i in np.unravel_index(smooth.argmax(), smooth.shape))


def crop(image: np.ndarray, place: tuple[int, int, int], across: int) -> np.ndarray:
    """The square around a place in the plane across an axis, coarse axis left to right."""
    parts = [slice(c - SIDE // 2, c + SIDE // 2) for c in place]
    parts[across] = place[across]
    return image[tuple(parts)]


def panels(trial: Trial, enhancer: Enhancer) -> dict[str, np.ndarray]:
    """Label -> volume."""
    found = {
        "reference": np.asarray(trial.fine.voxels),
        "cubic": interpolate(trial.low.voxels, trial.assumed, 3),
    }
    for label, steps in (("posterior mean", 1), (f"sample, {DEFAULT_STEPS} steps", DEFAULT_STEPS)):
        result = enhancer.run(Plan(trial.low, trial.assumed, Options(steps=steps)))
        found[label] = np.asarray(result.volume.voxels)
    return found


def draw(axes: np.ndarray, trial: Trial, enhancer: Enhancer) -> None:
    """One row of pictures."""
    ruler = Ruler.of(trial.fine)
    volumes = panels(trial, enhancer)
    error = volumes["posterior mean"] - volumes["reference"]
    across = int(np.abs(trial.fine.affine[2, :2]).argmax())  # axial, where axis 2 is not
    place = worst_place(error, ruler.mask, across)
    shown = {label: crop(v, place, across) for label, v in volumes.items()}
    low, high = np.percentile(shown["reference"], [1, 99.5])
    for panel, (label, image) in zip(axes, shown.items(), strict=False):
        panel.imshow(image, cmap="gray", vmin=low, vmax=high)
        panel.set_title(label, fontsize=9)
    limit = 0.5 * (high - low)
    axes[-1].imshow(crop(error, place, across), cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes[-1].set_title("error of the mean (red: too bright)", fontsize=9)
    axes[0].set_ylabel(trial.condition.words, fontsize=9)
    for panel in axes:
        panel.set_xticks([])
        panel.set_yticks([])


def main() -> None:
    """Parse, degrade, enhance, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("data")
    parser.add_argument("person")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--model", default=None)
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=["8x"])
    words = parser.parse_args()
    config = load_config(words.config, [f"data.root={words.data}"])
    enhancer = Enhancer.from_pretrained(words.model or config.name)
    case = next(c for c in config.data.validate_ if c.person == words.person)
    fine = middle(load_case(case, config.data, config.modality))
    count = len(words.conditions)
    figure = Figure(figsize=(11, 2.4 * count), layout="constrained")
    grid = figure.subplots(count, 5, squeeze=False)
    for axes, name in zip(grid, words.conditions, strict=True):
        draw(axes, trial_of(fine, CONDITIONS[name], config.draw.noise), enhancer)
    figure.savefig(words.output, dpi=80)


if __name__ == "__main__":
    main()
