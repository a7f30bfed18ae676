"""What the app takes at most, so that nobody can fill its memory, its disk or its time."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Limits:
    """Upper bounds.

    Attributes:
        upload_mb: size of an uploaded file in megabytes.
        stored_mb: size of all uploads together; beyond it the oldest go.
        megapixels: size of a photo.
        hands: hands of one photo.
        video_megapixels: size of a video's frame.
        video_frames: length of a video; some 15 frames a second are reconstructed on one core.
        stream_s: seconds after which a webcam has to be started again.
        waiting: requests in the queue; further ones are refused.
        sessions: open pages; beyond it the one that was idle for longest is forgotten.
        idle_s: seconds after which a page that says nothing is forgotten.
    """

    upload_mb: float = 50
    stored_mb: float = 2_000
    megapixels: float = 40
    hands: int = 8
    video_megapixels: float = 9
    video_frames: int = 300
    stream_s: float = 120
    waiting: int = 64
    sessions: int = 32
    idle_s: float = 3_600

    @property
    def upload_bytes(self) -> int:
        return int(self.upload_mb * MEGABYTE)
