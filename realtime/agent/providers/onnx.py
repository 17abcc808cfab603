"""How the agent's small networks are run: one thread, no spinning."""

from pathlib import Path
from typing import Any

import onnxruntime

from realtime.agent.protocols import ProviderError


def session(path: Path) -> Any:
    """An inference session on the processor. Raises ProviderError where the file is missing or broken."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ProviderError(f"The model file {path.name} cannot be loaded.") from error
