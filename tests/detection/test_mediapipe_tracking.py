import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from s2hand.detection.mediapipe.records import HandReadings
from s2hand.detection.mediapipe.tracking import FRAMES_BETWEEN_SEARCHES, HandTracker

FRAME = np.zeros((240, 320, 3), np.uint8)
HAND = np.random.default_rng(0).normal(0, 15, (21, 2))
NOTHING = np.empty((0, 4))


class ScriptedDetector:
    """Stands in for the detector: hands move by a plan, and searches are counted.

    Attributes:
        hands: name -> function of the frame's number that gives (centre, probability of right) or None.
    """

    def __init__(self, **hands):
        self.hands, self.frame, self.searches = hands, -1, 0

    def places(self):
        seen = {name: plan(self.frame) for name, plan in self.hands.items()}
        return [place for place in seen.values() if place is not None]

    def readings(self, chosen, presence):
        count = len(chosen)
        return HandReadings(
            keypoints=np.array([HAND + centre for centre, _ in chosen]).reshape(-1, 21, 2),
            depth=np.zeros((count, 21)),
            world=np.zeros((count, 21, 3)),
            presence=np.array(presence, float),
            right=np.array([right for _, right in chosen], float),
            squares=np.zeros((count, 4)),
        )

    def find(self, images, *, filling=True):
        self.searches += 1
        places = self.places()
        return self.readings(places, [0.9] * len(places)), np.zeros(len(places), int)

    def read(self, images, photo_of, squares, looks):
        chosen, presence = [], []
        for square in squares:
            near = [place for place in self.places() if np.linalg.norm(place[0] - square[:2]) < 40]
            chosen.append(near[0] if near else (square[:2], 0.5))
            presence.append(0.95 if near else 0.1)
        return [self.readings(chosen, presence)]


def follow(detector, frames, **options):
    tracker, seen = HandTracker(detector, **options), []
    for number in range(frames):
        detector.frame = number
        seen.append(tracker(FRAME))
    return seen


def moving(start, speed, right=0.9, frames=range(10**6)):
    def plan(frame):
        return (np.array(start) + frame * np.array(speed), right) if frame in frames else None

    return plan


def test_hands_keep_their_numbers_while_palms_are_seldom_looked_for():
    detector = ScriptedDetector(a=moving((60, 120), (2, 0)), b=moving((260, 120), (-1, 0), right=0.1))
    seen = follow(detector, 30)
    assert all([number for number, _ in frame] == [0, 1] for frame in seen)
    assert all([hand.handedness for _, hand in frame] == ["right", "left"] for frame in seen)
    assert detector.searches == 30 / FRAMES_BETWEEN_SEARCHES


def test_a_newcomer_is_found_and_a_lost_hand_gets_another_number():
    detector = ScriptedDetector(
        a=moving((60, 120), (0, 0)), b=moving((260, 120), (0, 0), frames={*range(5, 12), *range(14, 40)})
    )
    seen = follow(detector, 40)
    numbers = [[number for number, _ in frame] for frame in seen]
    assert numbers[4] == [0]
    assert numbers[10] == [0, 1]
    assert numbers[12] == [0]
    assert numbers[39] == [0, 2]


def test_one_frame_does_not_change_a_hands_side_and_many_do():
    def plan(frame):
        doubtful = frame == 5 or frame > 20
        return np.array((160, 120)), 0.02 if doubtful else 0.98

    sides = [frame[0][1].handedness for frame in follow(ScriptedDetector(a=plan), 60)]
    assert sides[:21] == ["right"] * 21
    assert sides[-1] == "left"
    assert sum(a != b for a, b in pairwise(sides)) == 1


def test_hands_that_run_into_each_other_become_one():
    detector = ScriptedDetector(a=moving((60, 120), (4, 0)), b=moving((200, 120), (-4, 0)))
    met = follow(detector, 18)[-1]
    assert [number for number, _ in met] == [0]


@pytest.mark.parametrize("most", [1, 2])
def test_no_more_hands_than_asked_for_are_followed(most):
    places = {name: moving((60 + 100 * index, 120), (0, 0)) for index, name in enumerate("abc")}
    assert all(len(frame) == most for frame in follow(ScriptedDetector(**places), 12, most_hands=most))


def test_after_a_cut_hands_are_looked_for_anew():
    """What is followed may look like a hand in the next scene too, beside the one that is there."""
    detector = ScriptedDetector(
        a=moving((60, 120), (0, 0), frames=range(4)), b=moving((90, 120), (0, 0), frames=range(4, 9))
    )
    tracker, bright = HandTracker(detector), np.full_like(FRAME, 200)
    seen = []
    for number in range(8):
        detector.frame = number
        seen.append(
            [(n, *hand.keypoints.mean(0).round()) for n, hand in tracker(bright if number > 3 else FRAME)]
        )
    before, after = ([(n, *(HAND.mean(0) + place).round())] for n, place in ((0, (60, 120)), (1, (90, 120))))
    assert seen == [before] * 4 + [after] * 4
    assert detector.searches == 2


class DriftingDetector(ScriptedDetector):
    """What is followed is read far beside the hand from frame 4 on, and yet as present."""

    def read(self, images, photo_of, squares, looks):
        (readings,) = super().read(images, photo_of, squares, looks)
        astray = readings.keypoints * 2 - 60 if self.frame >= 4 else readings.keypoints
        return [HandReadings(**vars(readings) | {"keypoints": astray})]


def test_a_reading_that_goes_astray_is_replaced_by_the_hand_with_a_palm():
    detector = DriftingDetector(a=moving((100, 120), (0, 0)))
    seen = follow(detector, 5)
    assert detector.searches == 2  # at first, and when the reading jumped
    middles = [frame[0][1].keypoints.mean(0) - HAND.mean(0) for frame in seen]
    np.testing.assert_allclose(middles, [(100, 120)] * 5)
    assert [[number for number, _ in frame] for frame in seen] == [[0]] * 4 + [[1]]


def test_the_side_of_a_newcomer_is_judged_once_and_then_remembered():
    asked = []

    def judge(hands):
        asked.append(len(hands))
        return [replace(hand, handedness="left") for hand in hands]

    seen = follow(ScriptedDetector(a=moving((60, 120), (0, 0), right=0.65)), 12, judge=judge)
    assert [hand.handedness for frame in seen for _, hand in frame] == ["left"] * 12
    assert asked == [1, 0]


def test_without_hands_nothing_is_read():
    assert follow(ScriptedDetector(), 9) == [[]] * 9


def test_a_tracker_goes_on_from_any_frames_state():
    def hands():
        return ScriptedDetector(
            a=moving((60, 120), (1, 0)),
            b=moving((260, 120), (0, 1), right=0.2, frames={*range(3, 9), 14, 15}),
        )

    def shown(frames):
        return [[(n, hand.handedness, hand.keypoints.tolist()) for n, hand in frame] for frame in frames]

    wanted = shown(follow(hands(), 20))
    for stop in range(1, 20):
        detector, seen = hands(), []
        tracker = HandTracker(detector)
        for number in range(20):
            if number == stop:
                state = json.loads(json.dumps(tracker.state()))
                tracker = HandTracker(detector)
                tracker.resume(state)
            detector.frame = number
            seen.append(tracker(FRAME))
        assert shown(seen) == wanted
