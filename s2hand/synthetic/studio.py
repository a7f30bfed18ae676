"""Draws synthetic samples, a fixed number at a time: from random numbers to images, labels, detections."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch.nn.functional import avg_pool2d

from s2hand.geometry.cameras import camera_to_ndc
from s2hand.hand import HandModel, ManoLayer, sample_poses
from s2hand.hand.wide_poses import sample_wide_poses
from s2hand.models.landmark_definition import mediapipe_chain
from s2hand.rendering import rasterize
from s2hand.skeleton import NUM_BETAS, NUM_POSE
from s2hand.synthetic.mesh import ArmMesh
from s2hand.synthetic.objects import (
    OBJECTS_PER_SCENE,
    SceneObject,
    face_normals,
    no_object,
    object_faces,
    sample_held,
    sample_occluder,
)
from s2hand.synthetic.photograph import photograph
from s2hand.synthetic.scene import (
    FREIHAND_FRAMING,
    Framing,
    SceneLight,
    hand_frame,
    place_hand,
    sample_camera,
    sample_light,
    sample_rotation,
)
from s2hand.synthetic.simulated_detector import DetectorNoise, hidden_joints, simulate_detector
from s2hand.synthetic.skin import SkinPainter, light_surface

LARGEST_BETA = 2.0
BARE_ARM_SHARE = 0.45
JPEG_QUALITIES = (80, 97)


@dataclass(frozen=True)
class SyntheticSample:
    """One image and its labels, in the image's pixels and in metres in the camera frame.

    Attributes:
        image: (S, S, 3) uint8 RGB.
        mask: (S, S) uint8, the hand without its arm, 255 inside.
        K: (3, 3) px.
        joints: (21, 3) FreiHAND order.
        vertices: (778, 3).
        rotation: (3,) axis-angle, radians.
        place: (3,) metres, where the posed and turned hand's origin is.
        pose: (45,) axis-angles of the finger joints, MANO order, radians.
        betas: (10,).
        keypoints_2d: (21, 2) px, true.
        detected: (21, 2) px, (0, 0) where missed.
        confidence: (21,) of the detections.
        hidden: (21,) bool, joints behind something.
        jpeg_quality: quality with which the image is stored.
        tone: place of the skin among :data:`~s2hand.synthetic.skin.SKIN_TONES`, 0 for the lightest.
        objects: (2,) bool, whether the hand holds something, and whether something lies before it.
        hand: ``left`` or ``right``.
    """

    image: np.ndarray
    mask: np.ndarray
    K: np.ndarray
    joints: np.ndarray
    vertices: np.ndarray
    rotation: np.ndarray
    place: np.ndarray
    pose: np.ndarray
    betas: np.ndarray
    keypoints_2d: np.ndarray
    detected: np.ndarray
    confidence: np.ndarray
    hidden: np.ndarray
    jpeg_quality: int
    tone: float
    objects: np.ndarray
    hand: str = "right"


class Studio:
    """Keeps what does not change from image to image: hand layer, mesh, skin.

    Args:
        model: the hand.
        image_size: S, pixels.
        noise: the errors of the simulated detector.
        photos: photos to put behind the hands; none for procedural backgrounds.
        framing: lens and size of the hands in the image.
        view_variety: how variously hands are turned; see :func:`sample_rotation`.
        wide_poses: whether poses are as wide as photos show them.
        object_share: share of the images with something in the hand, and with something before it.
    """

    def __init__(
        self,
        model: HandModel,
        image_size: int,
        noise: DetectorNoise,
        photos: tuple[Path, ...] = (),
        framing: Framing = FREIHAND_FRAMING,
        view_variety: float = 1.0,
        wide_poses: bool = False,
        object_share: float = 0.0,
    ):
        self.view_variety, self.object_share = view_variety, object_share
        self.sample_poses = sample_wide_poses if wide_poses else sample_poses
        self.image_size = image_size
        # Detectors see a crop about the hand: they err by a share of its size, not of the image's.
        self.noise = replace(noise, sigma_px=noise.sigma_px * framing.hand_size)
        self.framing = framing
        self.photos = photos
        self.layer = ManoLayer(model, num_pca=NUM_POSE)
        self.pose_mean = model.hands_mean
        self.pose_to_pca = np.linalg.inv(model.hands_components)
        rest_vertices, rest_joints = self._pose_hands(np.zeros((1, NUM_POSE)), *np.zeros((2, 1, NUM_BETAS)))
        self.frame = hand_frame(rest_joints[0])
        self.mesh = ArmMesh(model.faces, len(model.v_template))
        self.meaning = mediapipe_chain(model) if noise.definition == "mediapipe" else None
        rest = self.mesh.vertices(rest_vertices[0], self.frame[:, 1], cuff=1.0)
        faces = [self.mesh.faces]
        if object_share:
            self.object_faces = object_faces()
            count = self.object_faces.max() + 1
            faces += [len(rest) + number * count + self.object_faces for number in range(OBJECTS_PER_SCENE)]
        self.faces = torch.from_numpy(np.concatenate(faces).astype(np.int32))
        palm = self.mesh.normals(rest)[self.mesh.faces].mean(1) @ self.frame[:, 2]
        self.painter = SkinPainter(rest[self.mesh.faces].mean(1), palm, rest_joints[0], self.mesh.ring)

    def _pose_hands(self, poses: np.ndarray, betas: np.ndarray, rotations: np.ndarray):
        """Vertices (B, 778, 3) and joints (B, 21, 3) of hands about the origin, float64."""
        pca = (poses - self.pose_mean) @ self.pose_to_pca
        arguments = (pca, betas, rotations[:, :3])
        with torch.no_grad():
            output = self.layer(*(torch.from_numpy(array.astype(np.float32)) for array in arguments))
        return output.vertices.double().numpy(), output.joints.double().numpy()

    def draw(self, randoms: list[np.random.Generator]) -> list[SyntheticSample]:
        """Draws one sample from each random generator.

        A sample depends on its generator and, in the last bits, on how many are drawn together.
        """
        poses = np.concatenate([self.sample_poses(random, 1) for random in randoms])
        betas = np.stack([_truncated_normal(random, NUM_BETAS) for random in randoms])
        rotations = np.stack([sample_rotation(random, self.frame, self.view_variety) for random in randoms])
        vertices, joints = self._pose_hands(poses, betas, rotations)
        cameras = np.stack([sample_camera(random, self.image_size, self.framing) for random in randoms])
        places = np.stack(
            [
                place_hand(random, hand, K, self.image_size, self.framing)
                for random, hand, K in zip(randoms, vertices, cameras, strict=True)
            ]
        )
        vertices, joints = vertices + places[:, None], joints + places[:, None]
        palms = Rotation.from_rotvec(rotations).apply(self.frame[:, 2])
        meant = joints if self.meaning is None else self._meant(poses, betas, rotations) + places[:, None]
        drawn, colours, lights, tones, objects = zip(
            *(
                self._dress(random, *hand)
                for random, *hand in zip(randoms, vertices, joints, palms, strict=True)
            ),
            strict=True,
        )
        render = self._render(np.stack(drawn), np.stack(colours), cameras)
        samples = []
        for i, random in enumerate(randoms):
            rgb, alpha, depth, mask = (part[i] for part in render)
            keypoints = _project(joints[i], cameras[i])
            hidden = hidden_joints(joints[i, :, 2], keypoints, depth)
            seen = _project(meant[i], cameras[i])
            detected, confidence = simulate_detector(seen, hidden, self.image_size, self.noise, random)
            samples.append(
                SyntheticSample(
                    image=photograph(random, rgb, alpha, depth, lights[i].towards, self.photos),
                    mask=mask,
                    K=cameras[i],
                    joints=joints[i],
                    vertices=vertices[i],
                    rotation=rotations[i],
                    place=places[i],
                    pose=poses[i],
                    betas=betas[i],
                    keypoints_2d=keypoints,
                    detected=detected,
                    confidence=confidence,
                    hidden=hidden,
                    jpeg_quality=int(random.integers(*JPEG_QUALITIES)),
                    tone=tones[i],
                    objects=objects[i],
                )
            )
        return samples

    def _meant(self, poses: np.ndarray, betas: np.ndarray, rotations: np.ndarray) -> np.ndarray:
        """What the detector calls the joints of hands about the origin, (B, 21, 3) metres."""
        turns = torch.from_numpy(Rotation.from_rotvec(rotations).as_matrix()).float()
        angles = torch.from_numpy(poses).float().unflatten(-1, (-1, 3))
        with torch.no_grad():
            return self.meaning(angles, torch.from_numpy(betas).float(), turns).double().numpy()

    def _dress(self, random: np.random.Generator, vertices: np.ndarray, joints: np.ndarray, palm: np.ndarray):
        """One scene's drawn vertices (V, 3), lit face colours (F, 3), light, skin tone and objects (2,)."""
        cuff = 1.0 if random.random() < BARE_ARM_SHARE else random.uniform(0.05, 0.6)
        fingers = joints[9] - joints[0] + random.normal(0, 0.02, 3)
        drawn = self.mesh.vertices(vertices, fingers / np.linalg.norm(fingers), cuff)
        light = sample_light(random)
        centres = drawn[self.mesh.faces].mean(1)
        views = -centres / np.linalg.norm(centres, axis=-1, keepdims=True)
        normals = self.mesh.normals(drawn)[self.mesh.faces].mean(1)
        albedo, tone = self.painter.albedo(random, cuff)
        colours = light_surface(albedo, normals, views, light)
        present = np.zeros(OBJECTS_PER_SCENE, bool)
        if not self.object_share:
            return drawn, colours, light, tone, present
        things = []
        for number, (draw, arguments) in enumerate(
            ((sample_held, (joints, palm)), (sample_occluder, (vertices,)))
        ):
            present[number] = random.random() < self.object_share
            things.append(draw(random, *arguments) if present[number] else no_object(joints[0]))
        lit = np.concatenate([colours, *(self._lit(thing, light) for thing in things)])
        drawn = np.concatenate([drawn, *(thing.vertices for thing in things)])
        return drawn, lit, light, tone, present

    def _lit(self, thing: SceneObject, light: SceneLight) -> np.ndarray:
        """The lit colours of an object's faces, (F, 3)."""
        centres = thing.vertices[self.object_faces].mean(1)
        views = -centres / np.linalg.norm(centres, axis=-1, keepdims=True)
        return light_surface(thing.albedo, face_normals(thing.vertices, self.object_faces), views, light)

    def _render(self, vertices: np.ndarray, colours: np.ndarray, cameras: np.ndarray):
        """Images (B, S, S, 3) premultiplied with their coverage, coverage, depth in metres, hand masks."""
        size = self.image_size
        ndc = camera_to_ndc(*(torch.from_numpy(array).float() for array in (vertices, cameras)), size)
        face_colours = torch.from_numpy(colours.astype(np.float32))
        with torch.no_grad():
            render = rasterize(ndc, self.faces, face_colours, size, anti_aliasing=True)
        hand = (render.face_index >= 0) & (render.face_index < self.mesh.num_hand_faces)
        mask = avg_pool2d(hand.float(), 2)
        rgb = render.rgb.permute(0, 2, 3, 1).contiguous()
        return (
            rgb.numpy(),
            render.silhouette.numpy(),
            render.depth.numpy(),
            (mask * 255).round().to(torch.uint8).numpy(),
        )


def _project(points: np.ndarray, K: np.ndarray) -> np.ndarray:
    """(N, 2) px of points (N, 3) in the camera's frame."""
    projected = points @ K.T
    return projected[:, :2] / projected[:, 2:]


def _truncated_normal(random: np.random.Generator, count: int) -> np.ndarray:
    """Standard normal numbers, clipped at ``LARGEST_BETA``."""
    return np.clip(random.standard_normal(count), -LARGEST_BETA, LARGEST_BETA)
