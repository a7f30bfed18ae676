"""Trains a lift as a config says, and writes its weights as the package ships them.

    python scripts/bundle_lift.py configs/Lift/train.json --out s2hand/models/weights/random_lift.safetensors
    python scripts/bundle_lift.py configs/Small/train.json --out s2hand/models/weights/lift.safetensors

The second starts from the weights of the first. A run that was stopped goes on where it was; of a complete
one only the weights are written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
from pathlib import Path

from safetensors.torch import save

from s2hand import checkpoints, experiment
from s2hand.checkpoints.checkpoint import LAST
from s2hand.config import load_config
from s2hand.hand.joint_chain import JointChain
from s2hand.models.landmark_lift import LiftNet
from s2hand.training.lift import lift_errors
from s2hand.training.lift_batches import LiftBatches

RANDOM_HANDS = (
    "projected random hands of the generic hand model, no photo; offsets and errors of landmarks are those "
    "of MediaPipe's in half of American Sign Language Letters (David Lee), Sign Language Digits Dataset and "
    "HandsDataset (SubhiH); how poses are sampled was chosen earlier, by fits to photos of both halves and "
    "of rps-cv-images (docs/lifting.md)"
)
IMAGES_TOO = (
    "from the weights that random hands alone gave (configs/Lift/train.json): more random hands, 20,000 "
    "generated images of SynthHand with the generator's truth, and the bundled detector's landmarks, which "
    "are no manual labels, in half of American Sign Language Letters (David Lee, public domain), Sign "
    "Language Digits Dataset (Apache-2.0) and HandsDataset (SubhiH, Apache-2.0) (docs/lifting.md)"
)
"""What the cards beside the weights say."""


def write(path: Path, net: LiftNet, scores: dict[str, float], origin: dict[str, object]) -> None:
    """Writes the weights in half precision and a card beside them.

    Args:
        path: where the weights go.
        net: the lift.
        scores: its errors in mm.
        origin: how it was trained, for the card.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(save({name: value.half().contiguous() for name, value in net.state_dict().items()}))
    card = {
        "what": "lifts a hand's landmarks to the pose of a hand model",
        **origin,
        "pa_mpjpe_mm": {name: round(value, 2) for name, value in scores.items()},
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "licence": "MIT",
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("config", type=Path, help="configs/Lift/train.json or configs/Small/train.json")
    parser.add_argument("--out", type=Path, required=True, help="the weights, a .safetensors file")
    args = parser.parse_args()
    config = load_config(args.config)
    experiment.run(config)
    network = checkpoints.open(config.run_dir / LAST, device="cpu")
    batches = LiftBatches(network.hand_model, config.fingertips, config.train_batch, config.seed)
    hands = batches.held_out(config.random_hands_eval_size)
    head = network.model.hand_head
    scores = lift_errors(head, hands, JointChain(network.hand_model, config.fingertips))
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    origin = {
        "trained_on": IMAGES_TOO if config.train_datasets else RANDOM_HANDS,
        "command": f"python scripts/bundle_lift.py {args.config}",
        "commit": revision.stdout.strip(),
        "seed": config.seed,
        "steps": config.total_epochs * (config.random_hands_train_size // config.train_batch),
        "batch": config.train_batch,
    }
    write(args.out, head.net, scores, origin)


if __name__ == "__main__":
    main()
