"""Settings are checked, and files may extend one another."""

import pytest

from medsr.batch.cluster import load_queue_config
from medsr.config import load_config
from medsr.errors import InputError, UsageError
from medsr.node.rules import load_settings
from medsr.pages import load_page
from medsr.training.split import check_split
from tests.training.pages import small_page, write_page


@pytest.fixture
def config(tmp_path):
    return write_page(tmp_path / "t.yaml", small_page(tmp_path))


def test_an_unknown_key_names_the_nearest(config):
    with pytest.raises(UsageError, match="Did you mean 'learning_rate'"):
        load_config(config, ["optimizer.learning_rat=1"])
    with pytest.raises(UsageError, match="Did you mean 'person'"):
        load_config(config, ["data.validate=[{path: a.nii, persn: a}]"])
    with pytest.raises(UsageError, match=r"trainer\.steps"):
        load_config(config, ["trainer.steps=0"])


@pytest.mark.parametrize("name", ["mr-head", "ct-body", "tiny"])
def test_bundled_configurations_load_and_split_by_person(name, request):
    path = request.config.rootpath / "configs" / f"{name}.yaml"
    check_split(load_config(path))


@pytest.mark.parametrize(
    "name", ["heads", "ct_head", "t1w_only", "regression_mr", "regression_ct"]
)
def test_configurations_of_benchmarks_load_and_split_by_person(name, request):
    check_split(load_config(request.config.rootpath / "benchmarks" / f"{name}.yaml"))


def test_a_file_may_extend_another(config, tmp_path):
    page = {"extends": "../t.yaml", "seed": 9, "trainer": {"steps": 3}, "draw": {"factor": [2, 3]}}
    child = load_config(write_page(tmp_path / "sub" / "child.yaml", page), ["seed=10"])
    parent = load_config(config)
    assert (child.seed, child.trainer.steps, child.draw.factor) == (10, 3, (2.0, 3.0))
    assert child.trainer.validate_every == parent.trainer.validate_every
    assert child.data == parent.data


def test_files_that_extend_one_another_are_refused(tmp_path):
    write_page(tmp_path / "a.yaml", {"extends": "b.yaml"})
    write_page(tmp_path / "b.yaml", {"extends": "a.yaml"})
    with pytest.raises(UsageError, match="endless loop"):
        load_page(tmp_path / "a.yaml")
    write_page(tmp_path / "c.yaml", {"extends": "absent.yaml"})
    with pytest.raises(InputError, match=r"absent\.yaml: cannot be read"):
        load_page(tmp_path / "c.yaml")


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00a",
        b"date: 2024-13-45",
        b"sure: !!bool maybe",
        b"date: !!timestamp soon",
        b"[" * 5000,
        b"- a list",
        b"1: number",
        b"{",
        b"just text",
    ],
)
def test_what_is_no_page_of_settings_is_an_error_in_words(tmp_path, content):
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"odd\.yaml"):
        load_config(path)


def test_a_byte_order_mark_is_as_people_write_them(config):
    config.write_bytes(b"\xef\xbb\xbf" + config.read_bytes())
    assert load_config(config).name == "t"


@pytest.mark.parametrize("content", [b"a: " + b"[" * 9000, b"{b: " * 900, b"a: " + b"x" * 2**21])
def test_a_page_that_is_too_deep_or_too_large_is_refused_at_once(tmp_path, content):
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"odd\.yaml: is too large or too deeply nested"):
        load_config(path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 5000, b"date: 2024-13-45"])
def test_rules_and_cluster_pages_are_read_by_the_same_rules(tmp_path, content):
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    for load in (load_config, load_settings, load_queue_config):
        with pytest.raises(InputError, match=r"odd\.yaml"):
            load(path)
