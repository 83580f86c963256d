"""One adaptation for all scans of one protocol of a batch (`--adapt`).

The first worker that comes to a scan of a protocol adapts the model to the first few of its scans
and writes it to the folder `adapted_models` of the outputs: an ordinary model with its card, or
the card alone where the adaptation did not help. All others wait for it and use it, later runs,
too.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from threading import Lock

from medsr.batch.claim import Claim, acquire, beating, release
from medsr.batch.commit import hidden_folder
from medsr.batch.job import Item, Job
from medsr.errors import MedsrError
from medsr.network.checkpoint import card_path, load_card
from medsr.restore.adaptation import adaptation_of, adapted_card
from medsr.restore.enhancer import Enhancer
from medsr.restore.plan import Plan
from medsr.volume.atomic import write_text
from medsr.volume.formats import open_scan

__all__ = ["FOLDER", "adapted_to_protocol"]

#: Where the models lie, in the folder of the outputs.
FOLDER = "adapted_models"

#: How often a waiting worker looks whether the model is there, s.
LOOK_S = 1.0

#: Of several threads of a process one adapts; the others find its model.
_ONE_AT_A_TIME = Lock()


def adapted_to_protocol(enhancer: Enhancer, item: Item, job: Job) -> Enhancer:
    """The model that is adapted to the protocol of a scan; made if it is not there yet.

    Args:
        enhancer: the model of the scan's modality.
        item: the scan, in the plan.
        job: with the groups of the plan.

    Raises:
        OutputError: the folder of the outputs cannot be written.
        InputError: the adapted model is damaged.
    """
    seconds = job.options.adapt_s
    if seconds is None or item.protocol not in job.groups:
        return enhancer
    facts = [item.protocol, enhancer.digest, enhancer.card.settings_digest, seconds]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]
    weights = job.out / FOLDER / f"{key}.safetensors"
    with _ONE_AT_A_TIME:
        while not card_path(weights).is_file():
            claim = acquire(hidden_folder(job.out), key, uuid.uuid4().hex, job.means.claim_age_s)
            if claim is None:
                time.sleep(LOOK_S)
                continue
            _with_claim(claim, enhancer, seconds, item, job, weights)
        return _loaded(enhancer, weights)


def _with_claim(
    claim: Claim, enhancer: Enhancer, seconds: float, item: Item, job: Job, weights: Path
) -> None:
    """Adapt and write, unless another process was faster."""
    try:
        with beating(claim, job.means.claim_age_s):
            if not card_path(weights).is_file():
                plans = _plans(enhancer, job.groups[item.protocol], job)
                _write(enhancer.adapted(plans, seconds), weights)
    finally:
        release(claim)


def _plans(enhancer: Enhancer, items: tuple[Item, ...], job: Job) -> list[Plan]:
    """The plans of the scans that can be read and enhanced; the others say why in their turn."""
    plans = []
    for item in items:
        try:
            with open_scan(item.paths(job.root), name=item.label) as scan:
                plans.append(enhancer.plan(scan.volume, job.options))
        except MedsrError:
            continue
    return plans


def _write(adapted: Enhancer, weights: Path) -> None:
    """The weights, where they were kept, and last the card: where it is, the rest is."""
    if adapted.adaptation is not None and adapted.adaptation.kept:
        adapted.save(weights)
    elif adapted.adaptation is not None:
        card = adapted_card(adapted.card, adapted.adaptation)
        weights.parent.mkdir(parents=True, exist_ok=True)
        write_text(json.dumps(asdict(card), indent=2) + "\n", card_path(weights))


def _loaded(base: Enhancer, weights: Path) -> Enhancer:
    """The adapted model, or the base where the adaptation was not kept."""
    found = adaptation_of(load_card(card_path(weights)))
    if found is None or not found.kept:
        return Enhancer(base.denoiser, base.card, base.device, base.digest, found)
    model = _pretrained(weights, str(base.device))
    card = replace(model.card, name=f"{found.base}-adapted")
    return Enhancer(model.denoiser, card, model.device, model.digest, found)


@lru_cache(maxsize=2)
def _pretrained(weights: Path, device: str) -> Enhancer:
    return Enhancer.from_pretrained(weights, device=device)
