"""Objects for the route walk over training's addresses."""

from typing import Any

from django.conf import settings

from tests.route_samples import sample
from tests.training.ablating import asked
from tests.training.launching import ACTOR, alert, checkpoint, launched
from tilth.accounts.actors import Actor
from tilth.accounts.models import User
from tilth.storage import Storage
from training.actions import ablations, channels
from training.llm.checkpoints import Checkpoint as Stored
from training.models.runs import Run


def _run() -> Run:
    return launched(Storage(settings.STORAGE))


@sample(
    "training:run",
    "training:live",
    "training:samples",
    "training:curves_csv",
    "training:pauses",
    "training:retention",
    "training:prune",
)
def a_run(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": _run().pk}


@sample("training:steer")
def a_run_to_cancel(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": _run().pk, "verb": "cancel"}


@sample(
    *(
        f"/api/v1/training/runs/<int:pk>{end}"
        for end in (
            *("", "/preflight", "/check", "/series", "/cancel", "/pause", "/resume", "/retry", "/clone"),
            *("/retention", "/prune"),
        )
    )
)
def a_run_by_api(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": _run().pk}


@sample(
    "training:checkpoint",
    "training:download",
    "/api/v1/training/checkpoints/<int:run>/<int:step>",
    "/api/v1/training/checkpoints/<int:run>/<int:step>/download",
)
def a_checkpoint(people: dict[str, User]) -> dict[str, Any]:
    made = checkpoint(_run(), 0)
    stored = Stored(run=made.run_id, step=0, stage="tokenizer", holds="tokenizer")
    Storage(settings.STORAGE).write_json(f"{made.path}/checkpoint.json", stored.to_json())
    return {"run": made.run_id, "step": 0}


@sample("training:see_alert", "/api/v1/training/alerts/<int:pk>/seen")
def an_alert(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": alert(_run()).pk}


@sample("training:end_channel", "/api/v1/training/alert-channels/<int:pk>")
def a_channel(people: dict[str, User]) -> dict[str, Any]:
    # Only its owner and admins may end one, which the permission alone does not say.
    owner = people["researcher"]
    return {"pk": channels.add_mailbox(Actor(user=owner)).pk}


@sample("training:ablation", "/api/v1/training/ablations/<int:pk>")
def an_ablation(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": ablations.launch(ACTOR, asked(Storage(settings.STORAGE))).pk}
