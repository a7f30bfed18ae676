"""Converts MediaPipe's palm detector and hand landmark network to the weights that the package ships.

``python scripts/convert_mediapipe.py mediapipe-0.10.21-*.whl`` reads the two full models out of the wheel (or
of the folder that it was unpacked to) and writes ``palm.safetensors`` and ``landmarks.safetensors`` in half
precision, which is how the files store them. Needs ``tflite``, a development dependency.

Each graph is walked from its input along its data, and every step is compared with the module of the same
place: kind of operation, stride, activation and shape. What remains unvisited is an error.
"""

from __future__ import annotations

import argparse
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tflite
import torch
from safetensors.torch import save_file
from torch import nn

from s2hand.errors import S2HandError
from s2hand.files import written_whole
from s2hand.models.mediapipe.blocks import BlazeBlock, InvertedResidual, SameConv2d
from s2hand.models.mediapipe.landmarks import HandLandmarkNet
from s2hand.models.mediapipe.palm import AnchorHead, PalmNet, UpBlock
from s2hand.models.mediapipe.weights import WEIGHTS_FOLDER

PALM_FILE = "mediapipe/modules/palm_detection/palm_detection_full.tflite"
LANDMARK_FILE = "mediapipe/modules/hand_landmark/hand_landmark_full.tflite"

KINDS = {number: name for name, number in vars(tflite.BuiltinOperator).items() if not name.startswith("_")}
CONVOLUTIONS = {
    "CONV_2D": tflite.Conv2DOptions,
    "DEPTHWISE_CONV_2D": tflite.DepthwiseConv2DOptions,
}


class ConversionError(S2HandError):
    """The file is not the network that this script knows."""


@dataclass(frozen=True)
class Operation:
    """One operation of a graph.

    Attributes:
        kind: its name in the format's schema.
        data: numbers of the tensors that it computes from.
        weights: its constant arrays.
        output: number of the tensor that it computes.
        stride: a convolution's stride, else 1.
        relu6: whether a convolution's output is clipped to [0, 6].
    """

    kind: str
    data: tuple[int, ...]
    weights: tuple[np.ndarray, ...]
    output: int
    stride: int
    relu6: bool


class Walk:
    """A walk through a graph beside a PyTorch module, which collects the module's weights.

    Args:
        content: what a .tflite file holds.
    """

    def __init__(self, content: bytes):
        model = tflite.Model.GetRootAsModel(content, 0)
        graph = model.Subgraphs(0)
        self.input = graph.Inputs(0)
        self.outputs = [graph.Outputs(i) for i in range(graph.OutputsLength())]
        self.operations = _operations(model, graph)
        self.visited: set[int] = set()
        self.state: dict[str, torch.Tensor] = {}

    def step(
        self, kind: str, *data: int, output: int | None = None, out_channels: int | None = None
    ) -> Operation:
        """The one operation of a kind that reads these tensors (and has that output or so many filters)."""
        found = [
            (i, operation)
            for i, operation in enumerate(self.operations)
            if operation.kind == kind
            and set(operation.data) == set(data)
            and output in (None, operation.output)
            and out_channels in (None, *(len(array) for array in operation.weights[-1:]))
        ]
        if len(found) != 1:
            raise ConversionError(f"tensors {data}: expected one {kind} that reads them, found {len(found)}")
        index, operation = found[0]
        self.visited.add(index)
        return operation

    def convolution(self, module: SameConv2d, name: str, x: int) -> int:
        """Takes a convolution's weights; returns its output."""
        depthwise = module.groups > 1
        kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        operation = self.step(kind, x, out_channels=module.out_channels)
        kernel, bias = operation.weights
        if (operation.stride, operation.relu6) != (module.stride[0], module.relu6):
            raise ConversionError(
                f"{name}: stride {operation.stride}, clipped: {operation.relu6}; expected others"
            )
        self.take(
            f"{name}.weight", kernel.transpose(3, 0, 1, 2) if depthwise else kernel.transpose(0, 3, 1, 2)
        )
        if module.bias is not None:
            self.take(f"{name}.bias", bias)
        elif bias.any():
            raise ConversionError(f"{name}: a bias where none was expected")
        return operation.output

    def prelu(self, name: str, x: int) -> int:
        """Takes the slopes of a PReLU; returns its output."""
        operation = self.step("PRELU", x)
        self.take(f"{name}.weight", operation.weights[0].reshape(-1))
        return operation.output

    def linear(self, name: str, x: int, output: int) -> None:
        """Takes the weights of the linear layer that leads from one tensor to another."""
        weight, bias = self.step("FULLY_CONNECTED", x, output=output).weights
        self.take(f"{name}.weight", weight)
        self.take(f"{name}.bias", bias)

    def take(self, name: str, array: np.ndarray) -> None:
        """Keeps an array under a name of the module's state."""
        self.state[name] = torch.from_numpy(array.copy())

    def finish(self, module: nn.Module) -> dict[str, torch.Tensor]:
        """The collected state, which has to fill the module and to leave nothing of the graph.

        Raises:
            ConversionError: an operation was not visited.
        """
        left = [operation.kind for i, operation in enumerate(self.operations) if i not in self.visited]
        if left:
            raise ConversionError(f"{len(left)} operations were not expected: {', '.join(sorted(set(left)))}")
        module.load_state_dict(self.state)
        return self.state


def _operations(model: tflite.Model, graph: tflite.SubGraph) -> list[Operation]:
    """A graph's operations without those that widen half precision, whose results count as constants."""
    constants: dict[int, np.ndarray] = {}
    for number in range(graph.TensorsLength()):
        tensor = graph.Tensors(number)
        data = model.Buffers(tensor.Buffer()).DataAsNumpy()
        if isinstance(data, np.ndarray):
            dtype = np.float16 if tensor.Type() == tflite.TensorType.FLOAT16 else np.int32
            constants[number] = data.view(dtype).reshape(tensor.ShapeAsNumpy())
    operations = []
    for index in range(graph.OperatorsLength()):
        source = graph.Operators(index)
        code = model.OperatorCodes(source.OpcodeIndex())
        kind = KINDS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs, output = source.InputsAsNumpy().tolist(), source.Outputs(0)
        if kind == "DEQUANTIZE":
            constants[output] = constants[inputs[0]]
            continue
        stride, relu6 = 1, False
        if kind in CONVOLUTIONS:
            options = CONVOLUTIONS[kind]()
            options.Init(source.BuiltinOptions().Bytes, source.BuiltinOptions().Pos)
            stride, relu6 = (
                options.StrideW(),
                (options.FusedActivationFunction() == tflite.ActivationFunctionType.RELU6),
            )
        data = tuple(number for number in inputs if number not in constants)
        weights = tuple(constants[number] for number in inputs if number in constants)
        operations.append(Operation(kind, data, weights, output, stride, relu6))
    return operations


def walk_blaze_block(walk: Walk, block: BlazeBlock, name: str, x: int) -> int:
    """Through a block of the palm detector."""
    out = walk.convolution(block.depthwise, f"{name}.depthwise", x)
    out = walk.convolution(block.pointwise, f"{name}.pointwise", out)
    skip = walk.step("MAX_POOL_2D", x).output if block.stride > 1 else x
    skip = walk.step("PAD", skip).output if block.added_channels else skip
    return walk.prelu(f"{name}.activation", walk.step("ADD", skip, out).output)


def walk_up_block(walk: Walk, block: UpBlock, name: str, x: int, skip: int) -> int:
    """Through a merging of two maps of the palm detector."""
    x = walk.convolution(block.pointwise, f"{name}.pointwise", walk.step("RESIZE_BILINEAR", x).output)
    x = walk.step("ADD", skip, walk.prelu(f"{name}.activation", x)).output
    for index, inner in enumerate(block.blocks):
        x = walk_blaze_block(walk, inner, f"{name}.blocks.{index}", x)
    return x


def walk_head(walk: Walk, head: AnchorHead, name: str, x: int) -> list[int]:
    """Through a head of the palm detector; returns its boxes and logits."""
    return [
        walk.step("RESHAPE", walk.convolution(getattr(head, part), f"{name}.{part}", x)).output
        for part in ("boxes", "logits")
    ]


def convert_palm(content: bytes) -> dict[str, torch.Tensor]:
    """The state of :class:`PalmNet` from the palm detector's file."""
    net, walk = PalmNet(), Walk(content)
    x = walk.prelu("stem_activation", walk.convolution(net.stem, "stem", walk.input))
    for index, block in enumerate(net.stem_blocks):
        x = walk_blaze_block(walk, block, f"stem_blocks.{index}", x)
    maps = []
    for number, stage in enumerate(net.stages):
        for index, block in enumerate(stage):
            x = walk_blaze_block(walk, block, f"stages.{number}.{index}", x)
        maps.append(x)
    coarse = walk_up_block(walk, net.up_coarse, "up_coarse", maps[3], maps[2])
    fine = walk_up_block(walk, net.up_fine, "up_fine", coarse, maps[1])
    answers = zip(
        walk_head(walk, net.fine_head, "fine_head", fine),
        walk_head(walk, net.coarse_head, "coarse_head", coarse),
        strict=True,
    )
    for pair, output in zip(answers, walk.outputs, strict=True):
        joined = walk.step("CONCATENATION", *pair, output=output)
        if joined.data != pair:
            raise ConversionError("the maps' anchors come in another order than expected")
    return walk.finish(net)


def walk_inverted_residual(walk: Walk, block: InvertedResidual, name: str, x: int) -> int:
    """Through a block of the landmark network."""
    out = walk.convolution(block.expand, f"{name}.expand", x)
    out = walk.convolution(block.depthwise, f"{name}.depthwise", out)
    out = walk.convolution(block.project, f"{name}.project", out)
    return walk.step("ADD", out, x).output if block.adds_input else out


def convert_landmarks(content: bytes) -> dict[str, torch.Tensor]:
    """The state of :class:`HandLandmarkNet` from the landmark network's file."""
    net, walk = HandLandmarkNet(), Walk(content)
    trunk = net.trunk
    x = walk.convolution(trunk.stem, "trunk.stem", walk.input)
    x = walk.convolution(trunk.stem_depthwise, "trunk.stem_depthwise", x)
    x = walk.convolution(trunk.stem_project, "trunk.stem_project", x)
    for index, block in enumerate(trunk.blocks):
        x = walk_inverted_residual(walk, block, f"trunk.blocks.{index}", x)
    x = walk.convolution(trunk.last_expand, "trunk.last_expand", x)
    x = walk.convolution(trunk.last_depthwise, "trunk.last_depthwise", x)
    feature = walk.step("MEAN", x).output
    # The published graph names the outputs by their place: landmarks, presence, handedness, world landmarks.
    landmarks, presence, right, world = walk.outputs
    walk.linear("landmarks", feature, landmarks)
    walk.linear("world", feature, world)
    for name, output in (("presence", presence), ("right", right)):
        logit = next(
            operation.data[0] for operation in walk.operations
            if operation.kind == "LOGISTIC" and operation.output == output
        )  # fmt: skip
        walk.step("LOGISTIC", logit)
        walk.linear(name, feature, logit)
    return walk.finish(net)


def read_member(source: Path, member: str) -> bytes:
    """A file of the wheel, or of the folder that it was unpacked to.

    Raises:
        ConversionError: there is no such file.
    """
    if source.is_dir():
        path = source / member
        if not path.is_file():
            raise ConversionError(f"{path}: no such file; expected a folder that holds the unpacked wheel")
        return path.read_bytes()
    with zipfile.ZipFile(source) as wheel:
        if member not in wheel.namelist():
            raise ConversionError(f"{source}: holds no {member}; take the wheel mediapipe 0.10.21")
        return wheel.read(member)


def main() -> None:
    """Converts both networks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", type=Path, help="the wheel mediapipe 0.10.21, or a folder with its files")
    parser.add_argument("--output", type=Path, default=WEIGHTS_FOLDER, help="folder of the weights")
    arguments = parser.parse_args()
    for name, member, convert in (
        ("palm", PALM_FILE, convert_palm),
        ("landmarks", LANDMARK_FILE, convert_landmarks),
    ):
        state = convert(read_member(arguments.wheel, member))
        with written_whole(arguments.output / f"{name}.safetensors") as path:
            save_file(state, path, {"source": f"mediapipe 0.10.21, {member}", "license": "Apache-2.0"})
        print(f"{name}.safetensors: {len(state)} tensors, {sum(t.numel() for t in state.values()):,} numbers")


if __name__ == "__main__":
    main()
