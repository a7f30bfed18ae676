"""The bundled detector: every hand of every photo, by MediaPipe's palm detector and landmark network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from s2hand.detection.mediapipe.confidence import confidence_of_looks, confidence_of_one_look
from s2hand.detection.mediapipe.looks import (
    LOOKS,
    PLAIN_LOOK,
    Look,
    combine,
    readings_in_photo,
    world_spread,
)
from s2hand.detection.mediapipe.records import DetectedHand, HandReadings, without_repetitions
from s2hand.detection.mediapipe.sampling import sample_squares
from s2hand.detection.mediapipe.searches import (
    FIRST_SEARCH,
    PRESENCE_THRESHOLD,
    SEARCHES,
    SURE_PRESENCE,
    WHOLE_SQUARES,
    PalmSearch,
    squares_of_whole_photo,
)
from s2hand.detection.mediapipe.squares import squares_of_landmarks
from s2hand.errors import S2HandError
from s2hand.models.mediapipe import HandLandmarkNet, PalmNet, load_landmark_net, load_palm_net
from s2hand.models.mediapipe.landmarks import HAND_IMAGE_SIZE
from s2hand.models.mediapipe.packed import can_pack, pack_network
from s2hand.models.mediapipe.palm import PALM_IMAGE_SIZE

BATCH_SIZES = {"cpu": 4, "cuda": 128}
"""Pictures that go through a network at once: on CPUs as many as leave its maps in the cache."""


class DetectionError(S2HandError):
    """What was given to a detector is not a photo."""


class HandDetector:
    """Finds the hands of photos.

    Args:
        palm_net: finds palms.
        landmark_net: reads the landmarks of the hand in a square.
        device: where they compute.
        looks: at each hand that was found, the first plain; one is faster, more are better and tell how sure
            each keypoint is.
        second_look: whether photos in which no hand was found are searched again.
    """

    def __init__(
        self,
        palm_net: PalmNet,
        landmark_net: HandLandmarkNet,
        *,
        device: str | torch.device = "cpu",
        looks: Sequence[Look] = LOOKS,
        second_look: bool = True,
    ):
        self.device = torch.device(device)
        self.palm_net = palm_net.to(self.device).eval()
        self.landmark_net = landmark_net.to(self.device).eval()
        self.batch_size = BATCH_SIZES[self.device.type]
        self.looks = tuple(looks)
        self.second_look = second_look

    @classmethod
    def bundled(
        cls, device: str | torch.device = "auto", *, looks: Sequence[Look] = LOOKS, second_look: bool = True
    ) -> HandDetector:
        """The detector with the weights that the package ships.

        Args:
            device: "auto" for CUDA where there is a device, else the CPU.
            looks: as the class takes them.
            second_look: likewise.
        """
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        palm_net, landmark_net = load_palm_net(), load_landmark_net()
        if torch.device(device).type == "cpu" and can_pack():
            palm_net = pack_network(palm_net, PALM_IMAGE_SIZE)
            landmark_net = pack_network(landmark_net, HAND_IMAGE_SIZE)
        return cls(palm_net, landmark_net, device=device, looks=looks, second_look=second_look)

    def __call__(self, images: Sequence[np.ndarray]) -> list[list[DetectedHand]]:
        """All hands of photos, which are worked on together.

        Args:
            images: (H, W, 3) uint8 RGB each, of any sizes, upright.

        Returns:
            For each photo its hands, those with the likeliest palms first.

        Raises:
            DetectionError: an image is not such an array.
        """
        require_photos(images)
        if not images:
            return []
        readings, photo_of = self.find(images)
        confidence, in_space = confidence_of_one_look(len(photo_of)), None
        if len(self.looks) > 1 and len(photo_of):
            looks = self.look_again(images, photo_of, readings)
            readings, spread = combine(looks)
            in_space = world_spread(looks, readings.world)
            confidence = confidence_of_looks(spread)
        hands = readings.hands(confidence, in_space)
        return [[hands[i] for i in np.flatnonzero(photo_of == photo)] for photo in range(len(images))]

    @torch.inference_mode()
    def read(
        self,
        images: Sequence[np.ndarray],
        photo_of: np.ndarray,
        squares: np.ndarray,
        looks: Sequence[Look] = (PLAIN_LOOK,),
    ) -> list[HandReadings]:
        """Reads landmarks in given squares, as of a video's last frame; in one batch.

        Args:
            images: (H, W, 3) uint8 RGB each.
            photo_of: (N,) index of each square's photo.
            squares: (N, 4) px of the photos.
            looks: at each square.

        Returns:
            One reading of all squares a look, whatever the presence.
        """
        rows = [look.squares(squares) for look in looks]
        crops = np.empty((len(looks), len(squares), HAND_IMAGE_SIZE, HAND_IMAGE_SIZE, 3), np.uint8)
        for look, looked_at, pictures in zip(looks, rows, crops, strict=True):
            for photo in np.unique(photo_of):
                of_photo = photo_of == photo
                cut = sample_squares(images[photo], looked_at[of_photo], HAND_IMAGE_SIZE, beyond="edge")
                pictures[of_photo] = cut[:, :, ::-1] if look.mirrored else cut
        answers = [
            answer.unflatten(0, crops.shape[:2]).cpu().numpy().astype(np.float64)
            for answer in self._answers(self.landmark_net, crops.reshape(-1, *crops.shape[2:]))
        ]
        return [
            readings_in_photo(look, *answer, looked_at)
            for look, looked_at, *answer in zip(looks, rows, *answers, strict=True)
        ]

    def find(self, images: Sequence[np.ndarray], *, filling: bool = True) -> tuple[HandReadings, np.ndarray]:
        """One plain look at every hand, and the index of each hand's photo.

        Args:
            images: (H, W, 3) uint8 RGB each.
            filling: whether a photo in which no palm leads to a hand is also searched for one that fills it,
                which takes as long as eight looks at a hand.
        """
        found = [(HandReadings.none(), np.empty(0, int))]
        empty = np.arange(len(images))

        def keep(hands: tuple[HandReadings, np.ndarray]) -> None:
            nonlocal empty
            found.append(hands)
            empty = np.setdiff1d(empty, hands[1])

        for search in SEARCHES if self.second_look else (FIRST_SEARCH,):
            answers = self._palm_answers(images, empty, search) if len(empty) else {}
            for least_palm, least_presence in search.thresholds:
                if not len(empty):
                    break
                squares = [search.squares_of_hands(images[i], *answers[i], least_palm) for i in empty]
                keep(self._hands_in(images, empty, squares, least_presence))
        if filling and self.second_look and len(empty):
            keep(self._hands_that_fill(images, empty))
        readings, photo_of = zip(*found, strict=True)
        return HandReadings.joined(readings), np.concatenate(photo_of)

    def look_again(
        self, images: Sequence[np.ndarray], photo_of: np.ndarray, first: HandReadings
    ) -> list[HandReadings]:
        """All looks at hands: the first one, and the others at the squares that follow from its landmarks.

        Args:
            images: (H, W, 3) uint8 RGB each.
            photo_of: (N,) index of each hand's photo.
            first: from :meth:`find`.
        """
        return [first, *self.read(images, photo_of, squares_of_landmarks(first.keypoints), self.looks[1:])]

    def _hands_in(
        self,
        images: Sequence[np.ndarray],
        photos: np.ndarray,
        squares: list[np.ndarray],
        least_presence: float,
    ) -> tuple[HandReadings, np.ndarray]:
        """The hands in squares (N, 4) of each of some photos, and the index of each hand's photo."""
        photo_of = photos.repeat([len(of_photo) for of_photo in squares])
        readings = self.read(images, photo_of, np.concatenate([np.empty((0, 4)), *squares]))[0]
        kept = [
            found[without_repetitions(readings.keypoints[found], readings.presence[found])]
            for photo in photos
            if len(found := np.flatnonzero((photo_of == photo) & (readings.presence > least_presence)))
        ]
        kept = np.concatenate([np.empty(0, int), *kept])
        return readings[kept], photo_of[kept]

    def _hands_that_fill(
        self, images: Sequence[np.ndarray], photos: np.ndarray
    ) -> tuple[HandReadings, np.ndarray]:
        """The hands that fill some photos, and the index of each hand's photo.

        The square in which a hand is likeliest guesses its size and direction badly, so it is read again.
        """
        squares = np.concatenate([squares_of_whole_photo(images[photo]) for photo in photos])
        readings = self.read(images, photos.repeat(WHOLE_SQUARES), squares)[0]
        best = np.arange(0, len(squares), WHOLE_SQUARES)
        best += readings.presence.reshape(-1, WHOLE_SQUARES).argmax(axis=1)
        sure = readings.presence[best] > SURE_PRESENCE
        readings, photos = readings[best[sure]], photos[sure]
        readings = self.read(images, photos, squares_of_landmarks(readings.keypoints))[0]
        sure = readings.presence > PRESENCE_THRESHOLD
        return readings[sure], photos[sure]

    @torch.inference_mode()
    def _palm_answers(
        self, images: Sequence[np.ndarray], photos: np.ndarray, search: PalmSearch
    ) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """Boxes (2016, 18) and logits (2016,) of each of some photos."""
        pictures = np.empty((len(photos), PALM_IMAGE_SIZE, PALM_IMAGE_SIZE, 3), np.uint8)
        for picture, photo in zip(pictures, photos, strict=True):
            square = search.square(images[photo])
            picture[:] = sample_squares(images[photo], square, PALM_IMAGE_SIZE, beyond=search.beyond)[0]
        boxes, logits = (answer.cpu().numpy() for answer in self._answers(self.palm_net, pictures))
        return {photo: (boxes[i], logits[i]) for i, photo in enumerate(photos.tolist())}

    def _answers(self, net: nn.Module, pictures: np.ndarray) -> tuple[Tensor, ...]:
        """A network's answers to (B, S, S, 3) uint8 pictures, which lie in memory as it wants them."""
        batch = torch.from_numpy(pictures).to(self.device).permute(0, 3, 1, 2)
        parts = [net(part.float().div_(255)) for part in batch.split(self.batch_size)]
        return tuple(torch.cat(answers) for answers in zip(*parts, strict=True))


def require_photos(images: Sequence[np.ndarray]) -> None:
    """Refuses what is no list of photos.

    Raises:
        DetectionError: an image is not (H, W, 3) uint8.
    """
    for index, image in enumerate(images):
        if (
            not isinstance(image, np.ndarray)
            or image.dtype != np.uint8
            or image.ndim != 3
            or image.shape[2] != 3
        ):
            kind = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
            raise DetectionError(f"image {index}: expected a uint8 RGB array (H, W, 3), got {kind}")
        if not image.size:
            raise DetectionError(f"image {index}: it has no pixels, its shape is {image.shape}")
