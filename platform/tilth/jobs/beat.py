"""The clock: Celery's beat, which here runs its few light tasks itself instead of sending them.

So the reaper sees that a worker has died even when no worker is left to run the reaper, and nothing
piles up in the broker while none runs. The schedule is in memory: no file can be broken by a kill.
"""

import logging
from typing import Any

from celery.beat import ScheduleEntry, Scheduler
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

logger = logging.getLogger(__name__)


class InProcessScheduler(Scheduler):
    """Runs a due task in beat's own process."""

    def apply_async(
        self, entry: ScheduleEntry, producer: Any = None, advance: bool = True, **options: Any
    ) -> None:
        """Run one due entry; a database that is away is logged, and the next round tries again."""
        if advance:
            self.reserve(entry)
        close_old_connections()
        try:
            self.app.tasks[entry.task](*entry.args, **entry.kwargs)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("%s did not run: %s", entry.name, error)
            connection.close()

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Like Celery's, without the notice that something was sent; any other fault ends this entry's round only."""
        try:
            self.apply_async(entry, advance=False)
        except Exception:
            logger.exception("%s failed", entry.name)
