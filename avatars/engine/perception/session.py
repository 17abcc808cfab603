"""One way to open an ONNX network: one thread, no spinning, weights verified."""

import onnxruntime

from avatars.engine.weights import Weight, weight_path

ERRORS_ONLY = 3


def one_thread() -> onnxruntime.SessionOptions:
    """Options for a network that shares its cores with live conversations: a spinning thread pool would steal from them."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def open_session(weight: Weight) -> onnxruntime.InferenceSession:
    """Open a network for inference on one CPU thread.

    Raises `WeightError` when the file is missing or damaged.
    """
    return onnxruntime.InferenceSession(str(weight_path(weight)), one_thread(), providers=["CPUExecutionProvider"])
