"""Synthetic hands in HO-3D's layout, through the files that are written."""

import pickle

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from s2hand.datasets import Detections, collate_hands
from s2hand.datasets.ho3d import Ho3dDataset
from s2hand.errors import DatasetError
from s2hand.hand import ManoLayer, load_hand_model
from s2hand.rendering import MeshRenderer
from s2hand.skeleton import HO3D_TO_FREIHAND
from s2hand.synthetic import write_synthetic_dataset
from s2hand.synthetic.ho3d_layout import FRAMES_PER_SEQUENCE, Ho3dLayout, frame_name

OPENGL = np.array([1, -1, -1])
TRAIN, EVALUATION, WIDTH = 6, 4, 320


@pytest.fixture(scope="module", params=["v2", "v3"])
def folder(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("synthetic") / request.param
    write_synthetic_dataset(
        root,
        layout=f"ho3d_{request.param}",
        train=TRAIN,
        evaluation=EVALUATION,
        image_size=WIDTH,
        processes=1,
        progress=False,
    )
    return root


def test_it_reads_as_ho3d(folder):
    training = Ho3dDataset(folder, labels={"joints", "scale"})
    evaluation = Ho3dDataset(folder, "evaluation", labels={"joints", "vertices"})
    assert (len(training), len(evaluation)) == (TRAIN, EVALUATION)
    assert evaluation.labels == {"joints", "vertices"}
    pictures = list(folder.rglob("rgb/*"))
    assert {path.suffix for path in pictures} == {".png" if folder.name == "v2" else ".jpg"}
    assert cv2.imread(str(pictures[0])).shape == (240, WIDTH, 3)
    for dataset in (training, evaluation):
        batch = collate_hands([dataset[index] for index in range(len(dataset))])
        found = batch.confidence > 0.3
        errors = torch.linalg.vector_norm(batch.keypoints_2d - batch.gt_keypoints_2d, dim=-1)[found]
        assert 0.1 < errors.median() < 6  # px of the 224 px crop


def test_labels_agree_with_the_pictures(folder):
    """Pictures have edges along the outline of the labelled vertices, more than along the outline shifted."""
    dataset = Ho3dDataset(folder, "evaluation", labels={"vertices"})
    batch = collate_hands([dataset[index] for index in range(EVALUATION)])
    faces = torch.from_numpy(load_hand_model("generic").faces)
    drawn = MeshRenderer(faces, 224)(batch.gt_vertices, batch.K, torch.zeros(EVALUATION, 1538, 3))
    outline = (drawn.silhouette > 0) & (drawn.silhouette < 1)
    grey = batch.image.mean(1)
    edges = (grey - grey.roll(1, 1)).abs() + (grey - grey.roll(1, 2)).abs()
    shifted = [edges[outline.roll(shift, axis)].mean() for shift in (-12, 12) for axis in (1, 2)]
    assert edges[outline].mean() > 1.5 * torch.stack(shifted).mean()


def test_mano_parameters_give_the_joints(folder):
    """``handPose``, ``handBeta`` and ``handTrans`` place MANO's hand where ``handJoints3D`` says."""
    model = load_hand_model("generic")
    layer = ManoLayer(model, num_pca=45)
    flip = np.diag(OPENGL)
    for path in sorted((folder / "train").rglob("meta/*.pkl")):
        meta = pickle.loads(path.read_bytes())
        rotation = flip @ Rotation.from_rotvec(meta["handPose"][:3]).as_matrix() @ flip
        pca = (meta["handPose"][3:] - model.hands_mean) @ np.linalg.inv(model.hands_components)
        inputs = (pca, meta["handBeta"], Rotation.from_matrix(rotation).as_rotvec())
        joints = (
            layer(*(torch.from_numpy(value).float()[None] for value in inputs)).joints[0].double().numpy()
        )
        wrist = model.J_regressor[0] @ (model.v_template + model.shapedirs @ meta["handBeta"])
        placed = joints - joints[0] + OPENGL * (wrist + meta["handTrans"])
        expected = meta["handJoints3D"][list(HO3D_TO_FREIHAND)] * OPENGL
        np.testing.assert_allclose(placed, expected, atol=1e-5)


def test_evaluation_pickles_tell_only_root_and_box(folder):
    path = next((folder / "evaluation").rglob("meta/*.pkl"))
    meta = pickle.loads(path.read_bytes())
    assert sorted(meta) == ["camMat", "handBoundingBox", "handJoints3D"]
    assert meta["handJoints3D"].shape == (3,)
    left, top, right, bottom = meta["handBoundingBox"]
    assert 0 <= left < right <= WIDTH
    assert 0 <= top < bottom <= 240


def test_hands_stay_in_the_kept_rows(folder):
    for split in ("train", "evaluation"):
        dataset = Ho3dDataset(folder, split)
        for index in range(len(dataset)):
            _, top, _, bottom = dataset._boxes[index]
            assert 0 <= top < bottom <= 240


def test_long_splits_become_several_sequences(tmp_path):
    assert frame_name("training", FRAMES_PER_SEQUENCE - 1) == "SYNT0/0099"
    assert frame_name("evaluation", 2 * FRAMES_PER_SEQUENCE) == "SYNE2/0000"
    layout = Ho3dLayout("v2")
    layout.make_folders(tmp_path, {"training": FRAMES_PER_SEQUENCE + 1, "evaluation": 1})
    assert sorted(path.name for path in (tmp_path / "train").iterdir()) == ["SYNT0", "SYNT1"]
    detected = np.arange((FRAMES_PER_SEQUENCE + 1) * 42, dtype=np.float32).reshape(-1, 21, 2)
    found = Detections(detected, np.ones(detected.shape[:2], np.float32))
    layout.write_detections(tmp_path, "training", found)
    rows = {
        path.parent.name: path.read_text().count("[[[") for path in tmp_path.glob("openpose/*/detect.json")
    }
    assert set(rows) == {"SYNT0", "SYNT1"}


def test_unknown_layout_is_refused(tmp_path):
    with pytest.raises(
        DatasetError, match="layout must be one of freihand, ho3d_v2, ho3d_v3, folder, got 'rhd'"
    ):
        write_synthetic_dataset(tmp_path / "x", layout="rhd")
