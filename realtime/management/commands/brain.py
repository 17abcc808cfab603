"""`manage.py brain`: the local language model, behind an OpenAI-compatible address on this machine."""

import signal
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from realtime.brain import HOST, MODEL_NAME, BrainMissing, brain_ready, brain_url, gguf_path

SLOTS: Final = 2
CONTEXT_TOKENS_PER_SLOT: Final = 2048
CACHE_MIB: Final = 64


class Command(BaseCommand):
    """Serves until it is told to stop."""

    help = "Run the local language model for conversations (not needed where LLM_URL is set)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=settings.BRAIN_PORT)

    def handle(self, *, port: int, **options: Any) -> None:
        """Load the model, say when it is ready, and wait for SIGTERM or SIGINT."""
        # Blocked before the server starts its threads, so that none of them takes the signal.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        if settings.LLM_URL:
            self.stdout.write("LLM_URL is set: the local brain stays off.")
            signal.sigwait({signal.SIGTERM, signal.SIGINT})
            return
        if brain_ready(brain_url(port)):
            raise CommandError(f"Something already answers on port {port}. Stop it, or set BRAIN_PORT.")
        try:
            path = gguf_path(settings.LLM_GGUF_PATH)
        except BrainMissing as error:
            raise CommandError(str(error)) from error
        # Held until the end: the server stops when nothing refers to it any more.
        server = _serve(str(path), port)
        self.stdout.write(f"The local brain is ready: {path.name} at {server.listening_address}/v1")
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
        self.stdout.write("The local brain stops.")
        del server


def _serve(model: str, port: int) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = {MODEL_NAME}
    params.hostnames = [HOST]
    params.port = port
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT_TOKENS_PER_SLOT
    # Two threads on two shared cores wait for each other: one is faster.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
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
