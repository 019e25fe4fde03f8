"""Task files of lm-evaluation-harness: what is read, and that nothing in them is run, fetched or read from elsewhere."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.training.conftest import ROOT
from tests.training.harness_tasks import CLOZE, QUIZ, WRITES, questions, task_folder
from tilth.errors import InvalidInput, TilthError
from tilth.guards.paths import PathRefused
from training.llm.harness.folder import TaskFile, tasks_in
from training.llm.harness.tables import splits_of
from training.llm.harness.tasks import built


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return tmp_path / "inbox"


def read(inbox: Path, names: str = "", **changes: Any) -> list[TaskFile]:
    """The tasks of ``inbox/exam``, ``quiz`` with some keys changed; ``None`` leaves a key out."""
    said = {key: value for key, value in {**QUIZ, **changes}.items() if value is not None}
    task_folder(inbox / "exam", said)
    return tasks_in("exam", names, [inbox])


def test_tasks_are_found_by_name_with_their_data(inbox: Path):
    folder = task_folder(inbox / "exam", QUIZ, CLOZE, WRITES)
    (folder / "group.yaml").write_text("group: all\ntask: [quiz, cloze]\n")
    (folder / "notes.yaml").write_text("just: notes\n")
    assert [task.name for task in tasks_in("exam", "", [inbox])] == ["cloze", "quiz", "writes"]
    (quiz,) = tasks_in(str(folder), " quiz ", [inbox])
    tables = splits_of(quiz)
    assert list(tables["test"]) == questions(12) and list(tables["train"]) == questions(6, 100)
    assert "dataset_kwargs" not in quiz.config and quiz.config["doc_to_choice"] == "options"
    before = quiz.digest
    (folder / "shown.json").write_text(json.dumps(questions(7, 100)))
    assert tasks_in("exam", "quiz", [inbox])[0].digest != before


def test_a_task_includes_what_others_share(inbox: Path):
    folder = task_folder(inbox / "exam")
    shared = {key: value for key, value in QUIZ.items() if key != "task"} | {"num_fewshot": 2}
    (folder / "_shared_yaml").write_text(yaml.safe_dump(shared))
    (folder / "one.yaml").write_text("include: _shared_yaml\ntask: one\nnum_fewshot: 1\n")
    (one,) = tasks_in("exam", "", [inbox])
    assert (one.name, one.config["num_fewshot"], one.config["test_split"]) == ("one", 1, "test")
    (folder / "_shared_yaml").write_text("include: one.yaml\n")
    with pytest.raises(InvalidInput, match="includes itself"):
        tasks_in("exam", "", [inbox])


def test_the_example_of_the_documentation_is_a_task(inbox: Path):
    told = (ROOT / "docs" / "posttraining.md").read_text().split("## Tasks of lm-evaluation-harness")[1]
    blocks = {name: told.split(f"```{name}\n")[1].split("```")[0] for name in ("yaml", "json")}
    (inbox / "exams").mkdir(parents=True)
    (inbox / "exams" / "capitals.yaml").write_text(blocks["yaml"])
    for name in ("capitals.jsonl", "shown.jsonl"):
        (inbox / "exams" / name).write_text(blocks["json"])
    (capitals,) = tasks_in("exams", "capitals", [inbox])
    task = built(capitals, 1, 0)
    asked = task.fewshot_context(task.eval_docs[0], num_fewshot=0)
    assert asked == "What is the capital of France?" and task.config.num_fewshot == 1


def test_csv_keeps_numbers_as_numbers_and_dates_as_they_are_written(inbox: Path):
    task_folder(inbox / "exam")
    (inbox / "exam" / "days.csv").write_text("day,number,word\n2024-01-02,7,\n2025-03-04,8,x\n")
    (days,) = read(
        inbox,
        dataset_path="csv",
        dataset_kwargs={"data_files": "days.csv"},
        test_split="train",
        training_split=None,
    )
    assert list(splits_of(days)["train"]) == [
        {"day": "2024-01-02", "number": 7, "word": None},
        {"day": "2025-03-04", "number": 8, "word": "x"},
    ]


def test_parquet_is_read_as_it_is(inbox: Path):
    task_folder(inbox / "exam")
    pq.write_table(pa.Table.from_pylist(questions(5)), inbox / "exam" / "quiz.parquet")
    (quiz,) = read(
        inbox, dataset_path="parquet", dataset_kwargs={"data_files": "quiz.parquet"}, test_split="train"
    )
    assert list(splits_of(quiz)["train"]) == questions(5)


def test_no_code_of_a_task_file_is_run(inbox: Path):
    folder = task_folder(inbox / "exam", QUIZ)
    (folder / "utils.py").write_text("from pathlib import Path\nPath(__file__).with_name('ran').touch()\n")
    file = folder / "quiz.yaml"
    plain = file.read_text()
    for line in (
        "process_docs: !function utils.process",
        "metadata: {deep: [!function utils.process]}",
        "metadata: !!python/object/apply:os.system ['touch ran']",
        "metadata: !!python/name:os.system ''",
    ):
        file.write_text(f"{plain}{line}\n")
        with pytest.raises(InvalidInput, match=r"quiz.yaml, line \d+: .* names code"):
            tasks_in("exam", "quiz", [inbox])
    (folder / "_shared").write_text("process_docs: !function utils.process\n")
    file.write_text(f"{plain}include: _shared\n")
    with pytest.raises(InvalidInput, match="_shared, line 1: !function names code"):
        tasks_in("exam", "quiz", [inbox])
    assert not (folder / "ran").exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"dataset_path": "allenai/ai2_arc"},
            "dataset_path is 'allenai/ai2_arc'; it must be json or parquet",
        ),
        ({"dataset_path": "./loads.py"}, "no dataset script is run"),
        ({"dataset_path": ["json"]}, "must be json or"),
        ({"dataset_kwargs": {"data_files": "https://example.org/quiz.jsonl"}}, "lies elsewhere"),
        ({"dataset_kwargs": {"data_files": "zip://quiz.jsonl::quiz.jsonl"}}, "lies elsewhere"),
        ({"dataset_kwargs": {"data_files": {"test": "none.jsonl"}}}, "no file none.jsonl beside it"),
        ({"dataset_kwargs": {"data_files": {"test": "quiz.yaml"}}}, "files of json end in .json"),
        ({"dataset_kwargs": {"data_files": {"test": 3}}}, "name the data as"),
        ({"dataset_kwargs": {"trust_remote_code": True}}, "dataset_kwargs takes no 'trust_remote_code'"),
        ({"test_split": "dev"}, "test_split is 'dev', but data_files has test, train"),
        ({"test_split": None}, "test_split says which split"),
        ({"process_docs": "utils.process"}, "takes no 'process_docs' here"),
        ({"class": "os.system"}, "takes no 'class' here"),
        ({"use_prompt": "promptsource:*"}, "takes no 'use_prompt' here"),
        ({"unsafe_code": True}, "takes no 'unsafe_code' here"),
        ({"output_type": "anything"}, "output_type is one of"),
        (
            {"metric_list": [{"metric": "./metric"}]},
            "'./metric' is no metric of multiple_choice; there are acc,",
        ),
        ({"metric_list": [{"metric": "acc", "hf_evaluate": True}]}, "a metric takes no 'hf_evaluate'"),
        ({"metric_list": [{"metric": "acc", "aggregation": "x"}]}, "is no aggregation"),
        ({"metric_list": "acc"}, "metric_list is a list"),
        ({"filter_list": [{"name": "f", "filter": [{"function": "custom"}]}]}, "'custom' is no filter"),
        ({"filter_list": [{"name": "a/b", "filter": []}]}, "a filter's name"),
        ({"generation_kwargs": {"custom_generate": "./code"}}, "takes no 'custom_generate'"),
        ({"fewshot_config": {"process_docs": "x"}}, "fewshot_config takes no"),
        ({"fewshot_config": {"sampler": "os.system"}}, "the sampler of fewshot_config"),
    ],
)
def test_what_is_no_data_is_refused_and_the_words_say_what_to_change(
    inbox: Path, changes: dict[str, Any], says: str
):
    with pytest.raises(TilthError) as caught:
        read(inbox, **changes)
    assert says in caught.value.message and caught.value.field == "tasks"


def test_nothing_is_read_outside_the_allowed_folders(inbox: Path, tmp_path: Path):
    outside = task_folder(tmp_path / "elsewhere", QUIZ)
    task_folder(inbox / "exam", QUIZ)
    for folder in (str(outside), "../elsewhere", "exam/../../elsewhere"):
        with pytest.raises(PathRefused) as caught:
            tasks_in(folder, "", [inbox])
        assert caught.value.field == "tasks"
    (inbox / "linked").symlink_to(outside)
    with pytest.raises(PathRefused):
        tasks_in("linked", "", [inbox])
    for name in (str(outside / "quiz.jsonl"), "../../elsewhere/quiz.jsonl"):
        with pytest.raises(PathRefused):
            read(inbox, dataset_kwargs={"data_files": {"test": name, "train": "shown.json"}})
    (inbox / "exam" / "data.jsonl").symlink_to(outside / "quiz.jsonl")
    with pytest.raises(PathRefused):
        read(inbox, dataset_kwargs={"data_files": {"test": "data.jsonl", "train": "shown.json"}})
    (inbox / "exam" / "quiz.yaml").write_text(f"task: quiz\ninclude: {outside / 'quiz.yaml'}\n")
    with pytest.raises(PathRefused):
        tasks_in("exam", "", [inbox])
    (inbox / "exam" / "quiz.yaml").unlink()
    (inbox / "exam" / "other.yaml").symlink_to(outside / "quiz.yaml")
    with pytest.raises(PathRefused):
        tasks_in("exam", "", [inbox])


def test_what_is_not_there_is_said_with_what_is(inbox: Path):
    task_folder(inbox / "exam", QUIZ, CLOZE)
    with pytest.raises(TilthError, match="no task 'exam'; there are cloze, quiz") as caught:
        tasks_in("exam", "quiz, exam", [inbox])
    assert caught.value.field == "task_names"
    with pytest.raises(TilthError, match="There is no folder none"):
        tasks_in("none", "", [inbox])
    (inbox / "empty").mkdir()
    with pytest.raises(TilthError, match="no task in empty"):
        tasks_in("empty", "", [inbox])
    (inbox / "exam" / "broken.yaml").write_text("task: exam\n  x: [")
    with pytest.raises(TilthError, match="there are cloze, quiz. Not read, for it is no YAML: broken.yaml"):
        tasks_in("exam", "exam", [inbox])
    (inbox / "exam" / "again.yaml").write_text("task: quiz\n")
    with pytest.raises(InvalidInput, match=r"both define 'quiz'"):
        tasks_in("exam", "cloze", [inbox])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("task: quiz\nmetadata: &a {x: 1}\ndescription: *a\n", "quiz.yaml, line 3: write out what the alias"),
        ("task: quiz\nmetadata: " + "[" * 400, "Not read, for it is no YAML: quiz.yaml"),
        ("task: 'a/b'\n", "the name of a task is letters"),
        ("task: quiz\nnum_fewshot: 2024-13-45\n", "no task in exam"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(inbox: Path, text: str, says: str):
    folder = task_folder(inbox / "exam")
    (folder / "quiz.yaml").write_text(text)
    with pytest.raises(TilthError) as caught:
        tasks_in("exam", "", [inbox])
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": 1}\n{"a": \n', "line 2"),
        ("[1, 2]", "a row holds keys with values"),
        ('{"a": 1}\n{"a": "x"}', "cannot be read as json"),
        ('{"a": 123456789012345678901234567890}', "cannot be read as json"),
        ("\n", "holds no row"),
    ],
)
def test_data_that_is_no_table_is_refused(inbox: Path, text: str, says: str):
    (quiz,) = read(inbox)
    (inbox / "exam" / "quiz.jsonl").write_text(text)
    with pytest.raises(InvalidInput) as caught:
        splits_of(quiz)
    assert says in caught.value.message and "quiz.jsonl" in caught.value.message


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"doc_to_text": "{{ ''.__class__.__mro__[1].__subclasses__() }}"}, "SecurityError"),
        ({"doc_to_text": "{{ options.append(1) }}"}, "SecurityError"),
        ({"doc_to_text": "{{ nothing }}"}, "'nothing' is undefined"),
        ({"doc_to_choice": "{{ number }}", "metric_list": None}, "first row cannot be asked"),
        ({"num_fewshot": 9}, "first row cannot be asked"),
    ],
)
def test_a_template_runs_in_a_sandbox_and_is_tried_on_the_first_row(
    inbox: Path, changes: dict[str, Any], says: str
):
    (quiz,) = read(inbox, **changes)
    with pytest.raises(InvalidInput) as caught:
        built(quiz, None, 0)
    assert says in caught.value.message and caught.value.message.startswith("quiz: ")


def test_examples_are_as_many_as_asked_unless_the_task_says_none(inbox: Path):
    (quiz,) = read(inbox)
    assert [built(quiz, asked, 0).config.num_fewshot for asked in (None, 3)] == [0, 3]
    (own,) = read(inbox, num_fewshot=2)
    assert [built(own, asked, 0).config.num_fewshot for asked in (None, 3)] == [2, 3]
    (none,) = read(inbox, num_fewshot=0)
    assert built(none, 3, 0).config.num_fewshot == 0
