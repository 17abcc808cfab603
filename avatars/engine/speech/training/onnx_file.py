"""The network as an ONNX file, weights in half precision."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from avatars.engine.speech.audio_driver import CLOSED
from avatars.engine.speech.mel import FEATURES
from avatars.engine.speech.training.network import DILATIONS, HEADS, TAPS, TARGETS, WIDTH, Parameters

OPSET: Final = 17
IR_VERSION: Final = 8


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def weight(self, name: str, values: NDArray[Any]) -> str:
        if values.dtype.kind == "f":
            self.weights.append(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
            self.nodes.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
        else:
            self.weights.append(numpy_helper.from_array(values, name))
        return name

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def convolution(self, name: str, layer: dict[str, Any], values: str, taps: int = 1, dilation: int = 1) -> str:
        weight = np.asarray(layer["weight"])
        kernel = weight.reshape(taps, -1, weight.shape[1]).transpose(2, 1, 0)
        inputs = [values, self.weight(f"{name}.weight", kernel), self.weight(f"{name}.bias", np.asarray(layer["bias"]))]
        return self.add("Conv", inputs, f"{name}.out", dilations=[dilation])

    def relu(self, values: str) -> str:
        return self.add("Relu", [values], f"{values}.relu")


def write(parameters: Parameters, path: Path) -> None:
    """Write the network: `heard` (1, MEMORY_STEPS + n, FEATURES) to `mouth` (1, n, HEADS, TARGETS), float32.

    The phones it names in training are left out; closed and moving become probabilities.
    """
    graph = _Graph()
    values = graph.add("Transpose", ["heard"], "heard.turned", perm=[0, 2, 1])
    values = graph.relu(graph.convolution("first", parameters["first"], values, TAPS))
    for index, dilation in enumerate(DILATIONS):
        wide = graph.relu(graph.convolution(f"wide{index}", parameters[f"wide{index}"], values, TAPS, dilation))
        changed = graph.convolution(f"mix{index}", parameters[f"mix{index}"], wide)
        cut = [graph.weight(f"cut{index}.{end}", np.array([at])) for end, at in
               (("from", (TAPS - 1) * dilation), ("until", np.iinfo(np.int32).max), ("axis", 2))]  # fmt: skip
        kept = graph.add("Slice", [values, *cut], f"kept{index}")
        values = graph.add("Add", [kept, changed], f"block{index}")
    turned = graph.relu(graph.convolution("turn", parameters["turn"], graph.relu(values)))
    # The two heads as one: each hears its half.
    weight = np.zeros((WIDTH, HEADS * TARGETS), np.float32)
    bias = np.zeros(HEADS * TARGETS, np.float32)
    for head in range(HEADS):
        layer, half = parameters[f"say{head}"], WIDTH // HEADS
        weight[head * half : (head + 1) * half, head * TARGETS : (head + 1) * TARGETS] = layer["weight"][:, :TARGETS]
        bias[head * TARGETS : (head + 1) * TARGETS] = layer["bias"][:TARGETS]
    said = graph.convolution("say", {"weight": weight, "bias": bias}, turned)
    said = graph.add("Transpose", [said], "said.turned", perm=[0, 2, 1])
    shape = graph.weight("shape", np.array([1, -1, HEADS, TARGETS]))
    said = graph.add("Reshape", [said, shape], "said.heads")
    sizes = graph.weight("sizes", np.array([CLOSED, TARGETS - CLOSED]))
    graph.nodes.append(helper.make_node("Split", [said, sizes], ["controls", "logits"], axis=3))
    graph.add("Concat", ["controls", graph.add("Sigmoid", ["logits"], "likely")], "mouth", axis=3)
    heard = helper.make_tensor_value_info("heard", TensorProto.FLOAT, [1, "memory_and_steps", FEATURES])
    mouth = helper.make_tensor_value_info("mouth", TensorProto.FLOAT, [1, "steps", HEADS, TARGETS])
    whole = helper.make_graph(graph.nodes, "audio driver", [heard], [mouth], graph.weights)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="Parlo")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
