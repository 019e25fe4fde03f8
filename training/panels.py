"""What training contributes to the home page: alerts of runs that nobody has seen to."""

from typing import Any

from tilth.accounts.models import User
from tilth.ui.home import Panel, register
from training.models.alerts import Alert

SHOWN = 5


def alerts(user: User) -> dict[str, Any] | None:
    """The newest alerts, and how many more there are."""
    unseen = Alert.objects.unseen().select_related("run__job", "run__preflight")
    newest = list(unseen[:SHOWN])
    return {"alerts": newest, "more": unseen.count() - len(newest)} if newest else None


def register_all() -> None:
    """Put the panel onto the home page."""
    register(Panel("Alerts of runs", "training/panels/alerts.html", "models.view", alerts, order=12))
