"""Motion files read back by a small parser: the joints are where they were."""

import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from s2hand.export import to_gltf_frame, write_bvh
from s2hand.export.bvh import even_interval
from s2hand.skeleton import JOINT_NAMES


def read_bvh(path):
    """Name -> places (N, 3) of all joints and tips ("NAME/tip"), and the frame time."""
    hierarchy, motion = path.read_text().split("MOTION\n")
    numbers = np.array([line.split() for line in motion.splitlines()[2:]], float)
    frame_time = float(re.search(r"Frame Time: (\S+)", motion)[1])
    assert int(re.search(r"Frames: (\d+)", motion)[1]) == len(numbers)
    places, turns, stack, column = {}, {}, [], 0
    for line in hierarchy.splitlines():
        words = line.split()
        if words[0] in ("ROOT", "JOINT"):
            stack.append(words[1])
        elif words[0] == "End":
            stack.append(f"{stack[-1]}/tip")
        elif words[0] == "OFFSET":
            offset = np.array(words[1:], float)
            if len(stack) > 1:
                parent = stack[-2]
                places[stack[-1]] = places[parent] + turns[parent].apply(offset)
        elif words[0] == "CHANNELS":
            assert int(words[1]) == len(words) - 2
            if len(stack) == 1:
                assert words[2:5] == ["Xposition", "Yposition", "Zposition"]
                places[stack[-1]], column = numbers[:, :3] + offset, 3
            order = "".join(word[0] for word in words[-3:])
            own = Rotation.from_euler(order, numbers[:, column : column + 3], degrees=True)
            turns[stack[-1]] = own if len(stack) == 1 else turns[stack[-2]] * own
            column += 3
        elif words[0] == "}":
            stack.pop()
    assert column == numbers.shape[1]
    return places, frame_time


def in_order(places) -> np.ndarray:
    """(N, 21, 3) in FreiHAND order."""
    ends = {"thumb": "ip", "index": "dip", "middle": "dip", "ring": "dip", "little": "dip"}
    names = [f"{name[:-4]}_{ends[name[:-4]]}/tip" if name.endswith("_tip") else name for name in JOINT_NAMES]
    return np.stack([places[name] for name in names], 1)


def test_a_photos_joints_and_tips_are_where_they_were(rig, left_hand, tmp_path):
    written = write_bvh(tmp_path / "sub/a.bvh", rig)
    assert written == (pytest.approx(1 / 30), False)
    places, frame_time = read_bvh(tmp_path / "sub/a.bvh")
    assert frame_time == pytest.approx(1 / 30, abs=1e-8)
    np.testing.assert_allclose(in_order(places)[0], to_gltf_frame(left_hand.joints), atol=2e-6)


def test_time_stamps_in_milliseconds_are_even():
    times = np.arange(12) / 30
    assert even_interval(np.round(times, 3)) == pytest.approx(1 / 30, rel=0.01)
    times[6] += 0.1 / 30
    assert even_interval(times) is None
    assert even_interval(times[:1]) is None


def test_uneven_frames_are_resampled(moving_rig, motion, tmp_path):
    all_frames = np.array([0, 0.03, 0.07, *motion.times_s[:2], 0.17, 0.25, *motion.times_s[2:4], 0.41, 0.5])
    interval, resampled = write_bvh(tmp_path / "a.bvh", moving_rig, all_frames)
    assert resampled
    assert interval == pytest.approx(np.median(np.diff(all_frames)))
    places, frame_time = read_bvh(tmp_path / "a.bvh")
    wrist = places["wrist"]
    assert len(wrist) == round(0.5 / frame_time) + 1
    expected = to_gltf_frame(motion.joints[:, 0])
    np.testing.assert_allclose(
        wrist[: int(0.1 / frame_time)], expected[:1].repeat(int(0.1 / frame_time), 0), atol=2e-6
    )
    sampled = np.stack(
        [np.interp(np.arange(len(wrist)) * frame_time, motion.times_s, axis) for axis in expected.T], -1
    )
    np.testing.assert_allclose(wrist, sampled, atol=2e-6)


def test_a_hand_that_is_lost_for_a_while_moves_on_between_even_frames(moving_rig, tmp_path):
    times = np.arange(12) * 0.05
    seen = moving_rig.__class__(**vars(moving_rig) | {"times_s": times[[3, 4, 7, 8, 10]]})
    interval, resampled = write_bvh(tmp_path / "a.bvh", seen, times)
    assert (interval, resampled) == (pytest.approx(0.05), False)
    places, _ = read_bvh(tmp_path / "a.bvh")
    assert len(places["wrist"]) == 11  # to the last frame that shows the hand
    np.testing.assert_allclose(places["wrist"][[3, 4, 7, 8, 10]], seen.positions, atol=2e-6)
    between = (seen.positions[1] * 2 + seen.positions[2]) / 3
    np.testing.assert_allclose(places["wrist"][5], between, atol=2e-6)
