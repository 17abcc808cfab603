"""`manage.py builder`: the process that builds avatars."""

import os
import threading
from typing import Any

from django_tasks_db.management.commands.db_worker import Command as TaskWorker

from avatars.builder import watch_for_interrupted
from avatars.marking import answer_until
from avatars.mouths import learn_until

# Conversations come first: a build takes the processor time they leave.
NICENESS = 5


class Command(TaskWorker):
    """The task worker, which also takes up builds whose builder died, sketches faces that are being marked and learns mouths."""

    help = "Build avatars: runs queued builds, and takes up those that were interrupted."

    def handle(self, **options: Any) -> None:
        """Work until told to stop."""
        os.nice(NICENESS)
        threading.Thread(target=answer_until, args=[threading.Event()], name="sketches", daemon=True).start()
        threading.Thread(target=learn_until, args=[threading.Event()], name="mouths", daemon=True).start()
        threading.Thread(target=watch_for_interrupted, args=[threading.Event()], name="recovery", daemon=True).start()
        super().handle(**options)
