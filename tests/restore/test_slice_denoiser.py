"""Which orientations of the slices an evaluation goes through."""

import numpy as np
import torch

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.diffusion.samplers import multistep
from medsr.diffusion.schedule import SIGMA_MAX
from medsr.restore.pipeline import Settings, enhance
from medsr.restore.slice_denoiser import Network, whole_volume
from medsr.restore.upsampled import Upsampled
from medsr.volume.volume import Volume

X, Y, Z = 16, 32, 24
ACQUISITION = Acquisition(
    (
        AxisSampling(X, 1.0, X, 1.0),
        AxisSampling(Y, 1.0, Y, 1.0),
        AxisSampling(Z, 1.0, Z // 4, 4.0, 4.0),
    )
)


class Spy:
    """A denoiser that notes the height of its slices: Y, then X, for the two orientations."""

    def __init__(self):
        self.heights = []

    def at(self, sigma, features, dtype):
        def denoise(noisy, cond):
            self.heights.append(noisy.shape[2])
            return noisy

        return denoise


def heights(in_turn, levels):
    spy = Spy()
    upsampled = Upsampled.of(torch.ones(X, Y, Z // 4), ACQUISITION, 1.0)
    network = Network(spy, 1, torch.float32, 10**6, torch.device("cpu"))
    denoise = whole_volume(network, upsampled, 0.0, lambda: None, in_turn=in_turn)
    found = []
    for sigma in levels:
        spy.heights.clear()
        denoise(torch.zeros(X, Y, Z), sigma)
        found.append(sorted(set(spy.heights)))
    return found


def test_quick_leaves_one_orientation_out():
    spies = []
    for quick in (False, True):
        spy = Spy()
        voxels = np.ones((X, Y, Z // 4), dtype=np.float32)
        voxels[:4] = 0.5  # a scan of one value would be refused
        volume = Volume(voxels, np.diag([1.0, 1.0, 4.0, 1.0]), modality="MR")
        settings = Settings(sampler=multistep, steps=1, quick=quick, half=False)
        enhance(volume, ACQUISITION, spy, 1.0, 1, "MR", settings)
        spies.append(sorted(set(spy.heights)))
    assert spies == [[X, Y], [Y]]


def test_a_posterior_mean_takes_both():
    assert heights(False, [SIGMA_MAX]) == [[X, Y]]


def test_steps_take_one_after_the_other_and_each_sample_begins_anew():
    two_samples = [SIGMA_MAX, 1.0, 0.1, SIGMA_MAX, 1.0, 0.1]
    assert heights(True, two_samples) == [[Y], [X], [Y], [Y], [X], [Y]]
