import pytest

from medsr.errors import InputError, MedsrError
from medsr.node.rules import Facts, Rule, choose_rule, load_settings, may_match


def test_settings_from_yaml(tmp_path):
    page = tmp_path / "rules.yaml"
    page.write_text("allow: [ARCHIVE]\nrules:\n  - {name: head, modality: MR, steps: 1}\n")
    settings = load_settings(page)
    assert settings.allow == ("ARCHIVE",)
    assert settings.rules[0].options.steps == 1
    assert load_settings(None).rules[0].enhance


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("allowed: [X]", "unknown setting 'allowed'. Did you mean 'allow'?"),
        ("rules: [{name: x, modalty: MR}]", "Did you mean 'modality'"),
        ("quiet_seconds: -1", "setting 'quiet_seconds'"),
        ("allow: [A_NAME_THAT_IS_TOO_LONG]", "setting 'allow.0'"),
        ("- 1", "key: value"),
    ],
)
def test_a_wrong_page_is_refused_in_words(tmp_path, text, words):
    page = tmp_path / "rules.yaml"
    page.write_text(text)
    with pytest.raises(MedsrError) as fault:
        load_settings(page)
    assert words in str(fault.value)


def test_a_missing_or_broken_page(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_settings(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(InputError, match="not valid YAML"):
        load_settings(tmp_path / "bad.yaml")


def test_the_first_rule_that_fits_decides():
    rules = [
        Rule(name="maps", description="*ADC*", enhance=False),
        Rule(name="thick", modality="MR", min_slice_spacing_mm=3, body_part="head"),
        Rule(name="ct", modality="CT", min_slices=30),
    ]
    thick = Facts("MR", 20, "T2 tra", "HEAD", 5.0)
    assert choose_rule(rules, thick).name == "thick"
    assert choose_rule(rules, Facts("MR", 20, "T2 tra", "HEAD", 1.0)) is None
    assert choose_rule(rules, Facts("MR", 20, "T2 tra", "KNEE", 5.0)) is None
    assert choose_rule(rules, Facts("MR", 20, "ep2d adc", "HEAD", 5.0)) is None
    assert choose_rule(rules, Facts("CT", 29, "", "", 5.0)) is None
    assert choose_rule(rules, Facts("CT", 30, "", "", 5.0)).name == "ct"
    assert may_match(rules, Facts("MR", 20, "T2 tra", "HEAD"))
    assert not may_match(rules, Facts("MR", 20, "T2 tra", "KNEE"))


@pytest.mark.parametrize(
    "text", [b"cores: 2020-99-99", b"a: !!timestamp x", b"a: \xff", b"[" * 3000]
)
def test_a_page_that_is_no_yaml_is_refused_in_words(tmp_path, text):
    (tmp_path / "page.yaml").write_bytes(text)
    with pytest.raises(InputError, match=r"page\.yaml: "):
        load_settings(tmp_path / "page.yaml")
