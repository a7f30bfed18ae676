"""How much do the differences from the published code matter? The figures of docs/parity.md.

Each published behaviour is written out here beside this project's, and both are applied to the same synthetic
hands. ``--train`` also trains two small networks, with the photometric losses either way; that takes minutes.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from s2hand.config import config_from_dict
from s2hand.datasets import FreiHandDataset, collate_hands
from s2hand.datasets.ho3d import hand_crop
from s2hand.experiment.run import run
from s2hand.fitting.refine import REFINEMENT_LOSSES, STEP_SIZES, HandRefiner
from s2hand.geometry.laplacian import apply_laplacian, cotangent_weights
from s2hand.hand import ManoLayer, load_hand_model, sample_poses
from s2hand.losses import DEFAULT_WEIGHTS, Objective
from s2hand.losses.photometric import masked_pair, published_pair, texture_loss, texture_outlier_loss
from s2hand.models import HandNet
from s2hand.rendering import MeshRenderer
from s2hand.skeleton import FINGERTIP_VERTICES
from s2hand.structures import HandBatch, HandParameters, HandPrediction
from s2hand.synthetic import write_synthetic_dataset
from s2hand.training.schedule import cosine_factor

HANDS = 16
IMAGE_SIZE = 64


def posed_hands(layer: ManoLayer, model) -> tuple[HandNet, HandParameters, torch.Tensor]:
    """A network that only poses hands, made-up parameters and cameras of ``HANDS`` hands."""
    random = np.random.default_rng(0)
    poses = (sample_poses(random, HANDS) - model.hands_mean) @ np.linalg.pinv(model.hands_components[:30])
    K = torch.tensor([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]]).expand(HANDS, 3, 3)
    pose, betas, rotation = (
        torch.from_numpy(values).float()
        for values in (poses, random.normal(0, 0.7, (HANDS, 10)), random.normal(0, 0.8, (HANDS, 3)))
    )
    place = torch.tensor([0.0, 0.0, 0.6]) - layer(pose, betas, rotation).joints.mean(1)
    return HandNet(mano_layer=layer), HandParameters(pose, betas, rotation, place, torch.ones(HANDS)), K


def fingertips(model, net: HandNet, hands: HandParameters, K: torch.Tensor) -> dict[str, float]:
    """Millimetres between FreiHAND's fingertips and the published code's."""
    vertices = net.place_hand(hands, K)["vertices"]
    official, published = (vertices[:, list(FINGERTIP_VERTICES[name])] for name in ("freihand", "s2hand"))
    distance_mm = 1000 * torch.linalg.vector_norm(official - published, dim=-1).mean(0)
    return {"index_mm": float(distance_mm[1]), "middle_mm": float(distance_mm[2])}


def laplacian(model, net: HandNet, hands: HandParameters, K: torch.Tensor) -> dict[str, float]:
    """``triangle`` with each mesh's own weights, and with the first mesh's for all."""
    vertices, faces = net.place_hand(hands, K)["vertices"], torch.from_numpy(model.faces)
    weights = cotangent_weights(vertices, faces)
    own, shared = (apply_laplacian(vertices, faces, used) for used in (weights, weights[:1]))
    values = {name: float(x.norm(dim=-1).mean()) for name, x in (("own", own), ("first", shared))}
    return values | {"relative_difference": float((own - shared).norm() / own.norm())}


def refinement(model, net: HandNet, hands: HandParameters, K: torch.Tensor) -> dict[str, float]:
    """Mean 2D error after 150 steps of one Adam, and of a new Adam in each step, with equal step sizes."""
    noise = torch.Generator().manual_seed(1)
    deviations = {"hand_pose": 0.2, "betas": 0.5, "rotation": 0.15, "scale": 0.03, "translation": 0.01}
    start = HandParameters(
        **{
            name: getattr(hands, name) + size * torch.randn(getattr(hands, name).shape, generator=noise)
            for name, size in deviations.items()
        }
    )
    truth = net.place_hand(hands, K)["keypoints_2d"]
    prediction = HandPrediction(**net.place_hand(start, K), heatmap_keypoints=truth[None])
    batch = HandBatch(torch.zeros(HANDS, 3, 224, 224), K, torch.arange(HANDS))
    losses = {name: DEFAULT_WEIGHTS[name] for name in REFINEMENT_LOSSES}
    objective = Objective(losses, torch.from_numpy(model.faces))
    refiner = HandRefiner(net.place_hand, objective)

    def error_px(keypoints: torch.Tensor) -> float:
        return float(torch.linalg.vector_norm(keypoints - truth, dim=-1).mean())

    renewed = {name: getattr(start, name).clone().requires_grad_() for name in STEP_SIZES}
    target = replace(batch, keypoints_2d=truth, confidence=torch.ones(HANDS, 21))
    for step in range(refiner.steps):
        shrink = cosine_factor(step, refiner.steps)
        groups = [{"params": [value], "lr": STEP_SIZES[name] * shrink} for name, value in renewed.items()]
        optimizer = torch.optim.Adam(groups)
        hand = HandPrediction(**net.place_hand(HandParameters(**renewed), K))
        (objective(hand, target)["total"] * HANDS).backward()
        optimizer.step()
    with torch.no_grad():
        last = net.place_hand(HandParameters(**renewed), K)["keypoints_2d"]
    return {
        "before_px": error_px(prediction.keypoints_2d),
        "one_adam_px": error_px(refiner(prediction, batch).keypoints_2d),
        "new_adam_each_step_px": error_px(last),
    }


def texture_outliers() -> dict[str, float]:
    """``mtex`` of a batch of unlike textures, half of whose samples have weight 0: here, and as published.

    As published every sample's limits are applied to all samples' textures, and the sum weighs with 2 c.
    """
    random = torch.Generator().manual_seed(2)
    colours = torch.rand(HANDS, 1, 3, generator=random)
    textures = colours + 0.05 * torch.randn(HANDS, 1538, 3, generator=random)
    weight = (torch.arange(HANDS) % 2).float()
    distance = (textures[None] - textures.mean(1)[:, None, None]).abs()
    limit = 2 * textures.std(1)[:, None, None]
    mixed = torch.where(distance > limit, distance, 0).mean((1, 2, 3))
    published = float((2 * weight * mixed).sum() / weight.square().sum())
    return {"here": float(texture_outlier_loss(textures, weight)), "published": published}


def photometric(model, folder: Path) -> dict[str, float]:
    """``texture`` of labelled hands in mean skin colour, either way."""
    dataset = FreiHandDataset(folder, labels={"vertices"}, image_size=IMAGE_SIZE)
    batch = collate_hands([dataset[index] for index in range(HANDS)])
    skin = torch.full((HANDS, len(model.faces), 3), 0.6)
    render = MeshRenderer.for_s2hand(torch.from_numpy(model.faces), IMAGE_SIZE)
    drawn = render(batch.gt_vertices, batch.K, skin, torch.ones(HANDS, 11))
    pairs = {"masked": masked_pair, "published": published_pair}
    return {
        name: float(texture_loss(*pair(drawn.rgb, drawn.silhouette, batch.image), torch.ones(HANDS)))
        for name, pair in pairs.items()
    }


def evaluation_jitter() -> dict[str, float]:
    """How HO-3D crops of one hand differ from one published evaluation to the next."""
    box, random = np.array([250.0, 170, 400, 300]), np.random.default_rng(3)
    crops = np.array([hand_crop(box, random) for _ in range(1000)])
    centres_px = (crops[:, :2] + crops[:, 2:] / 2) * 224 / crops[:, 2].mean()
    size = crops[:, 2].mean() / crops[:, 2]
    return {"centre_deviation_px": float(centres_px.std(0).mean()), "hand_size_range": float(np.ptp(size))}


def training(folder: Path, epochs: int) -> dict[str, float]:
    """PA-MPJPE and 2D error after training a small network end to end, with either photometric pair."""
    losses = ["tsa_poses", "open_2dj", "mscale", "open_bone_direc", "hm_integral", "kp_cons", "triangle"]
    parts = ["heatmaps", "joints", "verts", "textures", "lights"]
    figures = {}
    for background in ("masked", "published"):
        values = {
            "train_datasets": ["FreiHand"],
            "freihand_base_path": str(folder),
            "base_out_path": str(folder.parent / background),
            "losses": [*losses, "mshape", "texture", "mtex", "mrgb"],
            "photometric_background": background,
            **{"train_requires": parts, "test_requires": parts, "image_size": IMAGE_SIZE},
            **{"backbone": "test_resnet", "hourglass_stacks": 1, "hourglass_features": 16},
            **{"hourglass_modules": 1, "total_epochs": epochs, "save_interval": epochs, "train_batch": 16},
            **{"val_batch": 32, "num_workers": 0, "init_lr": 2e-3, "device": "cpu"},
        }
        metrics = run(config_from_dict(values), say=lambda line: None).metrics["FreiHand"]
        figures |= {f"{background}_{name}": metrics[name] for name in ("pa_mpjpe", "keypoints_px")}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("runs/benchmarks/parity.json"))
    parser.add_argument("--train", type=int, metavar="EPOCHS", help="also train for so many epochs")
    arguments = parser.parse_args()
    model = load_hand_model("generic")
    case = (model, *posed_hands(ManoLayer(model), model))
    results = {check.__name__: check(*case) for check in (fingertips, laplacian, refinement)}
    results |= {"texture_outliers": texture_outliers(), "evaluation_jitter": evaluation_jitter()}
    with tempfile.TemporaryDirectory() as temporary:
        folder, size = Path(temporary) / "data", 128 if arguments.train else HANDS
        options = {"train": size, "evaluation": size // 2, "image_size": IMAGE_SIZE, "progress": False}
        write_synthetic_dataset(folder, **options, processes=1)
        results["photometric"] = photometric(model, folder)
        if arguments.train:
            results["training"] = training(folder, arguments.train)
    for name, figures in results.items():
        print(f"{name:>18}  " + ", ".join(f"{key} {value:.4g}" for key, value in figures.items()))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
