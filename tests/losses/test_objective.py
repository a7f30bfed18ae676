"""The objective: chooses, weighs, refuses, scales with the image size, and hides nothing."""

from dataclasses import fields, replace

import pytest
import torch

from s2hand.config.loss_table import LOSSES, PREDICTION_PARTS
from s2hand.errors import S2HandError
from s2hand.hand import load_hand_model
from s2hand.hand.spheres import HandSpheres
from s2hand.losses import DEFAULT_WEIGHTS, Objective, find_non_finite
from s2hand.structures import HandBatch, HandParameters, HandPrediction, RenderOutput

SIZE = 16
SPHERES = HandSpheres(load_hand_model("generic"))
FACES = torch.tensor([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])


def make_pair(image_size: int = SIZE, batch_size: int = 2):
    """A prediction and a batch with every field filled; keypoints scale with the image, the rest is fixed."""
    generator = torch.Generator().manual_seed(0)

    def rand(*shape):
        return torch.rand(batch_size, *shape, generator=generator)

    keypoints, detected, labelled = (image_size * rand(21, 2) for _ in range(3))
    heatmaps = image_size * rand(2, 21, 2).transpose(0, 1)
    parameters = HandParameters(rand(30), rand(10), rand(3), rand(3), rand(1)[:, 0])
    render = RenderOutput(rand(3, SIZE, SIZE), rand(SIZE, SIZE).round(), rand(SIZE, SIZE), None)
    prediction = HandPrediction(
        vertices=rand(4, 3),
        joints=rand(21, 3),
        keypoints_2d=keypoints,
        parameters=parameters,
        pose_axis_angle=2 * rand(16, 3),
        face_textures=rand(40, 3).pow(8),  # skewed, so that some faces are outliers
        light=rand(11),
        render=render,
        heatmap_keypoints=heatmaps,
        heatmaps=5 * rand(2, 21, 8, 8).transpose(0, 1),
        joint_error_px=image_size * (0.05 + 0.1 * rand(21)),
    )
    batch = HandBatch(
        image=rand(3, SIZE, SIZE),
        K=rand(3, 3),
        index=torch.arange(batch_size),
        keypoints_2d=detected,
        confidence=rand(21),
        photometric_weight=rand(1)[:, 0],
        world_joints=rand(21, 3),
        world_confidence=rand(21),
        gt_joints=rand(21, 3),
        gt_vertices=rand(4, 3),
        gt_keypoints_2d=labelled,
        gt_scale=rand(1)[:, 0],
        mask=rand(SIZE, SIZE).round(),
        found_mask=rand(SIZE, SIZE).round(),
        found_mask_weight=torch.ones(batch_size),
        fitted_joints=rand(21, 3),
        fitted_weight=torch.ones(batch_size),
    )
    return prediction, batch


def only(struct, names, keep=()):
    """A copy of a struct with all fields None but ``names`` and ``keep``."""
    kept = {*names, *keep}
    return replace(struct, **{field.name: None for field in fields(struct) if field.name not in kept})


@pytest.mark.parametrize("name", LOSSES)
def test_each_loss_reads_what_its_spec_says_and_no_more(name):
    prediction, batch = make_pair()
    spec = LOSSES[name]
    objective = Objective({name: 2.0}, FACES, image_size=SIZE, spheres=SPHERES)
    lean = objective(only(prediction, spec.reads), only(batch, spec.fields, keep=("image",)))
    full = objective(prediction, batch)
    assert set(lean) == {name, "total"}
    assert lean[name].ndim == 0
    assert lean[name].isfinite()
    assert lean[name] > 0
    assert lean[name] == full[name]
    assert lean["total"] == 2 * lean[name]


@pytest.mark.parametrize("name", LOSSES)
def test_each_missing_input_is_named(name):
    prediction, batch = make_pair()
    objective = Objective({name: 1.0}, FACES, image_size=SIZE, spheres=SPHERES)
    for field in set(LOSSES[name].fields) - {"image"}:
        with pytest.raises(S2HandError, match=rf"loss '{name}' needs '{field}' in the batch"):
            objective(prediction, replace(batch, **{field: None}))
    for field in LOSSES[name].reads:
        with pytest.raises(S2HandError, match=rf"loss '{name}' needs '{field}' in the prediction"):
            objective(replace(prediction, **{field: None}), batch)


def test_required_parts_and_fields():
    objective = Objective({"open_2dj": 1, "kp_cons": 1, "mtex": 1}, FACES)
    assert objective.required_parts == {"hand", "heatmaps", "texture"}
    assert Objective({"texture": 1}, FACES).required_parts == {"render"}
    filled = {field for part in PREDICTION_PARTS.values() for field in part}
    assert filled == {field.name for field in fields(HandPrediction)}


def test_every_loss_together():
    prediction, batch = make_pair()
    values = Objective(DEFAULT_WEIGHTS, FACES, image_size=SIZE, spheres=SPHERES)(prediction, batch)
    assert list(values) == [*LOSSES, "total"]
    expected = sum(DEFAULT_WEIGHTS[name] * float(values[name]) for name in LOSSES)
    assert float(values["total"]) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "suggestion"), [("open_2d", "open_2dj"), ("textur", "texture"), ("mscal", "mscale")]
)
def test_unknown_loss_names_the_nearest(name, suggestion):
    with pytest.raises(S2HandError, match=rf"unknown loss '{name}'; did you mean .*{suggestion}"):
        Objective({name: 1.0}, FACES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": {}}, "no losses"),
        ({"weights": {"mshape": float("nan")}}, "weight of loss 'mshape' is nan"),
        ({"weights": {"mshape": 1}, "photometric_background": "blue"}, "expected one of masked, published"),
        ({"weights": {"mshape": 1}, "image_size": 0}, "image_size is 0"),
        ({"weights": {"penetration": 1}}, "'penetration' needs the hand's spheres"),
    ],
)
def test_bad_settings_are_refused(arguments, message):
    with pytest.raises(S2HandError, match=message):
        Objective(faces=FACES, **arguments)


def test_pixel_losses_mean_the_same_at_every_image_size():
    names = ["open_2dj", "open_2dj_de", "open_bone_direc", "hm_integral", "kp_cons"]
    names += ["joint_2d", "bone_direc", "hm_integral_gt", "kp_nll"]
    weights = {name: DEFAULT_WEIGHTS[name] for name in names}
    published = Objective(weights, FACES)(*make_pair(224))
    for size in (64, 128, 448):
        values = Objective(weights, FACES, image_size=size)(*make_pair(size))
        for name in names:
            torch.testing.assert_close(values[name], published[name], msg=f"{name} at {size} px")


def test_half_precision_is_widened_and_gradients_come_back():
    prediction, batch = make_pair()
    for dtype in (torch.bfloat16, torch.float16):
        half = prediction.keypoints_2d.to(dtype).requires_grad_()
        objective = Objective({"open_2dj": 1.0}, FACES, image_size=SIZE)
        with torch.autocast("cpu", torch.bfloat16):
            values = objective(replace(prediction, keypoints_2d=half), batch)
        assert values["total"].dtype == torch.float32
        values["total"].backward()
        assert half.grad.dtype == dtype
        exact = objective(replace(prediction, keypoints_2d=half.detach().float()), batch)
        assert values["open_2dj"] == exact["open_2dj"]


def test_photometric_background_is_selectable():
    prediction, batch = make_pair()
    weights = {"texture": 1.0}
    masked = Objective(weights, FACES, image_size=SIZE)(prediction, batch)
    published = Objective(weights, FACES, image_size=SIZE, photometric_background="published")(
        prediction, batch
    )
    assert published["texture"] > masked["texture"] + 0.1


def test_non_finite_values_show_and_are_named():
    prediction, batch = make_pair()
    broken = replace(prediction, joints=prediction.joints * float("nan"))
    values = Objective({"mscale": 0.1, "mshape": 1.0}, FACES)(broken, batch)
    assert values["total"].isnan()
    assert find_non_finite(values) == ["mscale"]
    assert find_non_finite({"total": torch.tensor(float("inf")), "mshape": torch.tensor(1.0)}) == ["total"]
    assert find_non_finite({"mshape": torch.tensor(1.0)}) == []
    assert find_non_finite({}) == []


def test_batch_without_any_detection_trains_on_the_rest():
    prediction, batch = make_pair()
    nothing = replace(
        batch,
        confidence=torch.zeros_like(batch.confidence),
        photometric_weight=torch.zeros_like(batch.photometric_weight),
    )
    names = ["open_2dj", "open_bone_direc", "hm_integral", "texture", "mrgb", "mtex"]
    values = Objective(dict.fromkeys(names, 1.0), FACES, image_size=SIZE)(prediction, nothing)
    assert all(value == 0 for value in values.values())


def test_faces_move_with_the_module_and_stay_out_of_checkpoints():
    objective = Objective({"triangle": 1.0}, FACES.int())
    assert objective.faces.dtype == torch.int64
    assert objective.state_dict() == {}
    assert objective.to("meta").faces.device.type == "meta"
