"""Comparison of several methods over many subjects.

Every case (one reference with its estimates) has an `Evaluation`. A method's number for a person
is the mean over that person's cases; everything below is over people (`statistics`).

A pair of methods is compared by *badness* (`table.badness`): how far a number is from the best it
could be. Improvement is the mean over people of the second's badness minus the first's: positive
where the first is closer. The Holm family of a metric is all pairs of methods in it.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from medsr.errors import UsageError
from medsr.evaluation.evaluation import Evaluation
from medsr.evaluation.pairing import LeftOut
from medsr.evaluation.statistics import bootstrap_interval, holm, wilcoxon_p
from medsr.metrics.registry import ALL_METRICS, FIRST, badness

__all__ = ["Case", "Group", "Pairing", "Summary"]


@dataclass(frozen=True)
class Case:
    """One reference with its estimates.

    Attributes:
        name: of the case; unique in the group.
        person: whose scan it is, as a code; cases of one person are averaged first.
        evaluation: the numbers.
    """

    name: str
    person: str
    evaluation: Evaluation


@dataclass(frozen=True)
class Summary:
    """One metric of one method: mean over people, its interval, how many people."""

    metric: str
    method: str
    mean: float | None
    interval: tuple[float, float] | None
    people: int


@dataclass(frozen=True)
class Pairing:
    """One metric of two methods.

    Attributes:
        metric, first, second: what is compared.
        people: with a number for both.
        improvement: mean over people of badness(second) - badness(first); positive: first closer.
        interval: its 95 % bootstrap interval.
        p, p_holm: Wilcoxon's signed-rank, and corrected over the pairs of this metric.
        wins, ties, losses: cases in which the first is closer, equal, farther.
    """

    metric: str
    first: str
    second: str
    people: int
    improvement: float | None
    interval: tuple[float, float] | None
    p: float | None
    p_holm: float | None
    wins: int
    ties: int
    losses: int


@dataclass(frozen=True)
class Group:
    """Cases of one evaluation.

    A case may lack a method (interpolation, where it has no measured scan); comparisons are over
    the cases that have both methods.

    Attributes:
        cases: with numbers.
        left_out: without numbers, and why.

    Raises:
        UsageError: no case, or two cases of one name.
    """

    cases: tuple[Case, ...]
    left_out: tuple[LeftOut, ...] = ()

    def __post_init__(self) -> None:
        if not self.cases:
            raise UsageError("There is no case to summarise.")
        if len({case.name for case in self.cases}) < len(self.cases):
            raise UsageError("Two cases have the same name; give each case a unique name.")

    @property
    def methods(self) -> tuple[str, ...]:
        """The labels of the estimates, in the order of their first case."""
        return tuple(dict.fromkeys(r.label for c in self.cases for r in c.evaluation.rows))

    @property
    def first_methods(self) -> tuple[str, ...]:
        """The methods that are shown without being asked for."""
        shown = {r.label for c in self.cases for r in c.evaluation.first_rows}
        return tuple(method for method in self.methods if method in shown)

    @property
    def first_metrics(self) -> tuple[str, ...]:
        """The metrics that are shown without being asked for."""
        return tuple(name for name in FIRST if name in self.metrics)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The numbers that any case has."""
        found = {name for case in self.cases for name in case.evaluation.metrics}
        return tuple(name for name in ALL_METRICS if name in found)

    @property
    def people(self) -> tuple[str, ...]:
        """The people, in the order of their first case."""
        return tuple(dict.fromkeys(case.person for case in self.cases))

    @cached_property
    def summaries(self) -> list[Summary]:
        """Every metric of every method over people."""
        return [self._summary(n, m) for n in self.metrics for m in self.methods]

    @cached_property
    def pairings(self) -> list[Pairing]:
        """Every metric of every two methods."""
        result: list[Pairing] = []
        for name in self.metrics:
            pairs = [self._pairing(name, *ab) for ab in itertools.combinations(self.methods, 2)]
            adjusted = holm([pair.p for pair in pairs])
            result += [replace(pair, p_holm=p) for pair, p in zip(pairs, adjusted, strict=True)]
        return result

    def values(self, metric: str, method: str) -> dict[str, float]:
        """Case name -> number, for the cases that have it."""
        found = {case.name: _value(case, metric, method) for case in self.cases}
        return {name: value for name, value in found.items() if value is not None}

    def _by_person(self, numbers: dict[str, float]) -> dict[str, float]:
        each: dict[str, list[float]] = {}
        for case in self.cases:
            if case.name in numbers:
                each.setdefault(case.person, []).append(numbers[case.name])
        return {person: float(np.mean(values)) for person, values in each.items()}

    def _summary(self, metric: str, method: str) -> Summary:
        numbers = list(self._by_person(self.values(metric, method)).values())
        mean = float(np.mean(numbers)) if numbers else None
        return Summary(metric, method, mean, bootstrap_interval(numbers), len(numbers))

    def _badness(self, metric: str, method: str) -> dict[str, float]:
        found = {}
        for case in self.cases:
            value = _value(case, metric, method)
            if value is not None:
                own = {s.metric: s.value for s in case.evaluation.reference_scores}
                found[case.name] = badness(ALL_METRICS[metric], value, own.get(metric))
        return found

    def _pairing(self, metric: str, first: str, second: str) -> Pairing:
        a, b = self._badness(metric, first), self._badness(metric, second)
        both = {name: _gap(b[name], a[name]) for name in a if name in b}
        people = list(self._by_person(both).values())
        p = wilcoxon_p(people)
        mean = float(np.mean(people)) if people and np.isfinite(people).all() else None
        wins = sum(d > 0 for d in both.values())
        losses = sum(d < 0 for d in both.values())
        ties = len(both) - wins - losses
        interval = bootstrap_interval(people)
        return Pairing(
            metric, first, second, len(people), mean, interval, p, None, wins, ties, losses
        )


def _value(case: Case, metric: str, method: str) -> float | None:
    scores = [s for r in case.evaluation.rows if r.label == method for s in r.scores]
    return next((s.value for s in scores if s.metric == metric), None)


def _gap(b: float, a: float) -> float:
    """b - a, 0 for two perfect (infinite) numbers."""
    return 0.0 if math.isinf(a) and a == b else b - a
