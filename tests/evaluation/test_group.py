"""Many people: intervals, tests, corrections, tables to paste."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from medsr.errors import UsageError
from medsr.evaluation import tables
from medsr.evaluation.compare import evaluate_pair
from medsr.evaluation.group import Case, Group
from medsr.evaluation.pairing import LeftOut
from medsr.evaluation.statistics import bootstrap_interval, holm, wilcoxon_p
from medsr.volume.volume import Volume

SHAPE = (16, 18, 14)


def case(name, person, seed, good="good"):
    """Two estimates: `good` has a third of the noise of `bad`; both vary from case to case."""
    rng = np.random.default_rng(seed)
    x = np.zeros(SHAPE)
    x[3:13, 3:15, 2:12] = 500 + 100 * rng.random((10, 12, 10))
    noise = rng.uniform(10, 20) * rng.standard_normal(SHAPE)

    def volume(voxels):
        return Volume(voxels.astype(np.float32), np.eye(4), modality="MR", name=name)

    estimates = {good: volume(x + noise), "bad": volume(x + 3 * noise)}
    return Case(name, person, evaluate_pair(volume(x), estimates))


@pytest.fixture(scope="module")
def group():
    return Group(tuple(case(f"c{i}", f"p{i // 2}", i) for i in range(16)))  # 8 people, 2 each


class TestStatistics:
    def test_the_interval_holds_the_mean_about_as_often_as_it_says(self):
        rng = np.random.default_rng(0)
        hits = 0
        for trial in range(200):
            low, high = bootstrap_interval(rng.normal(5, 1, 20), seed=trial)
            hits += low <= 5 <= high
        assert 0.88 < hits / 200 < 0.98  # a percentile interval of 20 is a little narrow

    def test_it_agrees_with_scipy(self):
        values = np.random.default_rng(1).normal(5, 1, 30)
        expected = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=10_000)
        found = bootstrap_interval(values)
        assert found == pytest.approx(tuple(expected.confidence_interval), abs=0.03)

    def test_no_interval_of_one_person_or_of_infinity(self):
        assert bootstrap_interval([1.0]) is None
        assert bootstrap_interval([1.0, np.inf]) is None

    def test_wilcoxon_of_six_of_one_sign_is_1_over_32(self):
        assert wilcoxon_p([1, 2, 3, 4, 5, 6]) == pytest.approx(2 / 2**6)
        assert wilcoxon_p([0.0, 0.0, 0.0]) is None
        assert wilcoxon_p([1.0]) is None

    def test_holm_by_hand(self):
        assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
        assert holm([0.9, 0.8]) == [1.0, 1.0]


class TestGroup:
    def test_means_are_over_people_not_cases(self):
        uneven = Group((case("a", "p", 0), case("b", "p", 1), case("c", "q", 2)))
        summary = next(s for s in uneven.summaries if (s.metric, s.method) == ("psnr", "good"))
        each = uneven.values("psnr", "good")
        assert summary.people == 2
        assert summary.mean == pytest.approx((np.mean([each["a"], each["b"]]) + each["c"]) / 2)

    def test_the_better_method_wins(self, group):
        pairs = {p.metric: p for p in group.pairings}
        found = pairs["psnr"]
        assert (found.first, found.second) == ("good", "bad")
        assert (found.wins, found.ties, found.losses) == (16, 0, 0)
        assert found.people == 8
        assert found.improvement == pytest.approx(20 * np.log10(3), abs=0.01)
        assert found.interval[0] <= found.improvement <= found.interval[1]
        assert found.p == pytest.approx(2 / 2**8)
        assert found.p_holm == found.p  # one pair, one test
        for name in ("mae", "half_limits", "gmsd"):
            assert pairs[name].improvement > 0, name

    def test_a_method_ties_with_itself(self):
        one = case("a", "p", 0)
        row = one.evaluation.rows[0]
        rows = (row, replace(row, label="twin"))
        group = Group((replace(one, evaluation=replace(one.evaluation, rows=rows)),))
        found = {p.metric: p for p in group.pairings}
        assert found["psnr"].ties == 1
        assert all(p.wins == p.losses == 0 for p in found.values())

    def test_bad_groups_are_refused(self):
        with pytest.raises(UsageError, match="no case"):
            Group(())
        with pytest.raises(UsageError, match="same name"):
            Group((case("a", "p", 0), case("a", "q", 1)))


class TestTables:
    def test_csv_has_a_line_for_each_case_and_method(self, group):
        lines = list(csv.DictReader(io.StringIO(tables.to_csv(group))))
        assert len(lines) == 32
        first = next(r for r in lines if (r["case"], r["method"]) == ("c3", "bad"))
        assert first["person"] == "p1"
        assert float(first["psnr"]) == group.values("psnr", "bad")["c3"]
        assert first["ssim_3d"] == first["ms_ssim"] != "nan" or first["ms_ssim"] == ""

    def test_json_is_strict(self, group):
        said = json.loads(json.dumps(tables.to_json(group), allow_nan=False))
        assert said["people"] == 8
        assert len(said["cases"]) == 16
        assert all(m["definition"] for m in said["metrics"].values())

    def test_markdown_and_latex_say_the_same(self, group):
        markdown, latex = tables.to_markdown(group), tables.to_latex(group)
        summary = next(s for s in group.summaries if (s.metric, s.method) == ("psnr", "good"))
        cell = f"{summary.mean:.2f} [{summary.interval[0]:.2f}, {summary.interval[1]:.2f}]"
        assert cell in markdown
        assert cell in latex
        assert markdown.splitlines()[0] == "|  | good | bad |"
        assert r"\begin{tabular}{lrr}" in latex
        assert "8 subjects (16 cases" in markdown
        assert "16 wins, 0 ties, 0 losses" in markdown
        assert "_" not in latex.split("%")[0].replace(r"\_", "")

    def test_names_are_no_formulas_no_markup_and_no_commands(self):
        hostile = "=1+1|<b>$x^$\\input{a}_\x1b"
        few = Group(tuple(case(f"@{k}", f"+{k}", k, good=hostile) for k in range(3)))
        cells = [cell for row in csv.reader(io.StringIO(tables.to_csv(few))) for cell in row[:3]]
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
        markdown, latex = tables.to_markdown(few), tables.to_latex(few)
        assert {line.replace(r"\|", "").count("|") for line in markdown.splitlines()[:4]} == {4}
        assert "<b>" not in markdown.replace(r"\<b\>", "")
        assert r"\input" not in latex
        assert "\x1b" not in tables.to_text(few) + markdown + latex

    def test_too_few_people_are_said(self):
        few = Group((case("a", "p", 0), case("b", "q", 1)))
        assert "With 2 subjects no signed-rank test can reach 0.05" in tables.caption(few)

    def test_a_terminal_shows_the_first_warnings_and_counts_the_rest(self):
        cases = tuple(case(f"c{k}", f"p{k}", k) for k in range(7))
        row = replace(cases[0].evaluation.rows[0], warnings=("is too bright.",))
        dim = tuple(replace(c, evaluation=replace(c.evaluation, rows=(row,))) for c in cases)
        text = tables.to_text(Group(dim))
        assert text.count("good is too bright.") == 5
        assert "WARNING: 2 more; --all, --csv and --report show them." in text
        assert tables.to_text(Group(dim), every=True).count("good is too bright.") == 7

    def test_what_was_left_out_is_a_row_and_a_sentence(self):
        gone = LeftOut("c9", "p9", "the file is not there.", failed=True)
        few = Group((case("a", "p", 0), case("b", "q", 1)), (gone,))
        last = list(csv.DictReader(io.StringIO(tables.to_csv(few))))[-1]
        assert (last["case"], last["person"], last["psnr"]) == ("c9", "p9", "")
        assert last["remarks"] == "the file is not there."
        for text in (tables.to_text(few), tables.to_markdown(few), tables.to_latex(few)):
            assert "Not evaluated: c9: the file is not there." in text

    def test_a_mean_over_fewer_people_says_so(self):
        one, other = case("a", "p", 0), case("b", "q", 1)
        alone = replace(other.evaluation, rows=other.evaluation.rows[:1])
        uneven = Group((one, replace(other, evaluation=alone)))
        assert uneven.methods == ("good", "bad")
        cells = tables.to_markdown(uneven).splitlines()[2].split("|")
        assert "n =" not in cells[2]
        assert cells[3].strip().endswith("(n = 1)")
