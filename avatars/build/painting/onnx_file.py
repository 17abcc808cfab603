"""The network as an ONNX file, its convolutions in whole numbers of eight bits."""

import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from avatars.build.painting.ground import Ground
from avatars.build.painting.network import CONTROL_LIMIT, LEAK, TAPS, WIDTHS, Parameters
from avatars.engine.face.mouthbox import CHANGED, CHANNELS, CONTROL_COUNT, HALF

OPSET: Final = 17
IR_VERSION: Final = 8

Array = NDArray[np.float32]


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def weight(self, name: str, values: Any) -> str:
        values = np.asarray(values)
        self.weights.append(
            numpy_helper.from_array(values.astype(np.float32) if values.dtype.kind == "f" else values, name)
        )
        return name

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def convolution(self, name: str, layer: dict[str, Any], values: str) -> str:
        kernel = np.asarray(layer["weight"]).transpose(3, 2, 0, 1)
        inputs = [values, self.weight(f"{name}.weight", kernel), self.weight(f"{name}.bias", layer["bias"])]
        return self.add("Conv", inputs, f"{name}.out", pads=[TAPS // 2] * 4, kernel_shape=[TAPS, TAPS])

    def leaky(self, values: str) -> str:
        return self.add("LeakyRelu", [values], f"{values}.leaky", alpha=LEAK)


def written(parameters: Parameters, ground: Ground) -> bytes:
    """The network: `drawn` (1, CHANNELS, HALF, HALF) and `controls` (1, CONTROL_COUNT) to `change` (1, CHANGED, HALF,
    HALF), float32. What it changes falls to nothing for lips unlike all that it learnt from."""
    graph = _Graph()
    centred = graph.add("Sub", ["controls", graph.weight("mean", ground.mean[None])], "controls.centred")
    standard = graph.add("Div", [centred, graph.weight("spread", ground.spread[None])], "controls.standard")
    told = graph.add(
        "Clip",
        [standard, *(graph.weight(f"limit{sign}", np.float32(sign * CONTROL_LIMIT)) for sign in (-1, 1))],
        "controls.clipped",
    )
    for index in range(3):
        layer = parameters[f"told{index}"]
        told = graph.add(
            "Gemm",
            [
                told,
                graph.weight(f"told{index}.weight", layer["weight"]),
                graph.weight(f"told{index}.bias", layer["bias"]),
            ],
            f"told{index}",
        )
        told = graph.leaky(told) if index < 2 else told
    told = graph.add("Reshape", [told, graph.weight("told.shape", np.array([1, -1, 1, 1]))], "told")
    sizes = graph.weight("told.sizes", np.repeat(WIDTHS, 2).astype(np.int64))
    names = [f"{kind}{index}" for index in range(3) for kind in ("scale", "shift")]
    graph.nodes.append(helper.make_node("Split", [told, sizes], names, axis=1))
    one = graph.weight("one", np.float32(1))
    scales = graph.weight("doubled", np.array([1, 1, 2, 2], np.float32))

    def level(name: str, values: str, number: int | None = None) -> str:
        values = graph.convolution(f"{name}a", parameters[f"{name}a"], values)
        if number is not None:
            more = graph.add("Add", [f"scale{number}", one], f"{name}.scale")
            values = graph.add("Mul", [values, more], f"{name}.scaled")
            values = graph.add("Add", [values, f"shift{number}"], f"{name}.shifted")
        return graph.leaky(graph.convolution(f"{name}b", parameters[f"{name}b"], graph.leaky(values)))

    def halved(values: str) -> str:
        return graph.add("AveragePool", [values], f"{values}.halved", kernel_shape=[2, 2], strides=[2, 2])

    def doubled(values: str) -> str:
        return graph.add(
            "Resize",
            [values, "", scales],
            f"{values}.doubled",
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    large = level("down0", graph.add("Sub", ["drawn", graph.weight("half", np.float32(0.5))], "drawn.centred"), 0)
    places = graph.weight("places", np.asarray(parameters["places"]).transpose(2, 0, 1)[None])
    middle = level("down1", graph.add("Concat", [halved(large), places], "placed", axis=1), 1)
    small = level("down2", halved(middle), 2)
    back = level("up1", graph.add("Concat", [doubled(small), middle], "joined1", axis=1))
    back = level("up0", graph.add("Concat", [doubled(back), large], "joined0", axis=1))
    change = graph.convolution("out", parameters["out"], back)
    graph.add("Mul", [change, _known(graph, standard, ground)], "change")
    inputs = [
        helper.make_tensor_value_info("drawn", TensorProto.FLOAT, [1, CHANNELS, HALF, HALF]),
        helper.make_tensor_value_info("controls", TensorProto.FLOAT, [1, CONTROL_COUNT]),
    ]
    output = helper.make_tensor_value_info("change", TensorProto.FLOAT, [1, CHANGED, HALF, HALF])
    whole = helper.make_graph(graph.nodes, "mouth", inputs, [output], graph.weights)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="Parlo")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _known(graph: _Graph, standard: str, ground: Ground) -> str:
    """1 for lips as near to some that were learnt from as those are to each other, falling to 0 at twice the distance."""
    apart = graph.add("Sub", [standard, graph.weight("centres", ground.centres)], "apart")
    square = graph.add("Mul", [apart, apart], "apart.square")
    sums = graph.add("ReduceSum", [square, graph.weight("axis1", np.array([1]))], "apart.sum", keepdims=1)
    least = graph.add("ReduceMin", [sums], "apart.least", axes=[0], keepdims=1)
    share = graph.add(
        "Div", [graph.add("Sqrt", [least], "distance"), graph.weight("near", np.float32(ground.near))], "distance.share"
    )
    beyond = graph.add("Sub", [graph.weight("two", np.float32(2)), share], "known.straight")
    bounds = [graph.weight("none", np.float32(0)), "one"]
    known = graph.add("Clip", [beyond, *bounds], "known")
    return graph.add("Reshape", [known, graph.weight("known.shape", np.array([1, 1, 1, 1]))], "known.one")


def quantised(network: bytes, drawn: Array, controls: Array) -> bytes:
    """The network with convolutions of eight bits, their ranges taken from examples (n, ...)."""
    with tempfile.TemporaryDirectory(prefix="parlo-mouth-") as folder:
        whole, small = Path(folder) / "whole.onnx", Path(folder) / "small.onnx"
        whole.write_bytes(network)
        quantize_static(
            whole,
            small,
            _Examples(drawn, controls),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            op_types_to_quantize=["Conv"],
        )
        return small.read_bytes()


class _Examples(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, drawn: Array, controls: Array) -> None:
        self._coming = iter(
            [{"drawn": one[None], "controls": told[None]} for one, told in zip(drawn, controls, strict=True)]
        )

    def get_next(self) -> Any:
        return next(self._coming, None)
