"""What is drawn: the posterior mean by default, a sample on request."""

import pytest

from medsr.errors import UsageError
from medsr.restore.options import DEFAULT_STEPS, Options, options_from


@pytest.mark.parametrize(
    ("given", "steps", "sample"),
    [
        ({}, 1, False),
        ({"quick": True}, 1, False),
        ({"steps": 1}, 1, False),
        ({"sample": True}, DEFAULT_STEPS, True),
        ({"samples": 3}, DEFAULT_STEPS, True),
        ({"steps": 9}, 9, True),
        ({"sample": True, "steps": 4}, 4, True),
    ],
)
def test_the_posterior_mean_unless_a_sample_is_asked_for(given, steps, sample):
    options = Options(**given)
    assert (options.steps, options.sample) == (steps, sample)


@pytest.mark.parametrize(
    "given",
    [{"sample": True, "steps": 1}, {"samples": 2, "steps": 1}, {"quick": True, "sample": True}],
)
def test_contradictions_are_refused(given):
    with pytest.raises(UsageError, match="posterior mean"):
        Options(**given)


@pytest.mark.parametrize(
    ("base", "given", "steps", "samples"),
    [
        (Options(), {"sample": True}, DEFAULT_STEPS, 1),
        (Options(steps=9), {"seed": 3}, 9, 1),
        (Options(steps=9), {"samples": 4}, 9, 4),
        (Options(samples=4), {"steps": 9}, 9, 4),
        (Options(steps=9), {"quick": True}, 1, 1),
        (Options(steps=9), {"sample": False}, 1, 1),
        (Options(quick=True), {"seed": 3}, 1, 1),
    ],
)
def test_options_over_others(base, given, steps, samples):
    options = options_from(given, base)
    assert (options.steps, options.samples) == (steps, samples)
