"""Measuring on tasks of lm-evaluation-harness: our figures are those of the harness, and those counted by hand."""

import json
from math import exp, isclose
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.training.conftest import publish, publish_texts
from tests.training.harness_tasks import CLOZE, QUIZ, WRITES, questions, task_folder
from tests.training.posttraining import CONTEXT, make_model, make_tokenizer, put
from tests.training.test_sample_evaluate import DATASET, published
from tilth.errors import InvalidInput
from tilth.stats.intervals import share
from tilth.storage import Storage
from training.llm import evaluate, pretokens
from training.llm.harness import model as asking_model
from training.llm.likelihood import logprobs
from training.llm.preflight import checklist
from training.llm.program import Stopped
from training.llm.spec import Part, Source, Spec

SHOTS = 2


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return tmp_path / "inbox"


def spec(inbox: Path, base: Part, *sources: Source, run: int = 1, **config: Any) -> Spec:
    settings = {"tasks": "exam", "max_tokens": 4, **config}
    return Spec("evaluate", run, settings, list(sources), base, dataset=DATASET, source_roots=[str(inbox)])


def by_the_harness(
    monkeypatch: pytest.MonkeyPatch, tasks: Path, model: Path, names: list[str], **more: Any
) -> dict[str, dict[str, Any]]:
    """The results of the harness alone: its own reader of task files, data, model and tokenizer."""
    from lm_eval import evaluator, simple_evaluate
    from lm_eval.tasks import TaskManager

    monkeypatch.setattr(
        evaluator, "add_env_info", lambda results: None
    )  # asks pip and the drivers, for seconds
    monkeypatch.chdir(tasks)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tasks / "cache"))
    found = simple_evaluate(
        model="hf",
        model_args={"pretrained": str(model), "dtype": "float32"},
        tasks=names,
        task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
        batch_size=8,
        device="cpu",
        bootstrap_iters=1000,
        fewshot_random_seed=0,
        log_samples=False,
        **more,
    )
    return found["results"]


@pytest.mark.parametrize("format", ["plain", "chat"])
def test_figures_are_those_of_the_harness(
    format: str,
    inbox: Path,
    storage: Storage,
    workspace: Any,
    base: Part,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    tasks = task_folder(inbox / "exam", QUIZ, CLOZE, WRITES, count=24)
    work = workspace(spec(inbox, base, format=format, fewshot=SHOTS, task_names="quiz,writes,cloze"))
    result = evaluate.run(work)
    monkeypatch.setenv("DISABLE_MULTIPROC", "1")
    chat = format == "chat"
    theirs = by_the_harness(
        monkeypatch,
        tasks,
        folder,
        ["quiz", "writes", "cloze"],
        num_fewshot=SHOTS,
        apply_chat_template=chat,
        fewshot_as_multiturn=chat,
    )
    compared = 0
    for name, figures in result["figures"].items():
        for figure, found in figures.items():
            metric, _, filter_name = figure.partition(",")
            key = filter_name or "none"
            assert found["value"] == pytest.approx(theirs[name][f"{metric},{key}"], abs=1e-4), (name, figure)
            assert found["stderr"] == pytest.approx(theirs[name][f"{metric}_stderr,{key}"], rel=1e-3)
            assert found["count"] == 24
            compared += 1
    assert compared == 6 and list(result["figures"]) == ["quiz", "writes", "cloze"]
    assert set(result["figures"]["writes"]) == {"exact_match,first", "exact_match,digits"}
    assert result["tasks"]["quiz"]["fewshot"] == SHOTS and len(result["tasks"]["quiz"]["sha256"]) == 64


def test_figures_are_those_counted_by_hand(
    inbox: Path, storage: Storage, workspace: Any, base: Part, folder: Path, tmp_path: Path
):
    task_folder(inbox / "exam", QUIZ, CLOZE, count=20)
    result = evaluate.run(workspace(spec(inbox, base, format="plain", limit=15)))
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), pretokens.load(folder)

    def likely(before: str, after: str) -> tuple[float, bool]:
        whole, prompt = tokenizer.encode(before + after).ids, tokenizer.encode(before).ids
        answer = whole[len(prompt) :]
        with torch.no_grad():
            best = model(torch.tensor([whole])).logits[0].argmax(-1).tolist()
        greedy = best[len(prompt) - 1 : -1] == answer
        return sum(logprobs(model, [(whole[: len(prompt)], answer)], CONTEXT)[0]), greedy

    rows = questions(15)
    right = [0, 0]
    chosen, of_right = [], []
    for row in rows:
        asked = f"Story {row['number']}. What does the {row['noun']} do?"
        values = [likely(asked, f" {option}")[0] for option in row["options"]]
        by_length = [value / len(option) for value, option in zip(values, row["options"], strict=True)]
        right[0] += values.index(max(values)) == row["answer"]
        right[1] += by_length.index(max(by_length)) == row["answer"]
        chosen.append(row["options"][values.index(max(values))])
        of_right.append(values[row["answer"]])
    for name, hits in zip(("acc", "acc_norm"), right, strict=True):
        figure, told = result["figures"]["quiz"][name], share(hits, 15)
        assert (figure["value"], figure["low"], figure["high"]) == pytest.approx(
            (told.value, told.low, told.high)
        )
        assert figure["stderr"] == pytest.approx((hits / 15 * (1 - hits / 15) / 14) ** 0.5)
    answers = [likely(f"The {row['noun']}", f"  {row['options'][0]}") for row in rows]
    cloze = result["figures"]["cloze"]
    assert cloze["acc"]["value"] == sum(greedy for _, greedy in answers) / 15
    items = published(storage, tmp_path, result, "eval_items")
    quiz = {int(item["item"]): item for item in items if item["evaluation"] == "quiz"}
    assert [quiz[n]["prediction"].strip() for n in range(15)] == chosen
    assert [quiz[n]["logprob"] for n in range(15)] == pytest.approx(of_right, abs=1e-3)
    assert sum(quiz[n]["score"] for n in range(15)) == right[0]
    marks = [item["logprob"] for item in items if item["evaluation"] == "cloze"]
    assert isclose(cloze["perplexity"]["value"], exp(-sum(marks) / 15), rel_tol=1e-6)
    metrics = {event["name"]: event["value"] for event in workspace.events if event.get("name")}
    assert metrics["quiz/acc"] == right[0] / 15


def test_versions_and_tasks_are_measured_in_one_run_and_what_is_done_is_kept(
    inbox: Path, storage: Storage, workspace: Any, base: Part, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(asking_model, "REQUESTS_IN_PART", 16)
    task_folder(inbox / "exam", QUIZ)
    source = publish_texts(storage, "texts", ["The cat sees the dog."], role="eval")
    whole = spec(inbox, base, source)
    work = workspace(whole)
    kept = f"{work.report.prefix}/parts"
    monkeypatch.setattr(type(work.report), "stopping", property(lambda self: len(storage.list(kept)) == 2))
    with pytest.raises(Stopped):
        evaluate.run(work)
    monkeypatch.undo()
    monkeypatch.setattr(asking_model, "REQUESTS_IN_PART", 16)
    before = len(storage.list(kept))
    result = evaluate.run(workspace(whole, attempt=2))
    assert (before, len(storage.list(kept))) == (2, 4)
    assert list(result["figures"]) == ["texts@1", "quiz"] and result["rows"] == 13


def test_what_is_longer_than_the_model_takes_is_counted(
    inbox: Path, storage: Storage, workspace: Any, base: Part
):
    long = "{{ 'The cat sees the dog. ' * (90 if number > 9 else 0) }}{{ noun }}"
    task_folder(
        inbox / "exam",
        {**QUIZ, "doc_to_text": long},
        {**WRITES, "doc_to_text": long.replace("noun", "a").replace("number", "a")},
    )
    found = evaluate.run(workspace(spec(inbox, base)))["figures"]
    assert found["quiz"]["cut_at_the_beginning"] == {"value": 6 / 36, "count": 36}
    assert "cut_at_the_beginning" not in found["writes"]


def test_what_cannot_be_measured_is_said(
    inbox: Path, storage: Storage, workspace: Any, base: Part, tmp_path: Path
):
    long = {**WRITES, "generation_kwargs": {"max_gen_toks": CONTEXT}}
    far = {**QUIZ, "task": "far", "doc_to_text": "{{ options[number] }}"}
    tasks = task_folder(inbox / "exam", QUIZ, long, far)
    with pytest.raises(InvalidInput, match="far cannot be measured: UndefinedError"):
        evaluate.run(workspace(spec(inbox, base, task_names="far", run=5)))
    with pytest.raises(InvalidInput, match=r"lower generation_kwargs: max_gen_toks"):
        evaluate.run(workspace(spec(inbox, base, task_names="writes")))
    rows = questions(3)
    del rows[2]["options"]
    (tasks / "quiz.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(InvalidInput, match="quiz cannot be measured"):
        evaluate.run(workspace(spec(inbox, base, task_names="quiz", run=2)))
    bare = tmp_path / "bare"
    make_tokenizer(bare, template=None)
    make_model(bare)
    with pytest.raises(InvalidInput, match="template"):
        evaluate.run(
            workspace(spec(inbox, put(storage, bare, 802), format="chat", task_names="writes", run=3))
        )
    scorer = put(storage, bare, 803, architecture="LlamaForSequenceClassification")
    with pytest.raises(InvalidInput, match="nothing to say on tasks"):
        evaluate.run(workspace(spec(inbox, scorer, run=4)))


def test_the_preflight_reads_the_tasks(inbox: Path, storage: Storage, workspace: Any, base: Part):
    task_folder(inbox / "exam", QUIZ, CLOZE)
    checks = {check.name: check for check in checklist.made(workspace(spec(inbox, base)))}
    assert all(check.state == "passed" for check in checks.values()), checks
    assert checks["tasks"].figures == {"cloze: rows": 12, "quiz: rows": 12}
    (inbox / "exam" / "quiz.yaml").write_text("task: quiz\nprocess_docs: !function utils.x\n")
    checks = {check.name: check for check in checklist.made(workspace(spec(inbox, base, run=2)))}
    assert checks["tasks"].state == "failed" and "!function names code" in checks["tasks"].words
    quiz = publish(
        storage, "quiz", "choices", [{"question": "a", "options": ["b"], "answer": 0}], role="eval"
    )
    plain = Spec("evaluate", 3, {}, [quiz], base)
    checks = {check.name: check for check in checklist.made(workspace(plain))}
    assert checks["tasks"].words == "No task is to be measured on."
