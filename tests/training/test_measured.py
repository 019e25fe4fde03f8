"""Evaluations of compared runs: which are shown, their differences and intervals, what is not compared; the page."""

import html
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.training.launching import checkpoint, launched
from tests.training.measuring import evaluation, figure, quiz
from tilth.storage import Storage
from training.items import paired_by_item, part_of
from training.measured import COMBINED, PAIRED, Cell, tables
from training.models.checkpoints import Checkpoint
from training.models.runs import Run

pytestmark = pytest.mark.django_db
ClientFor = Callable[..., Client]


@pytest.fixture(autouse=True)
def rooted(settings: Any, storage: Storage) -> None:
    settings.STORAGE = storage.url


def models(storage: Storage, **fields: Any) -> tuple[Checkpoint, Checkpoint]:
    """A checkpoint each of two runs, and something to measure them on."""
    quiz(storage)
    first, second = (checkpoint(launched(storage, name=name), 400, "model", **fields) for name in "AB")
    return first, second


def cell(runs: list[Run], name: str = "accuracy", baseline: int = 0) -> Cell:
    (table,) = tables(runs, runs[baseline])
    return dict(table.rows)[name][1 - baseline]


@pytest.mark.parametrize(
    ("kind", "name", "samples", "item", "part"),
    [
        ("choices", "accuracy", 1, (1.0, -3.0), 1.0),
        ("preferences", "accuracy", 1, (0.0, None), 0.0),
        ("documents", "bits_per_byte_of_a_text", 1, (1.25, -9.0), 1.25),
        ("problems", "answer_loglikelihood", 4, (0.5, -9.0), -9.0),
        ("problems", "pass@1", 4, (0.25, -9.0), 0.25),
        ("problems", "pass@2", 4, (0.25, -9.0), 0.5),
        ("problems", "all@2", 4, (0.75, -9.0), 0.5),
    ],
)
def test_an_item_contributes_to_a_figure_what_its_row_says(
    kind: str, name: str, samples: int, item: tuple[float, float], part: float
):
    found = part_of(kind, name, samples)
    assert found is not None and found(item) == pytest.approx(part)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("choices", "accuracy_by_byte"), ("documents", "bits_per_byte"), ("problems", "left_no_room")],
)
def test_what_the_rows_do_not_tell_is_not_paired(kind: str, name: str):
    assert part_of(kind, name, 1) is None


def test_items_are_paired_by_their_ids_and_only_where_they_are_the_same():
    part = part_of("documents", "bits_per_byte_of_a_text", 1)
    assert part is not None
    ours = {"a": (1.2, None), "b": (2.4, None), "c": (1.3, None), "d": (None, None)}
    theirs = {"c": (0.0, None), "b": (0.0, None), "a": (0.0, None), "d": (None, None)}
    found = paired_by_item(ours, theirs, part)
    # By hand: t(2) = 4.3027 times 0.66583 / √3 around 1.63333.
    assert found is not None and found.count == 3
    assert (found.value, found.low, found.high) == pytest.approx((1.633333, -0.020694, 3.287361), abs=1e-5)
    assert paired_by_item(ours, {**theirs, "e": (0.0, None)}, part) is None
    assert paired_by_item(ours, {**theirs, "d": (1.0, None)}, part) is None
    assert paired_by_item(ours, ours, part) is None, "differences that are all alike have no spread"


def test_each_run_is_shown_by_the_newest_evaluation_of_its_last_measured_checkpoint(storage: Storage):
    first, second = models(storage)
    early = checkpoint(second.run, 100, "model")
    checkpoint(second.run, 500, "model")
    evaluation(storage, first, {"accuracy": figure(0.5)})
    evaluation(storage, second, {"accuracy": figure(0.6)})
    newest = evaluation(storage, second, {"accuracy": figure(0.7)})
    evaluation(storage, early, {"accuracy": figure(0.9)})
    (table,) = tables([first.run, second.run], first.run)
    assert [head.measured.checkpoint for head in table.heads if head.measured] == [first, second]
    assert [head.measured.run for head in table.heads if head.measured][1] == newest
    ((name, (one, other)),) = table.rows
    assert (name, one.words, one.span, one.delta) == ("accuracy", "0.5", "0.45 to 0.55", None)
    # Square and add: √(0.05² + 0.05²) = 0.0707.
    assert other.delta is not None and other.delta.told and other.delta.better
    assert (other.delta.words, other.delta.span) == ("+0.2", "+0.1293 to +0.2707")
    assert other.delta.method == COMBINED


def test_another_run_can_be_the_baseline_and_close_values_are_not_told_apart(storage: Storage):
    first, second = models(storage)
    evaluation(storage, first, {"accuracy": figure(0.5)})
    evaluation(storage, second, {"accuracy": figure(0.55), "bits_per_byte": figure(2.0, None)})
    found = cell([first.run, second.run], baseline=1)
    assert found.delta is not None and not found.delta.told
    assert (found.delta.words, found.delta.span) == ("-0.05", "-0.1207 to +0.02071")
    missing = cell([first.run, second.run], "bits_per_byte")
    assert missing.figure is not None and missing.delta is None and "no value" in missing.why


def test_a_loss_that_falls_is_better_and_a_figure_without_interval_has_only_its_difference(storage: Storage):
    first, second = models(storage)
    for model, value in ((first, 2.0), (second, 1.5)):
        figures = {"bits_per_byte": figure(value, None), "bits_per_byte_of_a_text": figure(value)}
        evaluation(storage, model, figures)
    runs = [first.run, second.run]
    told, bare = cell(runs, "bits_per_byte_of_a_text").delta, cell(runs, "bits_per_byte").delta
    assert told is not None and told.told and told.better
    assert bare is not None and not bare.told and (bare.words, bare.span, bare.method) == ("-0.5", "", "")


def test_kept_items_tell_a_difference_that_intervals_do_not(storage: Storage):
    first, second = models(storage)
    easy = [1.0] * 20 + [0.0] * 20
    better = [1.0] * 26 + [0.0] * 14
    for model, scores in ((first, easy), (second, better)):
        value = sum(scores) / 40
        evaluation(storage, model, {"accuracy": figure(value, 0.15, 40)}, scores=scores)
    found = cell([first.run, second.run]).delta
    # By hand: six of forty items gained; 0.15 ± t(39) 2.0227 times √(0.15 · 0.85 · 40 / 39) / √40.
    assert found is not None and found.told and found.method == PAIRED
    assert (found.gap.low, found.gap.high) == pytest.approx((0.034356, 0.265644), abs=1e-5)
    evaluation(storage, second, {"accuracy": figure(0.65, 0.15, 40)})
    again = cell([first.run, second.run]).delta
    assert again is not None and not again.told and again.method == COMBINED


def test_what_was_asked_otherwise_is_not_compared(storage: Storage, client_for: ClientFor):
    first, second = models(storage)
    evaluation(storage, first, {"accuracy": figure(0.5)}, limit=100, temperature=1.0)
    evaluation(storage, second, {"accuracy": figure(0.9)}, limit=50)
    found = cell([first.run, second.run])
    assert found.delta is None and found.why == "not comparable"
    page = compared(client_for, first.run, second.run)
    # Choices are not sampled: their temperature is of no account.
    assert "asked otherwise: limit 50, not 100<" in page and "not comparable" in page


def test_auto_is_the_format_that_the_checkpoint_has(storage: Storage):
    first, second = models(storage, template_hash="a" * 64)
    evaluation(storage, first, {"accuracy": figure(0.5)}, format="chat")
    evaluation(storage, second, {"accuracy": figure(0.9)}, format="auto")
    assert cell([first.run, second.run]).delta is not None
    Checkpoint.objects.filter(pk=second.pk).update(template_hash="")
    (table,) = tables([first.run, second.run], first.run)
    assert table.heads[1].unlike == "format plain, not chat"


def test_evaluations_themselves_can_be_compared(storage: Storage):
    model, _ = models(storage)
    runs = [evaluation(storage, model, {"accuracy": figure(value)}) for value in (0.2, 0.8)]
    found = cell(runs)
    assert found.delta is not None and found.delta.words == "+0.6"


def compared(client_for: ClientFor, *runs: Run, **query: Any) -> str:
    asked = {"run": [run.pk for run in runs], **query}
    response = client_for("researcher").get(reverse("training:compare"), asked)
    assert response.status_code == 200
    return " ".join(html.unescape(response.content.decode()).split())


def test_the_page_shows_figures_links_and_differences(storage: Storage, client_for: ClientFor):
    first, second = models(storage)
    assert "None of these runs was measured yet" in compared(client_for, first.run, second.run)
    done = [
        evaluation(storage, first, {"accuracy": figure(0.5)}),
        evaluation(storage, second, {"accuracy": figure(0.3)}),
    ]
    page = compared(client_for, first.run, second.run)
    for model, run in zip((first, second), done, strict=True):
        assert reverse("training:checkpoint", args=[model.run_id, 400]) in page
        assert reverse("training:run", args=[run.pk]) in page
    assert "0.25 to 0.35" in page and "-0.2 " in page and "worse" in page and COMBINED in page
    turned = compared(client_for, first.run, second.run, baseline=second.run_id)
    assert "+0.2 " in turned and "better" in turned
    wrong = {"run": [first.run_id, second.run_id], "baseline": "7777777"}
    assert client_for("researcher").get(reverse("training:compare"), wrong).status_code == 400
