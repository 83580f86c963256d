"""Each number format works or says why it does not."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from medsr.errors import UsageError
from medsr.network.int8 import int8_is_possible
from medsr.restore import precision as module
from medsr.restore.choices import Precision
from medsr.restore.enhancer import Enhancer
from medsr.restore.options import Options
from medsr.restore.precision import running_on
from tests.network.test_unet_and_checkpoint import card, small_denoiser

CPU = torch.device("cpu")


@pytest.fixture
def able(monkeypatch):
    """Sets what the processor can do: bfloat16, int8."""

    def set_to(half, integers):
        monkeypatch.setattr(module, "half_is_fast", lambda device: half)
        monkeypatch.setattr(module, "int8_is_possible", lambda: integers)

    return set_to


@pytest.mark.parametrize(
    ("half", "integers", "expected"),
    [
        (True, True, "bfloat16"),
        (True, False, "bfloat16"),
        (False, True, "int8"),
        (False, False, "float32"),
    ],
)
def test_auto_takes_what_is_fast(able, half, integers, expected):
    able(half, integers)
    assert running_on(CPU, Precision.AUTO, card()).precision == expected


@pytest.mark.parametrize("asked", ["bfloat16", "float32", "int8"])
def test_what_is_asked_for_is_taken(able, asked):
    able(asked == "float32", True)
    assert running_on(CPU, Precision(asked), card()).precision == asked


@pytest.mark.parametrize(
    ("device", "asked", "changed", "words"),
    [
        ("cuda", "int8", {}, "is for the CPU"),
        ("mps", "bfloat16", {}, "device of type mps"),
        ("cpu", "int8", {"kind": "monai"}, "has no int8 form"),
        ("cpu", "int8", {"fold": [1, 4, 4]}, "has no int8 form"),
    ],
)
def test_what_is_not_possible_is_refused_in_words(able, device, asked, changed, words):
    able(False, True)
    model = replace(card(), network={**card().network, **changed})
    with pytest.raises(UsageError, match=words) as fault:
        running_on(torch.device(device), Precision(asked), model)
    assert str(fault.value).startswith(f"--precision {asked}: ")


def test_int8_on_another_processor_is_refused_in_words(able):
    able(False, False)
    with pytest.raises(UsageError, match="needs a processor with AVX2"):
        running_on(CPU, Precision.INT8, card())


@pytest.mark.parametrize("steps", [1, 2])
def test_the_record_says_what_ran(phantom, steps):
    if not int8_is_possible():
        pytest.skip("this processor or PyTorch has no int8 convolutions")
    enhancer = Enhancer(small_denoiser(), card(), CPU)
    found = {
        name: enhancer.enhance(phantom, precision=name, steps=steps, force=True)
        for name in ("float32", "int8")
    }
    for name, enhanced in found.items():
        assert enhanced.record.to_json()["Precision"] == name
    one, other = (enhanced.volume.voxels for enhanced in found.values())
    assert 0 < np.abs(one - other).max() < 0.05 * np.ptp(one)


def test_a_plan_refuses_it_before_anything_is_done(phantom, able):
    able(False, False)
    enhancer = Enhancer(small_denoiser(), card(), CPU)
    with pytest.raises(UsageError, match="--precision int8"):
        enhancer.plan(phantom, Options(precision="int8"))
