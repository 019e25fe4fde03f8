"""Settings, runs, the cache of stored files, checkpoints: what every stage's program stands on."""

import errno
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilth.datasets.build import build_manifest
from tilth.datasets.manifest import File, manifest_key
from tilth.datasets.writer import DatasetWriter
from tilth.errors import Conflict, InvalidInput, NotFound, TilthError
from tilth.storage import Storage
from training.llm import checkpoints
from training.llm.cache import Cache
from training.llm.checkpoints import Checkpoint, States
from training.llm.config import Config, parse, setting, settings_of
from training.llm.inputs import Inputs
from training.llm.spec import Part, Source, Spec


@dataclass(frozen=True, kw_only=True, slots=True)
class Baking(Config):
    loaves: int = setting(3, "how many", minimum=1, maximum=10)
    heat: float = setting(0.5, "how hot", minimum=0)
    crust: str = setting("thin", "which crust", choices=("thin", "thick"))
    seeds: bool = setting(False, "seeds on top")
    minutes: int | None = setting(None, "until done, where empty", minimum=1)

    def check(self) -> None:
        if self.crust == "thick" and self.heat > 1:
            raise InvalidInput("a thick crust burns at that heat: lower it", field="heat")


def test_settings_describe_themselves():
    by_name = {item.name: item for item in settings_of(Baking)}
    assert by_name["loaves"].type is int and by_name["loaves"].maximum == 10
    assert by_name["minutes"].optional and by_name["minutes"].type is int
    assert by_name["crust"].choices == ("thin", "thick")


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"loaves": 0}, "loaves"),
        ({"loaves": 11}, "loaves"),
        ({"loaves": 2.5}, "loaves"),
        ({"loaves": True}, "loaves"),
        ({"loaves": None}, "loaves"),
        ({"heat": float("nan")}, "heat"),
        ({"heat": "hot"}, "heat"),
        ({"crust": "none"}, "crust"),
        ({"seeds": 1}, "seeds"),
        ({"minutes": 0}, "minutes"),
        ({"crust": "thick", "heat": 2.0}, "heat"),
        ({"colour": "brown"}, "colour"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused_by_name(data: dict, field: str):
    with pytest.raises(InvalidInput) as caught:
        Baking.from_json(data)
    assert caught.value.field == field


def test_assignments_are_read_by_their_type():
    changed = Baking().override(["loaves=7", "heat=1", "crust=thick", "seeds=true", "minutes=1e1"])
    assert changed == Baking(loaves=7, heat=1.0, crust="thick", seeds=True, minutes=10)
    assert changed.override(["minutes="]).minutes is None


@pytest.mark.parametrize(
    "assignment", ["loaves", "colour=3", "loaves=many", "heat=", "seeds=maybe", "loaves=1.5"]
)
def test_an_assignment_that_sets_nothing_is_refused(assignment: str):
    with pytest.raises(InvalidInput):
        Baking().override([assignment])


@given(
    st.builds(
        Baking,
        loaves=st.integers(1, 10),
        heat=st.floats(0, 1, allow_nan=False),
        crust=st.sampled_from(["thin", "thick"]),
        seeds=st.booleans(),
        minutes=st.none() | st.integers(1, 10**6),
    )
)
def test_settings_survive_json_and_the_command_line(config: Baking):
    assert Baking.from_json(json.loads(json.dumps(config.to_json()))) == config
    typed = [f"{name}={'' if value is None else value}" for name, value in config.to_json().items()]
    assert Baking().override(typed) == config
    for item in settings_of(Baking):
        value = getattr(config, item.name)
        assert parse(item, "" if value is None else str(value)) == value


def test_a_run_survives_json():
    spec = Spec(
        "sft",
        12,
        {"steps": 3},
        [
            Source("chats@1", "conversations", "datasets/chats/1", epochs=3),
            Source("v@2", "conversations", "datasets/v/2", "validation"),
        ],
        base=Part("checkpoint:3/400", "checkpoints/3/400"),
    )
    assert Spec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert spec.parents == ["chats@1", "v@2", "checkpoint:3/400"]
    assert [source.reference for source in spec.with_role("validation")] == ["v@2"]


@pytest.mark.parametrize("wrong", [{"weight": 0}, {"epochs": 0}, {"folder": "../elsewhere"}])
def test_a_source_that_makes_no_sense_is_refused(wrong: dict):
    with pytest.raises(TilthError):
        Source(**{"reference": "a@1", "kind": "documents", "folder": "datasets/a/1", **wrong})


def stored(storage: Storage, key: str, data: bytes) -> File:
    storage.write_bytes(key, data)
    return File(key.rpartition("/")[2], len(data), hashlib.sha256(data).hexdigest())


@pytest.fixture
def bucket(request: pytest.FixtureRequest) -> Storage:
    """A storage that is no local folder, of this test's own."""
    return Storage(f"memory://{abs(hash(request.node.nodeid))}")


def test_a_file_is_pulled_once_and_shared(bucket: Storage, tmp_path: Path):
    file = stored(bucket, "d/a.bin", b"rows")
    path = Cache(tmp_path).fetch(bucket, "d", file)
    assert path.read_bytes() == b"rows"
    bucket.delete("d/a.bin")
    assert Cache(tmp_path).fetch(bucket, "d", file) == path


@pytest.mark.parametrize("local", [True, False])
def test_bytes_that_differ_from_the_published_ones_are_refused(local: bool, bucket: Storage, tmp_path: Path):
    storage = Storage(str(tmp_path / "storage")) if local else bucket
    file = stored(storage, "d/a.bin", b"rows")
    storage.write_bytes("d/a.bin", b"ROWS")
    with pytest.raises(Conflict, match="not what was published"):
        Cache(tmp_path / "cache").fetch(storage, "d", file)


def test_a_local_file_that_changed_after_it_was_verified_is_hashed_again(tmp_path: Path):
    storage, cache = Storage(str(tmp_path / "storage")), Cache(tmp_path / "cache")
    file = stored(storage, "d/a.bin", b"rows")
    assert cache.fetch(storage, "d", file) == storage.local("d/a.bin")
    storage.write_bytes("d/a.bin", b"ROWS")
    with pytest.raises(Conflict):
        cache.fetch(storage, "d", file)


def test_the_cache_evicts_what_was_unused_for_longest_but_nothing_in_use(bucket: Storage, tmp_path: Path):
    files = [stored(bucket, f"d/{n}.bin", bytes([n]) * 100) for n in range(3)]
    early, reader = Cache(tmp_path, 250), Cache(tmp_path, 250)
    early.fetch(bucket, "d", files[0])
    in_use = reader.fetch(bucket, "d", files[1])
    for descriptor in early._held.values():
        import os

        os.close(descriptor)  # as when its process ends
    last = Cache(tmp_path, 250)
    third = last.fetch(bucket, "d", files[2])
    held = {path.name for path in (tmp_path / "files").glob("*/*") if path.suffix != ".lock"}
    assert held == {in_use.name, third.name}


def test_a_file_that_could_not_be_made_leaves_nothing_and_holds_nobody_up(tmp_path: Path):
    def fails(part: Path) -> None:
        part.write_bytes(b"half")
        raise TilthError("no")

    with pytest.raises(TilthError):
        Cache(tmp_path).made("ab12", fails)
    assert Cache(tmp_path).made("ab12", lambda part: part.write_bytes(b"whole")).read_bytes() == b"whole"


def model_folder(path: Path, text: str = "weights") -> Path:
    (path / "deep").mkdir(parents=True)
    (path / "model.safetensors").write_text(text)
    (path / "deep" / "config.json").write_text("{}")
    return path


def test_a_checkpoint_is_stored_once_and_loads_as_a_folder(tmp_path: Path):
    storage, cache = Storage(str(tmp_path / "storage")), Cache(tmp_path / "cache")
    wanted = Checkpoint(run=3, step=400, stage="sft", holds="model", tokens=99)
    made = checkpoints.store(storage, model_folder(tmp_path / "a"), wanted, attempt=1)
    again = checkpoints.store(storage, model_folder(tmp_path / "b", "other"), wanted, attempt=2)
    assert again == made and made.reference == "checkpoint:3/400" and made.bytes == len("weights") + 2
    read, folder = checkpoints.load(cache, storage, made.folder, tmp_path / "parts")
    assert read == made
    assert (folder / "model.safetensors").read_text() == "weights"
    assert (folder / "deep" / "config.json").read_text() == "{}"


def test_where_no_checkpoint_is_none_is_loaded(tmp_path: Path):
    storage = Storage(str(tmp_path))
    storage.write_bytes("checkpoints/3/400/attempt-1/model.safetensors", b"half a checkpoint")
    with pytest.raises(NotFound):
        checkpoints.read(storage, "checkpoints/3/400")


def test_a_full_disk_leaves_the_state_before_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    storage = Storage(str(tmp_path / "storage"))
    states = States(storage, "jobs/1")
    states.save(model_folder(tmp_path / "a"), 100, attempt=1)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "put", full)
        with pytest.raises(TilthError, match="disk is full") as caught:
            states.save(model_folder(tmp_path / "b"), 200, attempt=1)
    assert caught.value.code == "disk_full"
    assert states.steps() == [100]
    found = states.load_newest(Cache(tmp_path / "cache"), tmp_path)
    assert found is not None and (found[1] / "model.safetensors").read_text() == "weights"


def test_old_states_go_once_a_newer_one_is_whole(tmp_path: Path):
    states = States(Storage(str(tmp_path / "storage")), "jobs/1", keep=2)
    for step in (1, 2, 10):
        states.save(model_folder(tmp_path / str(step)), step, attempt=1)
    assert states.steps() == [2, 10]
    states.clear()
    assert states.load_newest(Cache(tmp_path / "cache"), tmp_path) is None


def test_rows_come_in_order_with_messages_as_templates_read_them(tmp_path: Path):
    storage = Storage(str(tmp_path / "storage"))
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    chat = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    with DatasetWriter(storage, "datasets/chats/1/attempt-1", "conversations") as writer:
        writer.write([{"id": f"{n:032x}", "messages": chat} for n in range(3)])
        shards = writer.close()
    manifest = build_manifest(storage, "chats", 1, "conversations", shards, producer="test")
    storage.write_bytes(manifest_key("chats", 1), manifest.to_json().encode())
    inputs = Inputs(storage, Cache(tmp_path / "cache"))
    rows = list(inputs.rows(Source("chats@1", "conversations", "datasets/chats/1"), ["id", "messages"]))
    assert [row["id"] for row in rows] == [f"{n:032x}" for n in range(3)]
    called = rows[0]["messages"][1]
    assert called["content"] == "" and called["tool_calls"][0]["function"]["arguments"] == {"a": 1}
    assert set(rows[0]["messages"][0]) == {"role", "content"}


def test_what_is_said_to_be_light_loads_no_torch():
    """Pages, and the checks of a preflight, would wait seconds for it."""
    told = (
        "import sys; from training.llm import presets, stages, tokenizer; from training.llm.alerts import watch; "
        "from training.llm.preflight import checklist, titles; "
        "print(*({'torch', 'transformers', 'trl', 'peft', 'datasets'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", told],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_a_stage_starts_without_packages_that_it_never_uses_and_they_can_be_had_later():
    """Transformers and accelerate load them where they stand, which doubles the time of each start."""
    told = (
        "import gc, sys; import training.llm.sft; from training.llm import lean; "
        "print(*(set(lean.HIDDEN) & set(sys.modules)), gc.isenabled()); import scipy.stats, sklearn.metrics"
    )
    done = subprocess.run(
        [sys.executable, "-c", told],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "True"), done.stderr
