"""Ears, a mind and a voice somewhere else, as a server with the OpenAI protocol: each takes its time, and nothing varies.

Run as a program it prints its port and serves until it is ended.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import numpy as np

HEARING_S: Final = 0.150
FIRST_TOKEN_S: Final = 0.150
# About 260 tokens a second.
WORD_S: Final = 0.005
VOICE_S: Final = 0.080
RATE_HZ: Final = 24_000
SECONDS_A_WORD: Final = 0.28
HEARD: Final = "Could you tell me something about that?"
SAID: Final = "I keep the old light for everybody who is out at sea tonight, and there is always tea."


class Handler(BaseHTTPRequestHandler):
    """Answers whatever is asked in the same way."""

    protocol_version = "HTTP/1.1"
    # Or the small pieces of a stream wait for each other.
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Until who asks is gone: what was begun too early is broken off."""
        with suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/audio/transcriptions"):
            time.sleep(HEARING_S)
            self._begin("application/json")
            self._send(json.dumps({"text": HEARD}).encode())
        elif self.path.endswith("/chat/completions"):
            time.sleep(FIRST_TOKEN_S)
            self._begin("text/event-stream")
            for number, word in enumerate(SAID.split()):
                time.sleep(WORD_S if number else 0)
                self._chunk({"content": f" {word}" if number else word}, None)
            self._chunk({}, "stop")
            self._send(b"data: [DONE]\n\n")
        else:
            time.sleep(VOICE_S)
            words = len(json.loads(body)["input"].split())
            self._begin("audio/pcm")
            noise = np.random.default_rng(1).normal(0, 0.1, int(words * SECONDS_A_WORD * RATE_HZ))
            self._send((np.clip(noise, -1, 1) * 32767).astype("<i2").tobytes())
        self._send(b"")

    def _begin(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, delta: dict[str, str], finish: str | None) -> None:
        chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        self._send(f"data: {json.dumps(chunk)}\n\n".encode())

    def _send(self, piece: bytes) -> None:
        """The next piece; an empty one ends the answer."""
        self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def far_providers() -> Iterator[tuple[str, int]]:
    """The server in a process of its own: its address, which ends in /v1, and the process's number."""
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1", process.pid
        finally:
            process.terminate()


def main() -> None:
    """Serve."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
