"""Which files belong together: BIDS entities, names, a CSV; and what is refused, in words."""

import pytest

from medsr.errors import InputError, Refused, UsageError
from medsr.evaluation.pairing import (
    LeftOut,
    is_case_folder,
    labelled,
    match_folders,
    read_pairs,
    unique,
)


def folder(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


class TestFolders:
    def test_bids_entities_but_those_of_a_derivative(self, tmp_path):
        a = folder(
            tmp_path / "raw",
            "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz",
            "sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz",
            "sub-02/anat/sub-02_T1w.nii.gz",
            "sub-02/anat/sub-02_T2w.nii.gz",
        )
        b = folder(
            tmp_path / "out",
            "sub-01/ses-1/anat/sub-01_ses-1_res-sr_desc-medsr_T1w.nii.gz",
            "sub-01/ses-2/anat/sub-01_ses-2_res-sr_desc-medsr_T1w.nii.gz",
            "sub-02_desc-medsr_T1w.nii.gz",
        )
        cases, left_out = match_folders(a, {"medsr": b})
        assert [(c.name, c.person) for c in cases] == [
            ("sub-01_ses-1_T1w", "01"),
            ("sub-01_ses-2_T1w", "01"),
            ("sub-02_T1w", "02"),
        ]
        assert cases[1].estimates["medsr"].name == "sub-01_ses-2_res-sr_desc-medsr_T1w.nii.gz"
        why = "There is no matching estimate medsr."
        assert left_out == [LeftOut("sub-02_T2w", "02", why, failed=False)]

    def test_plain_names_agree_or_begin_alike(self, tmp_path):
        a = folder(tmp_path / "a", "x1.nii.gz", "x10.nii.gz", "y.nii")
        b = folder(tmp_path / "b", "x1_enhanced.nii.gz", "x10_enhanced.nii.gz", "y.nii.gz")
        cases, left_out = match_folders(a, {"b": b}, low=a)
        assert [c.estimates["b"].name for c in cases] == [
            "x1_enhanced.nii.gz",
            "x10_enhanced.nii.gz",
            "y.nii.gz",
        ]
        assert [c.low.name for c in cases] == ["x1.nii.gz", "x10.nii.gz", "y.nii"]
        assert left_out == []

    def test_a_spread_is_no_estimate(self, tmp_path):
        a = folder(tmp_path / "a", "x.nii.gz")
        b = folder(tmp_path / "b", "x.nii.gz", "x_std.nii.gz")
        cases, _ = match_folders(a, {"b": b})
        assert cases[0].estimates["b"].name == "x.nii.gz"

    def test_two_candidates_are_refused(self, tmp_path):
        a = folder(tmp_path / "a", "x.nii.gz")
        b = folder(tmp_path / "b", "x_1.nii.gz", "x_2.nii.gz")
        with pytest.raises(Refused, match=r"2 files match it as estimate b \(x_1.nii.gz, x_2"):
            match_folders(a, {"b": b})

    def test_nothing_in_common(self, tmp_path):
        a = folder(tmp_path / "a", "x.nii.gz")
        b = folder(tmp_path / "b", "z.nii.gz")
        with pytest.raises(InputError, match="no scan in this folder has a match"):
            match_folders(a, {"b": b})
        with pytest.raises(InputError, match="no such folder"):
            match_folders(a, {"b": tmp_path / "none"})
        (tmp_path / "empty").mkdir()
        with pytest.raises(InputError, match="contains no scan"):
            match_folders(a, {"b": tmp_path / "empty"})

    def test_a_dicom_series_is_a_scan_and_a_folder_of_them_is_not(self, tmp_path):
        a = folder(tmp_path / "a", "p1/1.dcm", "p1/2.dcm", "p2/1.dcm")
        assert not is_case_folder(a / "p1")
        assert is_case_folder(a)
        b = folder(tmp_path / "b", "p1.nii.gz", "p2.nii.gz")
        cases, _ = match_folders(a, {"b": b})
        assert [c.reference.name for c in cases] == ["p1", "p2"]


class TestCsv:
    def test_columns_name_methods(self, tmp_path):
        folder(tmp_path, "r.nii", "a.nii", "b.nii", "l.nii")
        table = tmp_path / "pairs.csv"
        table.write_text(
            "case,person,reference,estimate:A,estimate:B,low\nc1,p,r.nii,a.nii,b.nii,l.nii\n"
            ",,r.nii,a.nii,b.nii,\n"
        )
        one, two = read_pairs(table)
        assert (one.name, one.person, one.low.name) == ("c1", "p", "l.nii")
        assert {k: v.name for k, v in one.estimates.items()} == {"A": "a.nii", "B": "b.nii"}
        assert (two.name, two.person, two.low) == ("r", "r", None)

    def test_cases_of_one_name_are_refused_before_any_work(self, tmp_path):
        folder(tmp_path, "p/r.nii", "q/r.nii")
        table = tmp_path / "pairs.csv"
        table.write_text("reference,estimate\np/r.nii,q/r.nii\nq/r.nii,p/r.nii\n")
        with pytest.raises(UsageError, match=r"Two cases are called r\..*column `case`"):
            unique(read_pairs(table))

    def test_faults_name_line_and_column(self, tmp_path):
        folder(tmp_path, "r.nii", "a.nii")
        table = tmp_path / "pairs.csv"
        table.write_text("reference,estimate\nr.nii,a.nii\nr.nii,gone.nii\n")
        with pytest.raises(InputError, match=r"line 3, column estimate: no file gone.nii"):
            read_pairs(table)
        table.write_text("ref,estimate\nr.nii,a.nii\n")
        with pytest.raises(InputError, match="needs the columns reference and estimate"):
            read_pairs(table)


class TestNames:
    def test_each_estimate_has_its_own(self, tmp_path):
        a, b = tmp_path / "A", tmp_path / "B"
        assert labelled([a], []) == {"estimate": a}
        assert labelled([a, b], []) == {"A": a, "B": b}
        assert labelled([a, b], ["x", "y"]) == {"x": a, "y": b}
        with pytest.raises(UsageError, match="1 names for 2 estimates"):
            labelled([a, b], ["x"])
        with pytest.raises(UsageError, match="differ from each other"):
            labelled([a, b], ["x", "x"])
        with pytest.raises(UsageError, match="cubic"):
            labelled([a], ["cubic"])
