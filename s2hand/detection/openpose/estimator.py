"""From images to hand keypoints with OpenPose's network at several scales (Simon et al., CVPR 2017).

Only linear steps lie between the network's maps and the averaged maps: enlarging by the stride, cropping the
padding, resizing to the image, averaging. Each scale's steps are one matrix per axis, so the enlarged maps
are never formed; smoothing is one more factor of that matrix.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from s2hand.detection.openpose.network import BACKGROUND, STRIDE, OpenPoseHandNet
from s2hand.detection.openpose.peaks import find_peaks, smoothing_matrix
from s2hand.detection.openpose.resampling import cubic_matrix, resize_uint8
from s2hand.errors import S2HandError

SCALES = (0.5, 1.0, 1.5, 2.0)
"""The published detector's scales, relative to ``BOX_SIZE``."""

FAST_SCALES = (1.0,)
BOX_SIZE = 368
"""Height in pixels to which scale 1 resizes an image."""

PADDING_VALUE = 128
INPUT_SCALE, INPUT_OFFSET = 1 / 256, -0.5

PIXELS_AT_ONCE = {"cpu": 1 << 20, "cuda": 1 << 24}
"""Input pixels that go through the network at once, by device; each takes about 1 kB in float32."""

IMAGE_PIXELS_AT_ONCE = {"cpu": 1 << 20, "cuda": 1 << 23}
"""Pixels of the images that are averaged at once, by device; each takes about 0.4 kB."""

MAX_INPUT_PIXELS = 1 << 23
"""Largest input of the network. Since inputs are scaled by height, only an image much wider than high exceeds
it."""

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

MAP_ERRORS = {"fp32": 0.0, "bf16": 0.02, "fp16": 0.0025}
"""Error of the averaged maps in each precision: up to 0.015 was measured in bf16; fp16 is 8 times finer."""


RECHECKED_CONFIDENCE = 0.1
"""Joints less certain than this count in no loss (:mod:`s2hand.datasets.trust`), rechecked or not."""


class ImageShapeError(S2HandError):
    """An image has a shape on which detection cannot run."""


class OpenPoseEstimator:
    """Finds the keypoints of one hand per image.

    Args:
        network: the network with its weights. It is moved to the device, and converted to the precision
            unless a float32 copy is kept.
        scales: heights of the network's inputs over ``BOX_SIZE``; maps are averaged over them.
        precision: fp32, bf16 or fp16.
        recheck: compute an image again in float32 if a half precision leaves a joint's peak open, because
            another place is as high within the precision's error; joints of less than
            ``RECHECKED_CONFIDENCE`` do not count.
        device: where the network runs.

    Attributes:
        rechecked: number of images that were computed again so far.

    Raises:
        ValueError: there is no scale, or one is not positive.
    """

    name = "openpose"
    whole_images = True
    crop_size = BOX_SIZE
    pixel_origin = 0.5
    """Keypoints are centres of pixels; published files hold the pixels' indices."""

    def __init__(
        self,
        network: OpenPoseHandNet,
        *,
        scales: Sequence[float] = SCALES,
        precision: str = "fp32",
        recheck: bool = True,
        device: torch.device | str = "cpu",
    ):
        if not scales or min(scales) <= 0:
            raise ValueError(f"scales must be positive numbers, got {list(scales)}")
        self.device = torch.device(device)
        self.scales = tuple(float(scale) for scale in scales)
        self.map_error = MAP_ERRORS[precision] if recheck else 0.0
        self.rechecked = 0
        self._exact = self._prepared(network, "fp32") if self.map_error else None
        fast = copy.deepcopy(network) if self.map_error else network
        self.network = self._prepared(fast, precision)

    def _prepared(self, network: OpenPoseHandNet, precision: str) -> OpenPoseHandNet:
        network = network.to(self.device).set_precision(DTYPES[precision])
        return network.to(memory_format=torch.channels_last)

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Finds keypoints.

        Args:
            images: (B, H, W, 3) uint8 RGB.

        Returns:
            (B, 21, 2) float32 px, centres of pixels, and (B, 21) float32 confidences; (0, 0) and 0 for a
            joint that is not found.

        Raises:
            ImageShapeError: the images are much wider than high.
        """
        peaks, confidence = self.peaks(images)
        found = confidence[..., None] > 0
        return np.where(found, peaks + self.pixel_origin, 0).astype(np.float32), confidence

    @torch.inference_mode()
    def peaks(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Like :meth:`__call__`, but with the published detector's pixel indices, (B, 21, 2) int64."""
        height, width = images.shape[1:3]
        at_once = max(1, IMAGE_PIXELS_AT_ONCE[self.device.type] // (height * width))
        parts = [self._peaks(images[start : start + at_once]) for start in range(0, len(images), at_once)]
        return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))

    def _peaks(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Peaks and confidences of a few images."""
        found = find_peaks(*self.averaged_maps(images), self.map_error)
        doubtful = (found.doubtful & (found.confidence > RECHECKED_CONFIDENCE)).any(-1)
        if doubtful.any():
            exact = find_peaks(*self.averaged_maps(images[doubtful], self._exact))
            found.pixels[doubtful], found.confidence[doubtful] = exact.pixels, exact.confidence
            self.rechecked += int(doubtful.sum())
        return found.pixels, found.confidence

    def averaged_maps(
        self, images: np.ndarray, network: OpenPoseHandNet | None = None
    ) -> tuple[Tensor, Tensor]:
        """The 21 joints' maps at the images' size, averaged over the scales, plain and smoothed.

        Args:
            images: (B, H, W, 3) uint8 RGB.
            network: the network to use instead of the estimator's own.

        Returns:
            Two tensors (B, 21, H, W) float32.
        """
        pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self.device).movedim(-1, 1).flip(1)
        height, width = pixels.shape[-2:]
        average = smoothed = 0
        for scale in self.scales:
            factor = scale * BOX_SIZE / height
            maps = self._maps_at(pixels, factor, network or self.network)
            rows = _axis_matrices(height, factor, len(self.scales), self.device)
            columns = _axis_matrices(width, factor, 1, self.device)
            average = average + rows[0] @ maps @ columns[0].T
            smoothed = smoothed + rows[1] @ maps @ columns[1].T
        return average, smoothed

    def _maps_at(self, pixels: Tensor, factor: float, network: OpenPoseHandNet) -> Tensor:
        """The network's maps of resized images, without the background map."""
        height, width = (resized_length(length, factor) for length in pixels.shape[-2:])
        padding = (0, -width % STRIDE, 0, -height % STRIDE)
        area = (height + padding[3]) * (width + padding[1])
        if area > MAX_INPUT_PIXELS:
            raise ImageShapeError(
                f"{pixels.shape[-1]} x {pixels.shape[-2]} px is too wide for its height: crop it to the "
                "hand, or give a hand box"
            )
        at_once = max(1, PIXELS_AT_ONCE[self.device.type] // area)
        parts = []
        for part in pixels.split(at_once):
            resized = resize_uint8(part, height, width, factor)
            padded = torch.nn.functional.pad(resized, padding, value=PADDING_VALUE)
            image = padded.mul_(INPUT_SCALE).add_(INPUT_OFFSET)
            parts.append(network(image.contiguous(memory_format=torch.channels_last)))
        return torch.cat(parts)[:, :BACKGROUND].float().contiguous()


def resized_length(length: int, factor: float) -> int:
    """Length in pixels of a resized side; halves are rounded to even, as in OpenCV."""
    return max(1, round(length * factor))


@lru_cache(maxsize=64)
def _axis_matrices(length: int, factor: float, divisor: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Matrices from a map's cells to an image's pixels along one axis, plain and smoothed.

    Args:
        length: pixels of the image along the axis.
        factor: factor by which the image was resized to become the network's input.
        divisor: number of maps in the average.
        device: where the matrices shall lie.

    Returns:
        Two matrices (length, cells) float32.
    """
    resized = resized_length(length, factor)
    cells = -(-resized // STRIDE)
    enlarged = cubic_matrix(cells, cells * STRIDE, STRIDE)[:resized]
    plain = cubic_matrix(resized, length, length / resized) @ enlarged / divisor
    smoothed = smoothing_matrix(length) @ plain
    return plain.to(device, torch.float32), smoothed.to(device, torch.float32)
