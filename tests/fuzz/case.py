"""What one case is: files in a folder, made from a kind, a seed and a number."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

#: Planted in headers, sidecars and folder names; no message may show it.
SECRET = "Mustermann"

#: Planted in SeriesDescription, which `medsr info` alone shows.
DESCRIPTION = "Musterfrau"

#: Kinds of cases, in the order of their numbers in a seed.
KINDS = ("nifti", "dicom", "zip", "text")


@dataclass
class Case:
    """One input and what was done to it.

    Attributes:
        path: what a user would give medsr: a file or a folder.
        done: the mutations, in words.
    """

    path: Path
    done: list[str] = field(default_factory=list)


Make = Callable[[Random, Path], Case]


def random_for(kind: str, seed: int, number: int) -> Random:
    """The random numbers of one case; the same on every machine."""
    return Random(f"{kind} {seed} {number}")


def put(rng: Random, content: bytearray, count: int) -> None:
    """Overwrite a few bytes, anywhere."""
    for _ in range(count):
        if content:
            content[rng.randrange(len(content))] = rng.choice(
                (0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256))
            )


def cut(rng: Random, content: bytes) -> bytes:
    """A file that ends too early, or goes on too long."""
    kind = rng.randrange(4)
    if kind == 0:
        return content + bytes(rng.randrange(1, 2000))
    if kind == 1:
        return content + rng.randbytes(rng.randrange(1, 300))
    if kind == 2:
        return content[: -rng.randrange(1, 20)]
    return content[: rng.randrange(len(content) + 1)]
