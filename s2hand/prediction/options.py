"""What can be chosen about predictions, and every default; imports nothing, for the command line's help."""

from __future__ import annotations

from dataclasses import dataclass

from s2hand.errors import S2HandError

AUTO = "auto"

PHOTO_FORMATS = ("overlay", "mask")
MOTION_FORMATS = ("skinned", "bvh", "robot")
"""Those that hold poses, which videos have as well."""

HAND_FORMATS = ("glb", "obj", "ply", "json", "npz", *MOTION_FORMATS)
FORMATS = PHOTO_FORMATS + HAND_FORMATS
ENDINGS = {name: name for name in HAND_FORMATS} | {"skinned": "skinned.glb", "robot": "robot.json"}
"""How the files' names end."""

DEFAULT_FORMATS = ("overlay", "glb", "json", "npz")

HAND_LENGTHS_MM = (100.0, 260.0)
"""Lengths that hands have, from children's to the largest; others are taken for another unit."""

DEFAULT_BATCH = 16
"""Hands that go through the network at once."""


@dataclass(frozen=True)
class PredictOptions:
    """How to predict and what to write; plain JSON values, which the index of the results repeats.

    Attributes:
        detections: a detections file, or None.
        hand: "left", "right", or "auto": as in the detections, else right.
        focal: focal length in pixels of all photos without a camera of their own, or None.
        K: fx, fy, cx and cy of those photos in pixels, or None.
        formats: what to write, a subset of ``FORMATS``; of videos, overlay and numbers are always written,
            and further only ``MOTION_FORMATS``.
        unlit: whether .glb files show the albedo as it is, without light.
        refine: number of steps in which hands are fitted to the detections, or else to the keypoints of the
            network's 2D branch; 0 leaves the fit out. None: photos are fitted if the bundled network lifts
            them, whose steps are its own; videos are not.
        fast: whether the bundled detector looks once at each hand instead of five times, and photos are not
            fitted unless ``refine`` says so.
        photometric: whether that fit also follows silhouette and colours of the photo.
        smooth: whether hands in videos are steadied over time.
        hand_length_mm: wrist to tip of the middle finger of all hands, which sets their size and distance;
            None: as the shape that was found says, which is a guess.
        page: whether index.html shows everything.

    Raises:
        S2HandError: there is no such format, nothing to write, no hand has this length, or what is said of
            refinement contradicts itself.
    """

    detections: str | None = None
    hand: str = AUTO
    focal: float | None = None
    K: tuple[float, float, float, float] | None = None
    formats: tuple[str, ...] = DEFAULT_FORMATS
    unlit: bool = False
    refine: int | None = None
    fast: bool = False
    photometric: bool = False
    smooth: bool = True
    hand_length_mm: float | None = None
    page: bool = True

    def __post_init__(self):
        if unknown := sorted(set(self.formats) - set(FORMATS)):
            raise S2HandError(f"formats: there is no {unknown[0]!r}; choose among {', '.join(FORMATS)}")
        if not self.formats:
            raise S2HandError(f"formats: nothing to write; choose among {', '.join(FORMATS)}")
        if self.refine is not None and self.refine < 0:
            raise S2HandError(f"--refine: expected 0 or more steps, got {self.refine}")
        if self.photometric and self.refine == 0:
            raise S2HandError("--photometric refines hands, and --refine 0 switches that off: leave one out")
        check_hand_length(self.hand_length_mm)


def check_hand_length(length_mm: float | None) -> None:
    """Refuses what cannot be the length of a hand in millimetres; None passes.

    Raises:
        S2HandError: it is too short or too long.
    """
    low, high = HAND_LENGTHS_MM
    if length_mm is not None and not low <= length_mm <= high:
        raise S2HandError(
            f"hand length: expected {low:g} to {high:g} mm from the wrist to the tip of the middle finger, "
            f"got {length_mm:g}"
        )
