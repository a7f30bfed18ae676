"""A batch of two rounded boxes that stand for hands, before a camera."""

import pytest
import torch
import trimesh

from s2hand.geometry.cameras import project_points
from s2hand.structures import HandBatch, HandPrediction

IMAGE_SIZE = 64


@pytest.fixture(scope="session")
def scene():
    """(batch, prediction, faces) with everything the panels can show."""
    mesh = trimesh.creation.icosphere(subdivisions=2, radius=1.0)
    shape = torch.tensor(mesh.vertices, dtype=torch.float32) * torch.tensor([0.04, 0.07, 0.02])
    faces = torch.tensor(mesh.faces)
    vertices = torch.stack([shape + torch.tensor([0.0, 0, 0.6]), shape + torch.tensor([0.02, 0.01, 0.7])])
    K = torch.tensor([[180.0, 0, 32], [0, 180, 32], [0, 0, 1]]).expand(2, 3, 3)
    joints = vertices[:, :21]
    keypoints = project_points(joints, K)
    generator = torch.Generator().manual_seed(0)
    batch = HandBatch(
        image=torch.rand(2, 3, IMAGE_SIZE, IMAGE_SIZE, generator=generator),
        K=K,
        index=torch.arange(2),
        keypoints_2d=keypoints,
        confidence=torch.ones(2, 21),
    )
    prediction = HandPrediction(
        vertices=vertices,
        joints=joints,
        keypoints_2d=keypoints,
        face_textures=torch.rand(2, len(faces), 3, generator=generator),
        light=torch.tensor([0.5, 0.6, 1, 1, 1, 1, 1, 1, 0.4, 0.6, 0.7]).expand(2, 11),
        heatmap_keypoints=keypoints[None],
    )
    return batch, prediction, faces
