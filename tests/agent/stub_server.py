"""A server with the OpenAI protocol that says what it is told to, on the loopback."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Stub:
    """What it answers with, and what it was asked.

    replies: the chunks of one answer after the other; when there are none left, `chunks`.
    """

    url: str = ""
    status: int = 200
    chunks: list[dict[str, Any]] = field(default_factory=list)
    transcript: str = ""
    pcm: bytes = b""
    asked: list[tuple[str, bytes]] = field(default_factory=list)
    replies: list[list[dict[str, Any]]] = field(default_factory=list)
    refuses_tools: bool = False

    def says(self, *texts: str, finish: str = "stop") -> None:
        """The language model's next replies."""
        self.chunks = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in texts]
        self.chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        self.chunks.append({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})


@contextmanager
def stub_server() -> Iterator[Stub]:
    """Serve until the end of the block."""
    stub = Stub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            stub.asked.append((self.path, body))
            status = 400 if stub.refuses_tools and b'"tools"' in body else stub.status
            if status != 200:
                self._answer("application/json", b'{"error": {"message": "secret-host says no"}}', status)
            elif self.path.endswith("/chat/completions"):
                lines = [
                    f"data: {json.dumps(chunk)}\n\n" for chunk in (stub.replies.pop(0) if stub.replies else stub.chunks)
                ]
                self._answer("text/event-stream", ("".join(lines) + "data: [DONE]\n\n").encode())
            elif self.path.endswith("/audio/transcriptions"):
                self._answer("application/json", json.dumps({"text": stub.transcript}).encode())
            else:
                self._answer("audio/pcm", stub.pcm)

        def _answer(self, kind: str, body: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("x-should-retry", "false")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
