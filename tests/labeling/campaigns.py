"""Campaigns, tasks and people for the labeling tests."""

from typing import Any

from labeling.models.campaigns import Campaign, Member
from labeling.models.guidelines import Guideline, GuidelineVersion
from labeling.models.tasks import Candidate, Task
from labeling.protocol.registry import kind_of
from tilth.accounts.models import Role, User

CLAUSES = [
    {
        "id": "honest",
        "kind": "rule",
        "title": "Be honest",
        "stakeholders": ["user"],
        "body": "Say so.",
        "examples": [],
    },
    {
        "id": "short",
        "kind": "default",
        "title": "Be short",
        "stakeholders": ["user"],
        "body": "Brief.",
        "examples": [],
    },
]
PAYLOADS: dict[str, dict[str, Any]] = {
    "preference": {"messages": [{"role": "user", "content": "Why is the sky blue?"}]},
    "rating": {"text": "A text about wheat."},
    "demonstration": {"messages": [{"role": "user", "content": "Why is the sky blue?"}]},
    "edit": {"messages": [{"role": "user", "content": "Why is the sky blue?"}]},
    "conversation": {
        "messages": [
            {"role": "user", "content": "Book a table."},
            {"role": "assistant", "content": "For how many?"},
            {"role": "user", "content": "Two."},
            {"role": "assistant", "content": "Done."},
        ]
    },
}
ANSWERS: dict[str, list[str]] = {
    "preference": ["Because of Rayleigh scattering.", "Because it reflects the sea."],
    "edit": ["Because the blue light is scatered more."],
}


def guideline(name: str = "helpful", number: int = 1) -> GuidelineVersion:
    """A published guideline version with two clauses."""
    parent, _ = Guideline.objects.get_or_create(
        name=name, defaults={"title": name.title(), "last_number": number}
    )
    version, _ = GuidelineVersion.objects.get_or_create(
        guideline=parent, number=number, defaults={"source": "# Helpful", "clauses": CLAUSES}
    )
    return version


def campaign(
    kind: str = "preference", *, state: str = "live", tasks: int = 0, lead: User | None = None, **fields: Any
) -> Campaign:
    """A campaign with its kind's default schema and ``tasks`` ordinary tasks."""
    schema = {**kind_of(kind).default_schema(), **fields.pop("schema", {})}
    count = Campaign.objects.count()
    values = {
        "name": f"{kind}-{count}",
        "title": f"{kind.title()} {count}",
        "guideline": guideline(),
        **fields,
    }
    made = Campaign.objects.create(kind=kind, state=state, schema=schema, **values)
    if lead is not None:
        made.leads.add(lead)
    for _ in range(tasks):
        task(made)
    return made


def task(made: Campaign, *, answers: list[str] | None = None, **fields: Any) -> Task:
    """The next task of a campaign, with its kind's sample payload and answers."""
    made.refresh_from_db(fields=["tasks_made"])
    made.tasks_made += 1
    made.save(update_fields=["tasks_made"])
    values = {"payload": PAYLOADS[made.kind], "overlap": made.overlap, "key": f"k{made.tasks_made}", **fields}
    row = Task.objects.create(campaign=made, position=made.tasks_made, **values)
    texts = ANSWERS.get(made.kind, []) if answers is None else answers
    for position, text in enumerate(texts):
        Candidate.objects.create(
            task=row,
            position=position,
            messages=[{"role": "assistant", "content": text}],
            model=f"model-{position}",
        )
    return row


def join(made: Campaign, *people: User) -> list[Member]:
    """Active members."""
    active = Member.State.ACTIVE
    return [Member.objects.create(campaign=made, user=user, state=active, reserved=True) for user in people]


def labelers(count: int) -> list[User]:
    """People who label."""
    return [
        User.objects.create(email=f"labeler{n}@example.org", name=f"Labeler {n}", role=Role.LABELER)
        for n in range(count)
    ]
