"""The tokenizer explorer: what a model sees of a text or a conversation, token by token."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from tilth.accounts.permissions import requires
from tilth.errors import TilthError
from training import extra
from training.explore_form import (
    BEGINNING,
    CONVERSATION,
    MOST_TURNS,
    ROLES,
    TEXT,
    ExploreForm,
    filled,
    read_turns,
)
from training.exploring import explore

SHADES = 6
VISIBLE = str.maketrans({"\n": "↵\n", "\r": "␍", "\t": "⇥\t"})
NAMED = str.maketrans({" ": "␣", "\n": "↵", "\r": "␍", "\t": "⇥"})


@requires("models.view")
@require_http_methods(["GET", "POST"])
def explorer(request: HttpRequest) -> HttpResponse:
    """The form and, once something is typed, its tokens; htmx gets the tokens alone.

    ``?kind=conversation`` asks for turns, ``?tokenizer=`` chooses a checkpoint.
    """
    asked = request.POST if request.method == "POST" else None
    kind = CONVERSATION if request.GET.get("kind") == CONVERSATION else TEXT
    form = ExploreForm(asked, initial={"kind": kind, "tokenizer": request.GET.get("tokenizer", "")})
    context: dict[str, Any] = {"form": form, "turns": BEGINNING}
    if asked is not None:
        context |= _answer(form, asked)
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "training/_tokens.html", {**context, "live": True})
    if "add" in request.POST:
        context["turns"] = [*context["turns"], {"role": "user", "content": ""}][:MOST_TURNS]
    context |= {
        "roles": ROLES,
        "may_add": len(context["turns"]) < MOST_TURNS,
        "not_enabled": extra.how_to_enable() if extra.missing() else "",
    }
    return render(request, "training/explore.html", context, status=422 if "fault" in context else 200)


def _answer(form: ExploreForm, asked: Any) -> dict[str, Any]:
    """The turns as typed, with what was found of them or what is wrong."""
    try:
        turns = read_turns(asked)
    except TilthError as error:
        return {"fault": error.message}
    found: dict[str, Any] = {"turns": turns or BEGINNING}
    if not form.is_valid():
        return {**found, "fault": " ".join(str(fault) for faults in form.errors.values() for fault in faults)}
    messages = filled(turns) if form.is_talk else None
    text = None if form.is_talk else form.cleaned_data["text"]
    if not messages and not text:
        return found
    chosen = form.chosen
    try:
        answers = explore(chosen, text, messages)
    except TilthError as error:
        return {**found, "fault": error.message}
    return {**found, "found": [_shown(*pair) for pair in zip(chosen, answers, strict=True)], **_gap(answers)}


def _shown(checkpoint: Any, answer: dict[str, Any]) -> dict[str, Any]:
    tokens = [
        {
            **token,
            "shade": token["id"] % SHADES + 1,
            "seen": token["text"].translate(VISIBLE) if token["whole"] else token["text"],
            "named": token["text"].translate(NAMED) if token["whole"] else "",
        }
        for token in answer["tokens"]
    ]
    ratio = answer["bytes"] / answer["count"] if answer["count"] else None
    left = answer["count"] - len(tokens)
    return {**answer, "checkpoint": checkpoint, "tokens": tokens, "ratio": ratio, "left": left}


def _gap(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """By how much the second tokenizer needs more or fewer tokens than the first."""
    if len(answers) < 2 or not answers[0]["count"]:
        return {}
    first, second = answers[0]["count"], answers[1]["count"]
    return {
        "gap": abs(second - first),
        "gap_share": abs(second - first) / first * 100,
        "fewer": second < first,
        "same": second == first,
    }
