"""Facts about the processes of the two stages: their queues, images, resources and engines; pure."""

import json
import math
import re
from collections.abc import Iterator
from decimal import Decimal

from mergesearch.api import spec
from mergesearch.api.check_volumes import SUBDOMAIN, is_subdomain
from mergesearch.api.problem import Problem, render, words
from mergesearch.api.resource import MergeSearch

DECIDED_ELSEWHERE = {
    "model": "spec.checkpoints and the search",
    "pretrained": "spec.checkpoints and the search",
    "tokenizer": "spec.merge.tokenizerFrom",
    "dtype": "spec.evaluator.dtype",
    "seed": "spec.search.seed",
    "batch_size": "spec.evaluator.batchSize",
    "max_gen_toks": "spec.evaluator.maxGenToks",
}
"""Arguments of a backend that other fields decide."""

_QUANTITY = re.compile(r"(?P<number>[0-9]+(\.[0-9]*)?|\.[0-9]+)(?P<unit>[EPTGMK]i|[numkMGTPE]|[eE][-+]?[0-9]{1,3})?")
_DECIMAL_UNITS = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_UNITS: dict[str, int] = {f"{letter}i": 2 ** (10 * power) for power, letter in enumerate("KMGTPE", start=1)}
_IMAGE = re.compile(r"[^\s]+")


def amount_of(quantity: str) -> Decimal | None:
    """The number that a quantity of a container's resources means; None if it is none."""
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        return None
    number, unit = Decimal(match["number"]), match["unit"] or ""
    if unit in _BINARY_UNITS:
        return number * _BINARY_UNITS[unit]
    power = int(unit[1:]) if unit[:1] in ("e", "E") and unit[1:] else _DECIMAL_UNITS.get(unit, 0)
    return number.scaleb(power)


def stages(resource: MergeSearch) -> tuple[tuple[str, spec.Stage], ...]:
    """The two stages, with their names."""
    return (("merger", resource.spec.merger), ("evaluator", resource.spec.evaluator))


def priority_belongs_to_a_queue(resource: MergeSearch) -> Iterator[Problem]:
    """Kueue's priority means nothing outside of a queue."""
    for name, stage in stages(resource):
        if stage.priority_class is not None and stage.queue_name is None:
            yield Problem(
                f"spec.{name}.priorityClass",
                words(stage.priority_class),
                "a queueName beside it; a pod's own priority is template.priorityClassName",
                "this is a priority in Kueue's queue, and no queue is named",
                rests_on=(f"spec.{name}.queueName",),
            )


def batch_size_belongs_to_hf(resource: MergeSearch) -> Iterator[Problem]:
    """VLLM decides by itself how many prompts it answers at once."""
    evaluator = resource.spec.evaluator
    if evaluator.batch_size is not None and evaluator.backend != "hf":
        yield Problem(
            "spec.evaluator.batchSize",
            f"the number {evaluator.batch_size}",
            "no batchSize, or the backend hf; candidates per process are spec.evaluator.batch",
            f"the backend {evaluator.backend} decides by itself how many prompts it answers at once",
            rests_on=("spec.evaluator.backend",),
        )


def engine_arguments_mean_something(resource: MergeSearch) -> Iterator[Problem]:
    """They read like JSON's numbers and truth values, or are texts; what has a field of its own is not among them."""
    for name, text in resource.spec.evaluator.engine_args.items():
        where = render(("spec", "evaluator", "engineArgs", name))
        if name in DECIDED_ELSEWHERE:
            yield Problem(where, words(text), DECIDED_ELSEWHERE[name], "another field decides this")
        elif text in ("True", "False"):
            message = "the backend would take this for a text"
            yield Problem(where, words(text), f'"{text.lower()}"', message, text.lower())
        elif not _is_finite(text):
            yield Problem(where, words(text), "a finite number, true, false or a text", "this is not a finite number")


def images_are_names(resource: MergeSearch) -> Iterator[Problem]:
    """No registry serves an image whose name is empty or has spaces."""
    for name, stage in stages(resource):
        if stage.image is not None and not _IMAGE.fullmatch(stage.image):
            allowed = "a name without spaces; or no image, which takes the operator's default"
            yield Problem(f"spec.{name}.image", words(stage.image), allowed, "no image is called this")


def references_are_names(resource: MergeSearch) -> Iterator[Problem]:
    """Queues and classes are found by names that Kubernetes allows."""
    for stage_name, stage in stages(resource):
        names = {
            "queueName": stage.queue_name,
            "priorityClass": stage.priority_class,
            "template.priorityClassName": stage.template.priority_class_name,
            "template.runtimeClassName": stage.template.runtime_class_name,
        }
        for field, name in names.items():
            if name is not None and not is_subdomain(name):
                where = f"spec.{stage_name}.{field}"
                yield Problem(where, words(name), SUBDOMAIN, "Kubernetes knows no such names")


def resources_are_quantities(resource: MergeSearch) -> Iterator[Problem]:
    """Kubernetes refuses a pod with other amounts, and one that asks for more than its limit."""
    for stage_name, stage in stages(resource):
        parts = {"requests": stage.resources.requests, "limits": stage.resources.limits}
        for part, amounts in parts.items():
            for name, text in amounts.items():
                amount = amount_of(text)
                where = render(("spec", stage_name, "resources", part, name))
                if amount is None:
                    yield Problem(where, words(text), 'a quantity such as "4", "500m" or "16Gi"', "this is no quantity")
                elif "/" in name and amount != amount.to_integral_value():
                    yield Problem(where, words(text), "a whole number", f"{name} cannot be shared out in parts")
        yield from _requests_within_limits(stage_name, stage.resources)


def _requests_within_limits(stage: str, resources: spec.Resources) -> Iterator[Problem]:
    for name, text in resources.requests.items():
        limit = resources.limits.get(name)
        amount, most = amount_of(text), None if limit is None else amount_of(limit)
        if amount is None or (limit is not None and most is None):
            continue
        whole = "/" in name
        if most is not None and (amount > most or (whole and amount != most)):
            message = "the request and the limit have to be the same" if whole else "the request is above the limit"
        elif most is None and whole:
            message = f"{name} needs a limit, and a request of its own is not needed"
        else:
            continue
        where, other = ("spec", stage, "resources", "requests", name), ("spec", stage, "resources", "limits", name)
        allowed = (
            f"at most {limit}, the limit"
            if most is not None and not whole
            else f"the limit{'' if limit is None else ', ' + limit}"
        )
        yield Problem(render(where), words(text), allowed, message, rests_on=(render(other),))


def _is_finite(text: str) -> bool:
    """Whether `text`, read as JSON, is anything but NaN or an infinity."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return True
    return not isinstance(value, float) or math.isfinite(value)
