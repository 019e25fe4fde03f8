"""The Celery app: it carries wake-up calls to workers, never the truth about a job."""

from celery import Celery
from django.conf import settings

RUN_JOB = "tilth.jobs.run_job"

app = Celery("tilth", set_as_current=True)
app.conf.update(
    broker_url=settings.REDIS_URL,
    include=["tilth.jobs.tasks"],
    # A lost message is sent again by the reaper and a doubled one loses the compare-and-set, so a
    # message is acknowledged before the job starts and no result is kept.
    task_acks_late=False,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={"socket_connect_timeout": 2, "socket_timeout": 5},
    # The schedule is a few intervals: kept in memory, no file can be left broken by a kill.
    beat_scheduler="tilth.jobs.beat:InProcessScheduler",
    beat_max_loop_interval=1,
    beat_schedule={
        "reap": {"task": "tilth.jobs.reap", "schedule": settings.JOBS_REAP_SECONDS},
        "place": {"task": "tilth.jobs.place", "schedule": settings.JOBS_PLACE_SECONDS},
    },
    timezone="UTC",
)
