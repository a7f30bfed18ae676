"""Trains the lift as configs/Lift/train.json says, and writes its weights as the package ships them.

    python scripts/bundle_lift.py --out s2hand/models/weights/random_lift.safetensors

A run that was stopped goes on where it was; of a complete one only the weights are written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

from safetensors.torch import save

from s2hand import checkpoints, experiment
from s2hand.checkpoints.checkpoint import LAST
from s2hand.config import load_config
from s2hand.hand.joint_chain import JointChain
from s2hand.models.landmark_lift import LiftNet
from s2hand.training.lift import RandomHandBatches, lift_errors

CONFIG = Path(__file__).parent.parent / "configs/Lift/train.json"

TRAINED_ON = (
    "projected random hands of the generic hand model, no photo; offsets and errors of landmarks are those "
    "of MediaPipe's in half of American Sign Language Letters (David Lee), Sign Language Digits Dataset and "
    "HandsDataset (SubhiH); how poses are sampled was chosen earlier, by fits to photos of both halves and "
    "of rps-cv-images (docs/lifting.md)"
)
"""What the card beside the weights says."""


def write(
    path: Path, net: LiftNet, scores: dict[str, float], seed: int, steps: int, batch: int, trained_on: str
) -> None:
    """Writes the weights in half precision and a card beside them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(save({name: value.half().contiguous() for name, value in net.state_dict().items()}))
    card = {
        "what": "lifts a hand's landmarks to the pose of a hand model",
        "trained_on": trained_on,
        "seed": seed,
        "steps": steps,
        "batch": batch,
        "pa_mpjpe_mm": {name: round(value, 2) for name, value in scores.items()},
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "licence": "MIT",
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the weights, a .safetensors file")
    parser.add_argument("--config", type=Path, default=CONFIG, help="default: configs/Lift/train.json")
    args = parser.parse_args()
    config = load_config(args.config)
    experiment.run(config)
    network = checkpoints.open(config.run_dir / LAST, device="cpu")
    batches = RandomHandBatches(network.hand_model, config.fingertips, config.train_batch, config.seed)
    hands = batches.held_out(config.random_hands_eval_size)
    head = network.model.hand_head
    scores = lift_errors(head, hands, JointChain(network.hand_model, config.fingertips))
    steps = config.total_epochs * (config.random_hands_train_size // config.train_batch)
    write(args.out, head.net, scores, config.seed, steps, config.train_batch, TRAINED_ON)


if __name__ == "__main__":
    main()
