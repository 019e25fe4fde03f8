"""The tokenizer explorer by HTTP: who may, texts and conversations, two tokenizers, bounds, hostile files."""

import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.training.launching import checkpoint, launched
from tilth.storage import Storage
from training import exploring, extra
from training.llm import explorer, pretokens
from training.llm.chat_template import TEMPLATE
from training.llm.checkpoints import Checkpoint as Stored
from training.llm.checkpoints import store
from training.models.checkpoints import Checkpoint

pytestmark = pytest.mark.django_db
ClientFor = Callable[..., Client]
HOSTILE = "<script>alert(1)</script><|im_end|>"


@pytest.fixture(autouse=True)
def rooted(settings: Any, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.STORAGE = storage.url
    settings.SCRATCH = tmp_path
    monkeypatch.delenv("TILTH_CACHE", raising=False)
    exploring._cache.cache_clear()


@pytest.fixture
def client(client_for: ClientFor) -> Client:
    return client_for("researcher")


def stored(storage: Storage, folder: Path, **replaced: str) -> Checkpoint:
    """A tokenizer checkpoint with its files; ``replaced`` are other contents, by name with _ for a dot."""
    row = checkpoint(launched(storage))
    for name, content in replaced.items():
        (folder / name.replace("_json", ".json").replace("_jinja", ".jinja")).write_text(content)
    store(storage, folder, Stored(run=row.run_id, step=0, stage="tokenizer", holds="tokenizer"), 1)
    return row


@pytest.fixture
def ours(storage: Storage, tokenizer_folder: Path) -> Checkpoint:
    return stored(storage, tokenizer_folder)


def copied(source: Path, target: Path) -> Path:
    target.mkdir()
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def ask(client: Client, chosen: Checkpoint, **fields: Any) -> Any:
    live = {"HTTP_HX_REQUEST": "true"} if fields.pop("live", False) else {}
    sent = {"tokenizer": chosen.reference, "kind": "text", "text": "", "other": "", **fields}
    return client.post(reverse("training:explore"), sent, **live)


def found(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, html.unescape(response.content.decode())
    return dict(response.context["found"][0])


@pytest.mark.parametrize(
    ("role", "status"), [(None, 302), ("labeler", 403), ("reviewer", 403), ("lead", 403), ("researcher", 200)]
)
def test_who_may_explore(ours: Checkpoint, client_for: ClientFor, role: str | None, status: int):
    asked = client_for(role)
    assert asked.get(reverse("training:explore")).status_code == status
    assert ask(asked, ours, text="The cat").status_code == status


def test_a_text_is_shown_token_by_token(ours: Checkpoint, client: Client, tokenizer_folder: Path):
    text = "The cat sees\r\n the €"
    one = found(ask(client, ours, text=text))
    typed = text.replace("\r\n", "\n")
    ids = pretokens.load(tokenizer_folder).encode(typed, add_special_tokens=False).ids
    assert [token["id"] for token in one["tokens"]] == ids
    assert (one["count"], one["distinct"], one["special"], one["partial"]) == (len(ids), len(set(ids)), 0, 3)
    assert (one["characters"], one["bytes"], one["vocabulary"]) == (len(typed), len(typed.encode()), 384)
    assert one["ratio"] == len(typed.encode()) / len(ids)
    assert {token["id"]: token["shade"] for token in one["tokens"]} == {id: id % 6 + 1 for id in ids}


def test_hostile_text_is_text_and_no_special_token(ours: Checkpoint, client: Client):
    response = ask(client, ours, text=HOSTILE)
    assert found(response)["special"] == 0
    page = response.content.decode()
    assert "<script>alert" not in page and "<|im_end|>" not in page
    talk = ask(client, ours, kind="conversation", role=["user"], content=[HOSTILE])
    assert found(talk)["special"] == 2 and "<script>alert" not in talk.content.decode()


def test_a_conversation_is_written_by_the_chat_template(
    storage: Storage, tokenizer_folder: Path, tmp_path: Path, client: Client
):
    folder = copied(tokenizer_folder, tmp_path / "own")
    chosen = stored(
        storage, folder, chat_template_jinja="{% for m in messages %}{{ m.content }}!{% endfor %}"
    )
    turns = {"role": ["system", "user", "assistant"], "content": ["", "Hi", "Yes"]}
    one = found(ask(client, chosen, kind="conversation", **turns))
    assert "".join(token["text"] for token in one["tokens"]) == "Hi!Yes!"
    assert one["template"] == "own"


def test_without_a_template_ours_is_used_and_said(ours: Checkpoint, client: Client):
    response = ask(client, ours, kind="conversation", role=["user"], content=["Hi"])
    one = found(response)
    assert one["template"] == "ours" and "ours is used" in response.content.decode()
    assert [token["text"] for token in one["tokens"] if token["special"]] == ["<|im_start|>", "<|im_end|>"]


def test_two_tokenizers_stand_beside_each_other(
    storage: Storage, ours: Checkpoint, tmp_path: Path, client: Client
):
    pretokens.save(pretokens.train(["zzz yyy"], 265, 1), tmp_path / "bytes", 64, template=TEMPLATE)
    other = stored(storage, tmp_path / "bytes")
    response = ask(client, ours, other=other.reference, text="The cat sees the dog.")
    one, two = (item["count"] for item in response.context["found"])
    assert one < two
    page = " ".join(html.unescape(response.content.decode()).split())
    assert f"{other.reference} needs {two - one} more tokens" in page
    both = ask(client, ours, other=ours.reference, text="The cat")
    assert len(both.context["found"]) == 1, "a tokenizer beside itself tells nothing"


def test_the_page_works_whole_and_live(ours: Checkpoint, client: Client):
    whole, live = (ask(client, ours, text="The cat", live=live).content.decode() for live in (False, True))
    assert "<html" in whole and "token-special" not in whole and 'class="token token-' in whole
    assert "<html" not in live and 'hx-swap-oob="innerHTML"' in live and 'class="token token-' in live
    assert "Type something" in ask(client, ours).content.decode()
    turns = {"role": ["user"], "content": ["Hi"], "add": "1"}
    assert len(ask(client, ours, kind="conversation", **turns).context["turns"]) == 2


def test_what_is_typed_is_bounded(ours: Checkpoint, client: Client):
    assert ask(client, ours, text="a" * 20_001).status_code == 422
    many = {"role": ["user"] * 21, "content": ["a"] * 21}
    assert "At most 20 turns" in ask(client, ours, kind="conversation", **many).content.decode()
    long = {"role": ["user"], "content": ["a" * 20_001]}
    assert ask(client, ours, kind="conversation", **long).status_code == 422
    assert ask(client, ours, kind="conversation", role=["root"], content=["a"]).status_code == 422
    one = found(ask(client, ours, text="cat dog " * 2400))
    assert len(one["tokens"]) == explorer.MOST_SHOWN and one["left"] == one["count"] - explorer.MOST_SHOWN > 0


def test_a_checkpoint_that_is_none_is_refused(ours: Checkpoint, client: Client):
    Checkpoint.objects.update(state="pruned")
    assert ask(client, ours, text="a").status_code == 422
    assert "No tokenizer yet" in client.get(reverse("training:explore")).content.decode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer_json", "{"),
        ("tokenizer_json", json.dumps({"version": "1.0", "model": {"type": "BPE"}})),
        ("chat_template_jinja", "{{ ''.__class__.__mro__[1].__subclasses__() }}"),
        ("chat_template_jinja", "{{ raise_exception('no') }}"),
        ("chat_template_jinja", "{{ 1/0 }}"),
    ],
)
def test_hostile_files_end_in_a_message(
    storage: Storage, tokenizer_folder: Path, tmp_path: Path, client: Client, name: str, content: str
):
    chosen = stored(storage, copied(tokenizer_folder, tmp_path / "bad"), **{name: content})
    response = ask(client, chosen, kind="conversation", role=["user"], content=["Hi"])
    assert response.status_code == 422 and "fault" in response.context


def test_a_template_without_end_is_ended(
    storage: Storage, tokenizer_folder: Path, tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
):
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    chosen = stored(storage, copied(tokenizer_folder, tmp_path / "slow"), chat_template_jinja=endless)
    monkeypatch.setattr(exploring, "SECONDS", 6.0)
    response = ask(client, chosen, kind="conversation", role=["user"], content=["Hi"])
    assert response.status_code == 422 and "takes too long" in response.context["fault"]
    assert exploring.AT_ONCE.acquire(blocking=False), "the place of an ended child is free again"
    exploring.AT_ONCE.release()


def test_a_damaged_file_and_one_too_large_are_refused(
    storage: Storage, ours: Checkpoint, client: Client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(exploring, "MOST_BYTES", 10)
    assert "larger than" in ask(client, ours, text="a").context["fault"]
    monkeypatch.undo()
    path = next(storage.local(ours.path).rglob("tokenizer.json"))
    path.write_text(path.read_text() + " ")
    assert "not what was published" in ask(client, ours, text="a").context["fault"]


def test_without_the_training_extra_the_page_says_how_to_enable_it(
    ours: Checkpoint, client: Client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(extra, "PACKAGES", ("no_such_package",))
    assert "make up TRAINING=1" in client.get(reverse("training:explore")).content.decode()
    assert "make up TRAINING=1" in ask(client, ours, text="a").context["fault"]
