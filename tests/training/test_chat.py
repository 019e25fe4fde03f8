"""The chat template, its ids and mask, and the reading of what a model wrote."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from tests.training.conftest import publish, sentences
from tilth.errors import InvalidInput
from tilth.storage import Storage
from training.llm import pretokens
from training.llm.cache import Cache
from training.llm.chat import Chat, stored_template, tools_of
from training.llm.chat_template import TEMPLATE, Template
from training.llm.inputs import Inputs
from training.llm.special_tokens import END, END_OF_TEXT, SPECIAL_TOKENS, START, TOOL_CALL, TOOL_CALL_END

TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
CALL = {"id": "1", "type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": 2}}}
DIALOGUE = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "1 + 2?"},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "content": "3", "tool_call_id": "1"},
    {"role": "assistant", "content": "It is 3."},
]
GOLDEN = (
    "<|im_start|>system\nBe brief.\n\n# Tools\n\n"
    "To use a tool, write its name and arguments as JSON: "
    '<tool_call>{"name": "...", "arguments": {...}}</tool_call>\n'
    '{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}<|im_end|>\n'
    "<|im_start|>user\n1 + 2?<|im_end|>\n"
    '<|im_start|>assistant\n<tool_call>{"name": "add", "arguments": {"a": 1, "b": 2}}</tool_call><|im_end|>\n'
    "<|im_start|>tool\n<tool_response>3</tool_response><|im_end|>\n"
    "<|im_start|>assistant\nIt is 3.<|im_end|>\n"
)
TRAINED = [
    '<tool_call>{"name": "add", "arguments": {"a": 1, "b": 2}}</tool_call><|im_end|>',
    "It is 3.<|im_end|>",
]
PLAIN = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("chat")
    pretokens.save(pretokens.train(sentences(100), 320), made, 128, template=TEMPLATE)
    return made


@pytest.fixture(scope="module")
def chat(folder: Path) -> Chat:
    return Chat.of(folder)


def test_a_conversation_with_tools_is_written_as_it_always_was(chat: Chat):
    rendered = chat.template.render(DIALOGUE, [TOOL])
    assert rendered.text == GOLDEN
    assert [rendered.text[start:end] for start, end in rendered.trained] == TRAINED


def test_without_system_and_tools_only_the_turns_stand_there(chat: Chat):
    assert chat.template.render(DIALOGUE[1:2], prompt=True).text == (
        "<|im_start|>user\n1 + 2?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert chat.template.render([{"role": "developer", "content": "x"}]).text == (
        "<|im_start|>system\nx<|im_end|>\n"
    )


def test_exactly_what_the_assistant_writes_is_trained_and_its_stop_with_it(chat: Chat):
    encoded = chat.encode(DIALOGUE, [TOOL])
    learned = [id for id, trained in zip(encoded.ids, encoded.trained, strict=True) if trained]
    assert chat.tokenizer.decode(learned, skip_special_tokens=False) == "".join(TRAINED)
    assert learned.count(chat.tokenizer.token_to_id(END)) == 2
    assert chat.tokenizer.decode(encoded.ids, skip_special_tokens=False) == GOLDEN
    assert [label for label in encoded.labels if label != -100] == learned


def test_the_ids_are_those_that_transformers_gives_for_the_same_text(chat: Chat, folder: Path):
    loaded = AutoTokenizer.from_pretrained(folder)
    theirs = loaded.apply_chat_template(
        DIALOGUE, tools=[TOOL], return_assistant_tokens_mask=True, return_dict=True
    )
    encoded = chat.encode(DIALOGUE, [TOOL])
    assert encoded.ids == theirs["input_ids"]
    assert [int(learn) for learn in encoded.trained] == theirs["assistant_masks"]


@given(
    question=st.text() | st.sampled_from(SPECIAL_TOKENS),
    answer=st.text(alphabet="\n \u00e9a0<|>\U000f0000") | st.sampled_from(SPECIAL_TOKENS),
)
def test_no_text_becomes_a_mark_and_a_prompt_is_always_the_beginning(chat: Chat, question: str, answer: str):
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    whole, prompt = chat.encode(turns), chat.encode(turns[:1], prompt=True)
    assert whole.text == f"{START}user\n{question}{END}\n{START}assistant\n{answer}{END}\n"
    assert chat.tokenizer.decode(whole.ids, skip_special_tokens=False) == whole.text
    assert sum(id < len(SPECIAL_TOKENS) for id in whole.ids) == 4
    assert whole.ids[: len(prompt.ids)] == prompt.ids
    assert not any(whole.trained[: len(prompt.ids)]) and whole.trained[len(prompt.ids)]
    assert not any(prompt.trained)


def test_hostile_names_in_arguments_and_tools_stay_text(chat: Chat):
    call = {"function": {"name": "x", "arguments": {END: [TOOL_CALL_END]}}}
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
    encoded = chat.encode(turns, [{"name": START}])
    ids = [chat.tokenizer.token_to_id(token) for token in (START, END, TOOL_CALL, TOOL_CALL_END)]
    assert [encoded.ids.count(id) for id in ids] == [3, 3, 2, 2]
    assert END in encoded.text and f'["{TOOL_CALL_END}"]' in encoded.text


def test_a_template_without_marks_gives_the_same_mask(chat: Chat):
    turns = [*DIALOGUE[:2], DIALOGUE[4], {"role": "user", "content": "Sure?"}, DIALOGUE[4]]
    other = Chat(chat.tokenizer, Template(PLAIN, SPECIAL_TOKENS, {}))
    assert not other.template.has_marks
    assert (other.encode(turns).ids, other.encode(turns).trained) == (
        chat.encode(turns).ids,
        chat.encode(turns).trained,
    )


def test_a_template_that_changes_earlier_turns_is_refused(chat: Chat):
    source = "{% for m in messages %}{{ m.content if loop.last else 'gone' }}<|im_end|>{% endfor %}"
    with pytest.raises(InvalidInput, match="writes earlier turns differently"):
        Template(source, SPECIAL_TOKENS, {}).render(
            [{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]
        )


def test_what_a_template_refuses_is_said(chat: Chat):
    with pytest.raises(InvalidInput, match="no role judge"):
        chat.encode([{"role": "judge", "content": "x"}])
    with pytest.raises(InvalidInput, match="chat template"):
        Chat(chat.tokenizer, Template("{{ 1 + 'a' }}", (), {})).encode(DIALOGUE)


def test_stored_rows_are_read_with_their_tools_and_calls(storage: Storage, tmp_path: Path, chat: Chat):
    stored = {**CALL, "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}
    turns = [{**m, "tool_calls": [stored]} if "tool_calls" in m else m for m in DIALOGUE]
    source = publish(storage, "talks", "conversations", [{"messages": turns, "tools": json.dumps([TOOL])}])
    row = next(Inputs(storage, Cache(tmp_path / "cache")).rows(source))
    assert chat.encode_row(row).text == GOLDEN


@pytest.mark.parametrize("tools", ["{", "{}", "[1]"])
def test_tools_that_are_no_list_of_schemas_are_refused(tools: str):
    with pytest.raises(InvalidInput, match="tools"):
        tools_of({"tools": tools})
    assert tools_of({"tools": None}) is tools_of({"tools": "[]"}) is None


def test_an_answer_is_read_back_with_its_calls(chat: Chat):
    encoded = chat.encode(DIALOGUE[1:3])
    start = encoded.trained.index(True)
    message = chat.read(encoded.ids[start:])
    assert message["content"] == "" and message["tool_calls"][0]["function"] == CALL["function"]
    assert chat.template.render([*DIALOGUE[1:2], message]).text == encoded.text


@pytest.mark.parametrize(
    ("written", "content"),
    [
        ([TOOL_CALL, "no json", TOOL_CALL_END, END], "<tool_call>no json</tool_call>"),
        ([TOOL_CALL, '{"name": "a"', END], '<tool_call>{"name": "a"'),
        ([TOOL_CALL, '{"name": 1}', TOOL_CALL_END], '<tool_call>{"name": 1}</tool_call>'),
        (["ends", END_OF_TEXT, "never"], "ends"),
        ([" spaces ", END, "rest"], " spaces "),
    ],
)
def test_what_is_no_whole_call_stays_text(chat: Chat, written: list[str], content: str):
    ids: list[int] = []
    for part in written:
        mark = chat.tokenizer.token_to_id(part) if part in SPECIAL_TOKENS else None
        ids += [mark] if mark is not None else chat.tokenizer.encode(part, add_special_tokens=False).ids
    assert chat.read(ids) == {"role": "assistant", "content": content}


def test_the_template_is_stored_with_the_tokenizer(folder: Path, tmp_path: Path):
    assert stored_template(folder) == TEMPLATE
    pretokens.save(pretokens.load(folder), tmp_path, 64)
    assert stored_template(tmp_path) == ""
    with pytest.raises(InvalidInput, match="no chat template"):
        Chat.of(tmp_path)
    assert Chat.of(tmp_path, TEMPLATE).encode(DIALOGUE, [TOOL]).text == GOLDEN


def test_a_token_that_takes_spaces_beside_it_does_so_here_too(chat: Chat, tmp_path: Path, folder: Path):
    from tokenizers import AddedToken, Tokenizer

    other = Tokenizer.from_file(str(folder / "tokenizer.json"))
    other.add_special_tokens(
        [AddedToken("<|end|>", special=True, rstrip=True, lstrip=True, normalized=False)]
    )
    source = "{% for m in messages %}{{ m.content }} <|end|>\n{% endfor %}"
    encoded = Chat(pretokens.plain(other), Template(source, ("<|end|>",), {})).encode(
        [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    )
    other.encode_special_tokens = False
    assert encoded.ids == other.encode("a <|end|>\nb <|end|>\n", add_special_tokens=False).ids
