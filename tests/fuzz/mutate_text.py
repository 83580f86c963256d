"""Sidecars, pages of settings and model cards that no careful program would write."""

import json
from pathlib import Path
from random import Random

from tests.fuzz.case import SECRET, Case

SIDECAR = {
    "Modality": "MR", "MagneticFieldStrength": 3, "SliceThickness": 5.0,
    "SpacingBetweenSlices": 5.0, "EchoTime": 0.08, "PatientName": f"{SECRET}^Erika",
    "ImageType": ["ORIGINAL", "PRIMARY", "M"], "SliceProfile": "gaussian",
    "SkullStripped": False, "BidsGuess": ["anat", "T1w"], "SeriesDescription": SECRET,
    "ImageOrientationPatientDICOM": [1, 0, 0, 0, 1, 0], "Units": "arbitrary",
}  # fmt: skip

TRAINING = """
name: small
modality: MR
data:
  root: scans
  train: [{path: a, person: p}]
  validate: [{path: b, person: q}]
trainer: {steps: 3}
"""
RULES = """
allow: [ARCHIVE]
quiet_seconds: 30
rules:
  - {name: maps, description: "*loc*", enhance: false}
  - {name: thick, modality: MR, min_slice_spacing_mm: 2.5, steps: 1}
"""
QUEUE = """
cores: 4
memory: 16GB
walltime: "08:00:00"
directives: ["--x"]
"""

#: Values written as JSON, some of which Python reads and JSON does not know.
JSON_WORDS = (
    "null", "true", "[]", "{}", '""', "0", "-1", "1e999", "-1e999", "NaN", "Infinity", "1e308",
    "9" * 400, "9" * 5000, "-" + "9" * 400, '"5"', '"5,0"', '"5 mm"', '"NaN"', '"inf"', "[5]",
    "[[[]]]", '{"a": {"b": 1}}', '"\\u0000"', '"\\ud800"', '"\\u001b[31m"', '"' + "x" * 3000 + '"',
    f'"{SECRET}"', '"CT"', '"PT"', '"mr"', '["CT", "MR"]', '{"Value": ["CT"], "vr": "CS"}',
    "1e-300", "0.001", "1e9", '"PHASE"', '["ORIGINAL", "PRIMARY", "P"]',
    "5.0000000000000000000001",
)  # fmt: skip

#: Values written as YAML.
YAML_WORDS = (
    "2020-99-99", "2020-01-01", "12:61:99", "0x", "0o9", "1_000", "~", "yes", "!!binary x",
    "!!python/object:os.system x", "!!int x", "!!float x", "!!timestamp x", "!!set {a, b}",
    "!!omap [a: 1]", "!!null x", "&a [*a]", "*missing", "{? {a: 1} : 2}", "[1, 2", "<<: 3",
    "1e999", ".nan", ".inf", "-.inf", "9" * 400, "9" * 5000, "''", "[]", "{}", "[[1]]", "{a: 1}",
    '"\\0"', '"\\x1b[31m"', "@x", "`x`", "%x", "1:1:1:1:1:1", "0b2", "!x y", "=",
    "-1", "0", "1e-400", "'\ud7ff'", "!!str {a: b}", "!!bool maybe", "!!merge x",
)  # fmt: skip


def sidecar(rng: Random) -> bytes:
    """A sidecar: sound in most of its keys, odd in some."""
    keys = rng.sample(list(SIDECAR), rng.randrange(1, len(SIDECAR)))
    words = {json.dumps(key): json.dumps(SIDECAR[key]) for key in keys}
    for _ in range(rng.choice((0, 1, 1, 2))):
        words[json.dumps(rng.choice(list(SIDECAR)))] = rng.choice(JSON_WORDS)
    text = "{" + ", ".join(f"{key}: {value}" for key, value in words.items()) + "}"
    return _spoiled(rng, _nested(rng, text), "{}")


def _nested(rng: Random, text: str) -> str:
    kind = rng.random()
    if kind < 0.02:
        return "[" * rng.choice((100, 2000, 100_000))
    if kind < 0.03:
        depth = rng.choice((500, 50_000))
        return '{"a":' * depth + "1" + "}" * depth
    if kind < 0.06:
        return rng.choice(("[]", "null", "1", '"x"', "", " ", "[{}]", text + text, text[:-1]))
    return text


def _spoiled(rng: Random, text: str, empty: str) -> bytes:
    """In another encoding, with a byte order mark, cut, or with rubbish."""
    kind = rng.random()
    if kind < 0.7:
        return text.encode("utf-8", "surrogatepass")
    if kind < 0.8:
        code = rng.choice(("utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"))
        return text.encode(code, "replace")
    content = bytearray(text.encode("utf-8", "surrogatepass") or empty.encode())
    if kind < 0.85:
        return bytes(content[: rng.randrange(len(content))])
    if kind < 0.9:
        content[rng.randrange(len(content))] = rng.choice((0, 0x80, 0xFF, 0xC3, 0x1B))
        return bytes(content)
    if kind < 0.95:
        return bytes(content) + rng.choice((b"\0", b"\xff\xfe", b"//x", b",", b"\r\n", b"\x1a"))
    return "Größe ½".encode("latin-1") + bytes(content)


def page(rng: Random, sound: str) -> bytes:
    """A page of YAML with a few values or keys replaced."""
    lines = sound.strip().splitlines()
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        place = rng.randrange(len(lines))
        head, colon, _ = lines[place].partition(":")
        kind = rng.randrange(4)
        if kind == 0:
            lines[place] = f"{head}{colon or ':'} {rng.choice(YAML_WORDS)}"
        elif kind == 1:
            lines[place] = f"{rng.choice(YAML_WORDS)}: {rng.choice(YAML_WORDS)}"
        elif kind == 2:
            lines.insert(
                place, rng.choice(("\t", "---", "...", "? x", "- x", "%YAML 9", lines[place]))
            )
        else:
            lines[place] = lines[place].replace(
                rng.choice(("3", "MR", "[", "30", "a", "4", "{")), rng.choice(YAML_WORDS), 1
            )
    text = "\n".join(lines) + "\n"
    if rng.random() < 0.03:
        text += "x: " + rng.choice(("[", "{a: ", "- ")) * rng.choice((100, 3000))
    if rng.random() < 0.02:
        text += "a: &a [1]\n" + "".join(
            f"{chr(98 + k)}: &{chr(98 + k)} [{f'*{chr(97 + k)}, ' * 9}1]\n" for k in range(8)
        )
    return _spoiled(rng, text, "a: 1")


def card(rng: Random, sound: dict[str, object]) -> bytes:
    """A model card with fields of other types, more fields, or fewer."""
    words = {json.dumps(key): json.dumps(value) for key, value in sound.items()}
    for _ in range(rng.choice((0, 1, 1, 2))):
        words[rng.choice(list(words))] = rng.choice(JSON_WORDS)
    network = dict(sound["network"])  # type: ignore[call-overload]
    if rng.random() < 0.5:
        inner = {json.dumps(key): json.dumps(value) for key, value in network.items()}
        inner[rng.choice([*inner, '"x"'])] = rng.choice(
            (*JSON_WORDS, "[8, 16]", "[-8, 0]", "[[]]")
        )
        words['"network"'] = "{" + ", ".join(f"{k}: {v}" for k, v in inner.items()) + "}"
    if rng.random() < 0.2:
        words.pop(rng.choice(list(words)))
    if rng.random() < 0.1:
        words['"more"'] = rng.choice(JSON_WORDS)
    text = "{" + ", ".join(f"{key}: {value}" for key, value in words.items()) + "}"
    return _spoiled(rng, _nested(rng, text), "{}")


def make(rng: Random, folder: Path) -> Case:
    """One page of settings; its name says which reader takes it."""
    which = rng.choice(("train", "rules", "queue", "card"))
    if which == "card":
        from tests.fuzz.small_model import CARD, weights

        path = folder / "card.json"
        path.write_bytes(card(rng, CARD))
        (folder / "card.safetensors").symlink_to(weights())
        return Case(path, ["card"])
    path = folder / f"{which}.yaml"
    path.write_bytes(page(rng, {"train": TRAINING, "rules": RULES, "queue": QUEUE}[which]))
    return Case(path, [which])
