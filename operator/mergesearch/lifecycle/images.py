"""Which images run: those that ran first stay in the status, and another one in mid-search is told; pure."""

from mergesearch.lifecycle import roles
from mergesearch.lifecycle.step import Step

CHANGED = "Now"
"""Suffix of the key of an image that is another than the first of its kind."""


def note(step: Step) -> Step:
    """Remember the images of the children that are there."""
    stages = {launch.number: launch.stage for launch in step.status.launches}
    known = dict(step.status.images)
    for child in step.observed.children:
        for image in (child.image, *child.other_images):
            if not image or child.launch not in stages:
                continue
            role = "evaluator" if stages[child.launch] in roles.EVALUATOR_STAGES else "merger"
            if known.setdefault(role, image) != image:
                known[role + CHANGED] = image
    return step if known == step.status.images else step.change(images=known)


def changed(images: dict[str, str]) -> str:
    """What ran first and what runs now, in words; empty where all are the same."""
    roles = [role for role in images if role + CHANGED in images]
    return "; ".join(f"the {role} ran {images[role]} first, later {images[role + CHANGED]}" for role in roles)
