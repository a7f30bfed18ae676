"""Networks as ONNX files: the numbers are PyTorch's, for every way of feeding the hand head."""

import json
import sys

import numpy as np
import pytest
import torch

from s2hand.config.sections import NetworkSection
from s2hand.errors import S2HandError
from s2hand.hand import load_hand_model
from s2hand.models import build_hand_net
from s2hand.prediction import onnx_export
from s2hand.prediction.onnx_export import HAND_OUTPUTS, TEXTURE_OUTPUTS, TOLERANCE, export_onnx

SIZE = 64
SMALL = {"backbone": "test_resnet", "hourglass_stacks": 1, "hourglass_features": 16, "hourglass_modules": 1}


def build(parts=("hand", "texture", "heatmaps"), **options):
    torch.manual_seed(0)
    network = NetworkSection(image_size=SIZE, **SMALL, **options)
    model = build_hand_net(network, parts, load_hand_model("generic")).eval()
    for parameter in model.hand_head.parameters():  # initial answers hardly depend on the picture
        torch.nn.init.normal_(parameter, std=0.2)
    return model


@pytest.mark.parametrize(
    "options",
    [
        {"parts": ("hand", "texture")},
        {"parts": ("hand", "heatmaps"), "attention": True},
        {"hand_input": "keypoints"},
    ],
    ids=["image", "attention", "keypoints"],
)
def test_outputs_are_pytorchs_for_any_batch(options, tmp_path):
    import onnxruntime

    model = build(**options)
    written = export_onnx(model, SIZE, tmp_path / "hand.onnx")
    textured = "texture" in options.get("parts", ("texture",))
    assert written.outputs == HAND_OUTPUTS + (TEXTURE_OUTPUTS if textured else ())
    assert max(written.differences.values()) < TOLERANCE
    session = onnxruntime.InferenceSession(written.path, providers=["CPUExecutionProvider"])
    image = torch.rand(5, 3, SIZE, SIZE) * torch.linspace(0, 1, 5)[:, None, None, None]
    K = torch.tensor([[70.0, 0, 30], [0, 72, 33], [0, 0, 1]]).expand(5, 3, 3)
    found = dict(
        zip(written.outputs, session.run(None, {"image": image.numpy(), "K": K.numpy()}), strict=True)
    )
    with torch.no_grad():
        prediction = model(image, K, ("hand", "texture") if textured else ("hand",))
    for name, value in found.items():
        np.testing.assert_allclose(value, getattr(prediction, name).numpy(), rtol=1e-4, atol=1e-4)
    # Not every picture has the same answer, or nothing was compared.
    assert np.ptp(found["vertices"], axis=0).max() > 1e-3
    described = session.get_modelmeta().custom_metadata_map
    assert np.array_equal(json.loads(described["faces"]), load_hand_model("generic").faces)
    assert described["image_size"] == str(SIZE)


def test_a_file_that_differs_is_not_kept(tmp_path, monkeypatch):
    path = tmp_path / "hand.onnx"
    path.write_bytes(b"an older file")
    monkeypatch.setattr(onnx_export, "TOLERANCE", -1.0)
    with pytest.raises(S2HandError, match=r"hand\.onnx: not written, as its vertices would differ"):
        export_onnx(build(("hand", "texture")), SIZE, path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"an older file"]


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(
        S2HandError, match=r"package onnxruntime: install it with pip install 's2hand\[onnx\]'"
    ):
        export_onnx(build(("hand", "texture")), SIZE, tmp_path / "hand.onnx")
    assert not any(tmp_path.iterdir())
