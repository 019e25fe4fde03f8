"""Importing models: only safetensors, only from allowed folders or the Hub, checked before they count."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from tests.training.conftest import events, start
from tilth.errors import InvalidInput, TilthError
from tilth.guards.paths import PathRefused
from tilth.storage import Storage
from training.llm import checkpoints, hub, import_, pretokens
from training.llm.cache import Cache
from training.llm.export import write_model
from training.llm.model import build
from training.llm.program import Workspace
from training.llm.sizes import gpt2, llama
from training.llm.source_roots import ROOTS_VARIABLE
from training.llm.spec import Spec

Make = Callable[[Spec], Workspace]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}\n"
    "{% else %}{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def model(inbox: Path, tokenizer_folder: Path) -> Path:
    """A tiny model in Hugging Face's layout, with a card and a chat template."""
    torch.manual_seed(0)
    folder = inbox / "tiny"
    made = build(llama(vocabulary=384, depth=2, width=32, heads=2, context=64), 0, 1)
    write_model(made, tokenizer_folder, folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Tiny\n")
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


def spec(inbox: Path, **config: Any) -> Spec:
    return Spec("import", 7, {"source": "tiny", **config}, source_roots=[str(inbox)])


def changed(path: Path, **values: Any) -> None:
    settings = json.loads(path.read_text()) | values
    path.write_text(json.dumps({name: value for name, value in settings.items() if value is not None}))


def test_a_folder_becomes_a_checkpoint_byte_by_byte(
    storage: Storage, workspace: Make, inbox: Path, model: Path, tmp_path: Path
):
    (model / "pytorch_model.bin").write_bytes(pickle.dumps({"weights": 1}))
    (model / "modeling.py").write_text("raise SystemExit")
    result = import_.run(workspace(spec(inbox)))
    assert (
        result is not None and result["checkpoint"] == "checkpoint:7/0" and result["licence"] == "Apache-2.0"
    )
    assert result["template"] == {
        "system": True,
        "opens_answer": True,
        "marks_answers": True,
        "continues": True,
    }
    stored, folder = checkpoints.load(Cache(tmp_path / "c"), storage, "checkpoints/7/0", tmp_path / "p")
    assert (stored.holds, stored.architecture, stored.context) == ("model", "LlamaForCausalLM", 64)
    assert stored.record["origin"] == {"kind": "folder", "name": "tiny"} and str(tmp_path) not in json.dumps(
        stored.record
    )
    assert stored.tokenizer_hash and stored.template_hash and stored.licence == "Apache-2.0"
    names = {path.name for path in folder.iterdir()}
    assert "model.safetensors" in names and not {"pytorch_model.bin", "modeling.py"} & names
    for path in folder.iterdir():
        assert path.read_bytes() == (model / path.name).read_bytes()
    read = AutoModelForCausalLM.from_pretrained(folder)
    assert stored.parameters == sum(weight.numel() for weight in read.parameters())


def test_weights_in_several_files_are_taken_together(
    storage: Storage, workspace: Make, inbox: Path, model: Path
):
    made = AutoModelForCausalLM.from_pretrained(model)
    (model / "model.safetensors").unlink()
    made.save_pretrained(model, max_shard_size="40KB")
    assert len(list(model.glob("model-*.safetensors"))) > 1
    result = import_.run(workspace(spec(inbox)))
    assert result is not None and result["parameters"] == sum(w.numel() for w in made.parameters())
    next(model.glob("model-*.safetensors")).unlink()
    with pytest.raises(InvalidInput, match="not there"):
        import_.run(workspace(Spec("import", 8, {"source": "tiny"}, source_roots=[str(inbox)])))


def test_the_licence_is_the_typed_one_or_the_cards_or_unknown(
    storage: Storage, workspace: Make, inbox: Path, model: Path
):
    with pytest.raises(InvalidInput, match="not a licence"):
        import_.run(workspace(spec(inbox, licence="free beer")))
    typed = import_.run(workspace(spec(inbox, licence="mit")))
    assert typed is not None and typed["licence"] == "MIT"
    storage.delete("checkpoints/7")
    (model / "README.md").write_text("no head")
    unknown = import_.run(workspace(spec(inbox)))
    assert unknown is not None and unknown["licence"] == "unknown"


@pytest.mark.parametrize("typed", ["/etc", "../outside", "link", "/nowhere/model"])
def test_only_allowed_folders_are_read(workspace: Make, inbox: Path, model: Path, tmp_path: Path, typed: str):
    outside = tmp_path / "outside"
    model.rename(outside)
    (inbox / "link").symlink_to(outside)
    with pytest.raises(PathRefused):
        import_.run(workspace(spec(inbox, source=typed)))


@pytest.mark.parametrize("typed", ["", "./nothing", "a/b/c"])
def test_what_is_neither_folder_nor_hub_id_is_refused(workspace: Make, inbox: Path, typed: str):
    with pytest.raises(TilthError, match="Name a folder|no folder"):
        import_.run(workspace(spec(inbox, source=typed)))


def test_a_file_that_is_a_link_out_of_the_folder_is_refused(
    workspace: Make, inbox: Path, model: Path, tmp_path: Path
):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (model / "LICENSE").symlink_to(secret)
    with pytest.raises(PathRefused):
        import_.run(workspace(spec(inbox)))


def test_without_a_named_folder_the_environment_says_which_are_open(
    workspace: Make, inbox: Path, model: Path, monkeypatch: pytest.MonkeyPatch
):
    bare = Spec("import", 7, {"source": str(model)})
    with pytest.raises(PathRefused):
        import_.run(workspace(bare))
    monkeypatch.setenv(ROOTS_VARIABLE, f"/nowhere, {inbox}")
    assert import_.run(workspace(bare)) is not None


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no settings": (lambda f: (f / "config.json").unlink(), "no config.json"),
    "settings that are no JSON": (lambda f: (f / "config.json").write_text("{"), "cannot be read"),
    "settings of another form": (lambda f: (f / "config.json").write_text("[1]"), "cannot be read"),
    "code of its own": (lambda f: changed(f / "config.json", auto_map={"AutoModel": "m.M"}), "never run"),
    "no language model": (lambda f: changed(f / "config.json", architectures=["BertModel"]), "no causal"),
    "no architecture": (lambda f: changed(f / "config.json", architectures=None), "no causal"),
    "another shape": (lambda f: changed(f / "config.json", hidden_size=64), "another shape"),
    "a layer more": (lambda f: changed(f / "config.json", num_hidden_layers=3), "missing"),
    "settings that no model has": (
        lambda f: changed(f / "config.json", num_attention_heads=0),
        "cannot load|heads",
    ),
    "half a file": (
        lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:500]),
        "damaged",
    ),
    "a pickle by another name": (
        lambda f: (f / "model.safetensors").write_bytes(pickle.dumps([1])),
        "damaged",
    ),
    "no tokenizer": (lambda f: [p.unlink() for p in f.glob("tokenizer*")], "no tokenizer"),
    "an index that leads away": (
        lambda f: (f / "model.safetensors.index.json").write_text(
            json.dumps({"weight_map": {"a": "../../x"}})
        ),
        "not there",
    ),
    "an index of another form": (
        lambda f: (f / "model.safetensors.index.json").write_text("[]"),
        "cannot be read",
    ),
    "a template that breaks": (
        lambda f: (f / "chat_template.jinja").write_text("{% for %}"),
        "does not work",
    ),
    "a template that raises": (
        lambda f: (f / "chat_template.jinja").write_text("{{ raise_exception('no') }}"),
        "does not work",
    ),
    "a template that forgets": (
        lambda f: (f / "chat_template.jinja").write_text("{{ messages[0].content }}"),
        "leaves a message out",
    ),
    "a template that reaches out": (
        lambda f: (f / "chat_template.jinja").write_text(
            "{{ messages.__class__.__mro__[1].__subclasses__() }}"
        ),
        "does not work",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_model_that_cannot_be_used_is_refused_and_not_stored(
    storage: Storage, workspace: Make, inbox: Path, model: Path, what: str
):
    break_it, message = BROKEN[what]
    break_it(model)
    with pytest.raises(InvalidInput, match=message):
        import_.run(workspace(spec(inbox)))
    assert storage.list("checkpoints") == []


def test_pickled_weights_alone_are_refused(workspace: Make, inbox: Path, model: Path):
    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(pickle.dumps({}))
    with pytest.raises(InvalidInput, match="never read") as caught:
        import_.run(workspace(spec(inbox)))
    assert caught.value.code == "no_safetensors"


def test_more_tokens_than_rows_are_refused(workspace: Make, inbox: Path, tokenizer_folder: Path):
    made = build(gpt2(vocabulary=300, depth=1, width=64, context=64), 0, 1)
    write_model(made, tokenizer_folder, inbox / "tiny")
    with pytest.raises(InvalidInput, match="rows for 300"):
        import_.run(workspace(spec(inbox)))


def test_stored_weights_without_use_are_told(workspace: Make, inbox: Path, model: Path):
    stored = load_file(model / "model.safetensors")
    save_file(stored | {"left.over": torch.zeros(2)}, model / "model.safetensors", metadata={"format": "pt"})
    assert import_.run(workspace(spec(inbox))) is not None
    assert any("left.over" in event.get("text", "") for event in workspace.events)


def test_a_tokenizer_of_an_older_form_gets_the_newer_one(
    storage: Storage, workspace: Make, inbox: Path, model: Path, tmp_path: Path
):
    whole = json.loads((model / "tokenizer.json").read_text())
    (model / "vocab.json").write_text(json.dumps(whole["model"]["vocab"]))
    merges = [m if isinstance(m, str) else " ".join(m) for m in whole["model"]["merges"]]
    (model / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
    (model / "tokenizer.json").unlink()
    changed(model / "tokenizer_config.json", tokenizer_class="GPT2Tokenizer", unk_token="<|endoftext|>")
    assert import_.run(workspace(spec(inbox))) is not None
    assert not (model / "tokenizer.json").exists()  # the source stays as it is
    _, folder = checkpoints.load(Cache(tmp_path / "c"), storage, "checkpoints/7/0", tmp_path / "p")
    assert pretokens.load(folder).encode("The cat").ids


class Hub:
    """Stands in for the Hub's client: what it was asked for, and a folder it serves."""

    def __init__(self, served: Path | None, fault: Exception | None = None) -> None:
        self.served, self.fault, self.asked = served, fault, {}

    def model_info(self, source: str, revision: str, timeout: float) -> Any:
        if self.fault:
            raise self.fault
        return type("Info", (), {"sha": "c0ffee"})

    def download(self, source: str, revision: str, local_dir: Path, allow_patterns: list[str]) -> None:
        self.asked = {"source": source, "revision": revision, "patterns": allow_patterns}
        assert self.served is not None
        local_dir.mkdir(parents=True)
        for path in self.served.iterdir():
            (local_dir / path.name).write_bytes(path.read_bytes())


def served(monkeypatch: pytest.MonkeyPatch, fake: Hub) -> Hub:
    monkeypatch.setattr(hub, "HfApi", lambda: fake)
    monkeypatch.setattr(hub, "snapshot_download", fake.download)
    return fake


def test_a_hub_id_is_fetched_at_one_commit_and_without_what_could_run(
    workspace: Make, inbox: Path, model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    elsewhere = tmp_path / "served"
    model.rename(elsewhere)
    fake = served(monkeypatch, Hub(elsewhere))
    result = import_.run(workspace(spec(inbox, source="some-team/tiny-model")))
    assert result is not None and result["origin"] == {
        "kind": "hub",
        "name": "some-team/tiny-model",
        "commit": "c0ffee",
    }
    assert fake.asked["revision"] == "c0ffee"
    assert not any(pattern.endswith((".bin", ".pt", ".py", "*")) for pattern in fake.asked["patterns"])


def response(status: int) -> httpx.Response:
    return httpx.Response(status, request=httpx.Request("GET", "https://huggingface.co"))


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (ConnectionError("offline"), "no_hub"),
        (httpx.ConnectError("offline"), "no_hub"),
        (RepositoryNotFoundError("none", response=response(404)), "not_found"),
        (GatedRepoError("gated", response=response(403)), "hub_refused"),
    ],
)
def test_what_the_hub_does_not_give_is_said(
    workspace: Make, inbox: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception, code: str
):
    served(monkeypatch, Hub(None, fault))
    with pytest.raises(TilthError) as caught:
        import_.run(workspace(spec(inbox, source="some-team/none")))
    assert caught.value.code == code


def test_it_runs_as_a_program(inbox: Path, model: Path, job_dir: Callable[..., Path]):
    folder = job_dir(spec(inbox))
    assert start("training.llm.import_", folder).wait(100) == 0
    assert json.loads((folder / "attempt-1" / "result.json").read_text())["checkpoint"] == "checkpoint:7/0"
    assert any(event["type"] == "artifact" for event in events(folder))
