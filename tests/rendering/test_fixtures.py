"""The rasterizer against figures from the published neural mesh renderer."""

from pathlib import Path

import numpy as np
import pytest
import torch

from s2hand.rendering import rasterize

FIXTURE = Path(__file__).parents[1] / "fixtures" / "nmr.npz"
CASES = ["soup", "sphere", "hand", "hand_aa"]
DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


@pytest.fixture(scope="module")
def reference():
    return dict(np.load(FIXTURE))


def relative_error(value, expected):
    value, expected = np.asarray(value), np.asarray(expected)
    return np.linalg.norm(value - expected) / np.linalg.norm(expected)


def render_case(reference, case, fill_back, device):
    """Renders a case from its own corners; the file has back faces appended, ``fill_back`` adds them here."""
    corners = reference[f"{case}.faces"]
    batch, count = corners.shape[:2]
    count = count // 2 if fill_back else count
    vertices = torch.tensor(corners[:, :count].reshape(batch, -1, 3), device=device).requires_grad_()
    colors = torch.tensor(reference[f"{case}.color"], device=device).requires_grad_()
    output = rasterize(
        vertices,
        torch.arange(3 * count, device=device).view(count, 3),
        colors,
        int(reference[f"{case}.size"]),
        background=reference[f"{case}.background"].tolist(),
        anti_aliasing=bool(reference[f"{case}.anti_aliasing"]),
        fill_back=fill_back,
    )
    return vertices, colors, output


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("fill_back", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_pictures(reference, case, fill_back, device):
    _, _, output = render_case(reference, case, fill_back, device)
    same = output.face_index.cpu().numpy() == reference[f"{case}.face_index"]
    assert same.mean() >= 0.999
    assert relative_error(output.rgb.detach().cpu(), reference[f"{case}.rgb"]) < 1e-4
    assert relative_error(output.silhouette.detach().cpu(), reference[f"{case}.alpha"]) < 1e-4
    assert relative_error(output.depth.detach().cpu(), reference[f"{case}.depth"]) < 1e-4


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("fill_back", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_gradients(reference, case, fill_back, device):
    vertices, colors, output = render_case(reference, case, fill_back, device)
    losses = {
        "rgb": (output.rgb * torch.tensor(reference[f"{case}.upstream_rgb"], device=device)).sum(),
        "alpha": (output.silhouette * torch.tensor(reference[f"{case}.upstream_alpha"], device=device)).sum(),
        "depth": (output.depth * torch.tensor(reference[f"{case}.upstream_depth"], device=device)).sum(),
    }
    losses["all"] = sum(losses.values())
    for tag, loss in losses.items():
        grad_vertices, grad_colors = torch.autograd.grad(loss, (vertices, colors), retain_graph=True)
        expected = reference[f"{case}.grad_faces.{tag}"]
        if fill_back:  # the gradients of a face's two sides arrive at the same corners, in reverse order
            count = expected.shape[1] // 2
            expected = expected[:, :count] + expected[:, count:, ::-1]
        assert relative_error(grad_vertices.view(expected.shape).cpu(), expected) < 1e-3, tag
        if tag == "rgb":
            assert relative_error(grad_colors.cpu(), reference[f"{case}.grad_color"]) < 1e-4
