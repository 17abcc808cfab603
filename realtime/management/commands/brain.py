"""`manage.py brain`: the local language model behind an OpenAI-compatible address, and the downloads of others."""

import os
import signal
import threading
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from realtime.brain import HOST, MODEL_NAME, BrainMissing, brain_ready, brain_url, gguf_path
from webapp.providers.catalogue import CATALOGUE
from webapp.providers.chosen import for_all
from webapp.providers.downloading import Downloader
from webapp.providers.endpoint import Choice

SLOTS: Final = 2
# A larger model is told its tools, its notes and passages of files besides the conversation.
CONTEXT_TOKENS_PER_SLOT: Final = 3072
DEMO_CONTEXT_TOKENS_PER_SLOT: Final = 2048
CACHE_MIB: Final = 64
LOOK_EVERY_S: Final = 1.0


class Command(BaseCommand):
    """Serves until it is told to stop, or until another model is chosen: the supervisor then starts it with that one."""

    help = "Run the local language model for conversations, and fetch others when an admin asks for them."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=settings.BRAIN_PORT)

    def handle(self, *, port: int, **options: Any) -> None:
        """Load the model, say when it is ready, and wait for SIGTERM, SIGINT or another choice."""
        # Blocked before the server starts its threads, so that none of them takes the signal.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        if settings.LLM_URL:
            self.stdout.write("LLM_URL is set: the local brain stays off.")
            signal.sigwait({signal.SIGTERM, signal.SIGINT})
            return
        choice = for_all()
        stopping = threading.Event()
        downloads = threading.Thread(target=Downloader(stopping).run, name="downloads", daemon=True)
        server = None
        if choice.thinking:
            self.stdout.write("Another language model is chosen: the local brain stays off.")
        else:
            if brain_ready(brain_url(port)):
                raise CommandError(f"Something already answers on port {port}. Stop it, or set BRAIN_PORT.")
            try:
                path = model_file(choice)
            except BrainMissing as error:
                raise CommandError(str(error)) from error
            # Held until the end: the server stops when nothing refers to it any more.
            server = _serve(
                str(path),
                port,
                threads=1 if choice.demo_brain else larger_threads(),
                context_tokens=DEMO_CONTEXT_TOKENS_PER_SLOT if choice.demo_brain else CONTEXT_TOKENS_PER_SLOT,
            )
            self.stdout.write(f"The local brain is ready: {path.name} at {server.listening_address}/v1")
        downloads.start()
        while signal.sigtimedwait({signal.SIGTERM, signal.SIGINT}, LOOK_EVERY_S) is None:
            if (now := for_all()) != choice and (now.thinking, now.brain) != (choice.thinking, choice.brain):
                self.stdout.write("Another language model was chosen.")
                break
        self.stdout.write("The local brain stops.")
        stopping.set()
        downloads.join()
        connection.close()
        del server


def model_file(choice: Choice) -> Path:
    """The file to run. Raises BrainMissing."""
    if choice.brain and not choice.own_gguf:
        path = CATALOGUE[choice.brain].file
        if path.is_file():
            return path
    return gguf_path(settings.LLM_GGUF_PATH)


def larger_threads() -> int:
    """How many cores a larger model may use: half of them, for the faces need the others."""
    return max(1, (os.cpu_count() or 1) // 2)


def _serve(model: str, port: int, *, threads: int, context_tokens: int) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = {MODEL_NAME}
    params.hostnames = [HOST]
    params.port = port
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * context_tokens
    # For the tiny model one is fastest: two threads on two shared cores wait for each other.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_threads_http = SLOTS + 2
    params.cache_ram_mib = CACHE_MIB
    params.verbosity = 0
    # It answers programs of this machine, and no page in a browser.
    params.ui = params.endpoint_slots = params.endpoint_props = False
    params.cors_origins = ""
    try:
        return xllamacpp.Server(params)
    except Exception as error:
        raise CommandError(f"The local brain did not start on port {port}: {error}") from error
