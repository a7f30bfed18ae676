"""Readers of the JSON of OpenPose, of MMPose and of COCO-WholeBody's annotations and results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from s2hand.datasets.json_files import as_array
from s2hand.detection.imported_hands import (
    ImageRef,
    ImportedHand,
    hand_of,
    hand_of_triples,
    is_list_of_objects,
    require,
)
from s2hand.errors import shown
from s2hand.skeleton import NUM_JOINTS

OPENPOSE_HANDS = {"left": "hand_left_keypoints_2d", "right": "hand_right_keypoints_2d"}
OPENPOSE_ENDING = "_keypoints"
"""What OpenPose appends to the image's name."""

COCO_HANDS = {"left": "lefthand_kpts", "right": "righthand_kpts"}

WHOLE_BODY_JOINTS = 133
WHOLE_BODY_HANDS = {"left": slice(91, 112), "right": slice(112, 133)}
"""COCO-WholeBody's 133 joints: 17 of the body, 6 of the feet, 68 of the face, 21 of either hand."""

LABELLED = 2.0
"""COCO's third number in annotations: 0 not labelled, 1 hidden, 2 visible; in results it is a confidence."""


def is_openpose(content: Any) -> bool:
    """Whether a JSON's content is what OpenPose writes for an image."""
    return isinstance(content, dict) and isinstance(content.get("people"), list)


def read_openpose(content: Any, stem: str, path: str) -> Iterator[ImportedHand | None]:
    """Reads the hands of all people of one image; None for each hand that was not found.

    Args:
        content: what the JSON file holds.
        stem: the file's name without ending, relative to the folder that was named.
        path: the file, for messages.

    Raises:
        DatasetError: something does not fit the format; likewise below.
    """
    image = ImageRef(stem.removesuffix(OPENPOSE_ENDING))
    require(is_list_of_objects(content["people"]), f"{path}, people: expected a list of objects")
    for number, person in enumerate(content["people"]):
        for hand, key in OPENPOSE_HANDS.items():
            if values := person.get(key):
                yield hand_of_triples(image, hand, values, f"{path}, person {number}, {key}")


def is_mmpose(content: Any) -> bool:
    """Whether a JSON's content is what MMPose writes for an image or a video."""
    if isinstance(content, dict):
        content = content.get("instance_info", content.get("predictions"))
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], list):
        content = content[0]
    return (
        is_list_of_objects(content)
        and bool(content)
        and ({"keypoints", "keypoint_scores"} <= set(content[0]) or "instances" in content[0])
    )


def read_mmpose(content: Any, stem: str, path: str) -> Iterator[ImportedHand | None]:
    """Reads the hands of all instances of one image: hands of 21 joints, or whole bodies of 133."""
    if isinstance(content, dict):
        content = content.get("instance_info", content.get("predictions"))
    if isinstance(content[0], list):
        content = content[0]
    require(
        "instances" not in content[0],
        f"{path}: these are the frames of a video; import the files of single images",
    )
    for number, instance in enumerate(content):
        what = f"{path}, instance {number}"
        points = as_array(instance.get("keypoints"), (None, 2), what=f"{what}, keypoints")
        scores = as_array(
            instance.get("keypoint_scores"), (len(points),), what=f"{what}, keypoint_scores"
        ).clip(0, 1)
        parts = {None: slice(0, NUM_JOINTS)} if len(points) == NUM_JOINTS else WHOLE_BODY_HANDS
        require(
            len(points) in (NUM_JOINTS, WHOLE_BODY_JOINTS),
            f"{what}: expected {NUM_JOINTS} joints of a hand or {WHOLE_BODY_JOINTS} of a whole body, got "
            f"{len(points)}",
        )
        for hand, part in parts.items():
            yield hand_of(ImageRef(stem), hand, points[part], scores[part])


def is_coco(content: Any) -> bool:
    """Whether a JSON's content is COCO's annotations or results."""
    if isinstance(content, dict):
        return isinstance(content.get("annotations"), list)
    return bool(content) and is_list_of_objects(content, ["image_id"])


def read_coco(content: Any, stem: str, path: str) -> Iterator[ImportedHand | None]:
    """Reads the hands of annotations (with a list of images) or of results (with the images' numbers)."""
    images = {}
    if isinstance(content, dict):
        require(
            is_list_of_objects(content.get("images")),
            f"{path}, images: expected a list of objects with id and file_name",
        )
        for image in content["images"]:
            require(
                isinstance(image.get("file_name"), str) and isinstance(image.get("id"), int | str),
                f"{path}, images: each needs an id, a number or text, and a file_name",
            )
            size = (image.get("width"), image.get("height"))
            known = all(type(side) is int and side > 0 for side in size)
            images[image["id"]] = ImageRef(image["file_name"], size=size if known else None)
        content = content["annotations"]
        require(is_list_of_objects(content), f"{path}, annotations: expected a list of objects")
    for number, entry in enumerate(content):
        what, key = f"{path}, annotation {number}", entry.get("image_id")
        require(
            type(key) is int or (isinstance(key, str) and key in images),
            f"{what}: image_id must be a whole number, got {shown(key)}",
        )
        require(not images or key in images, f"{what}: image_id {key} is not in the list of images")
        yield from _coco_hands(entry, images.get(key) or ImageRef(number=key), what)


def _coco_hands(entry: dict, image: ImageRef, what: str) -> Iterator[ImportedHand | None]:
    """The hands of an annotation: of a whole body, or one hand of 21 joints whose side is not known."""
    sided = {hand: entry[key] for hand, key in COCO_HANDS.items() if entry.get(key) is not None}
    values = entry.get("keypoints")
    if not sided and isinstance(values, list) and len(values) == 3 * WHOLE_BODY_JOINTS:
        joints = as_array(values, (3 * WHOLE_BODY_JOINTS,), what=f"{what}, keypoints").reshape(-1, 3)
        sided = {hand: joints[part].ravel().tolist() for hand, part in WHOLE_BODY_HANDS.items()}
    if not sided:
        require(
            isinstance(values, list) and len(values) == 3 * NUM_JOINTS,
            f"{what}: expected lefthand_kpts and righthand_kpts, or keypoints of {3 * NUM_JOINTS} or "
            f"{3 * WHOLE_BODY_JOINTS} numbers",
        )
        sided = {None: values}
    for hand, triples in sided.items():
        found = hand_of_triples(image, hand, triples, f"{what}, {COCO_HANDS.get(hand, 'keypoints')}")
        if found is not None and found.confidence.max() == LABELLED:
            labelled = (found.confidence > 0).astype(np.float32)
            found = ImportedHand(image, hand, found.keypoints, labelled)
        yield found
