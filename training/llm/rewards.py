"""What reinforcement learning rewards: answers that a verifier finds right, or that a reward model scores high.

Each reward is a plain function over a batch of completions, as TRL calls it: ``problem`` holds the numbers of the
rows that were answered, ``completion_ids`` what was written, ``final`` (where tools were used) what was written
last. A completion is read by its tokens, so that no text of a model passes for a mark.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from tilth.errors import InvalidInput
from tilth.verify import unit_cases
from tilth.verify.verifiers import Claim, verify_all
from training.llm.chat import Chat
from training.llm.pairs import answer
from training.llm.program import Workspace
from training.llm.spec import Part
from training.llm.student import SCORES

Rows = Sequence[Mapping[str, Any]]
Reward = Callable[..., list[float]]
BATCH = 16


def verifier_reward(chat: Chat, rows: Rows) -> Reward:
    """One for a right answer, zero for any other."""

    def verifier(completion_ids: list[list[int]], problem: list[int], **more: Any) -> list[float]:
        written = more.get("final") or completion_ids
        claims = [
            Claim.of(chat.read(ids)["content"], rows[number])
            for ids, number in zip(written, problem, strict=True)
        ]
        return [float(verdict.right) for verdict in verify_all(claims)]

    return verifier


def model_reward(work: Workspace, part: Part | None, chat: Chat, rows: Rows) -> Reward:
    """A reward model's score of the answer.

    Raises :class:`InvalidInput` where the checkpoint writes instead of scoring.
    """
    checkpoint, folder = work.load(part, "reward_model")
    if not checkpoint.scores:
        raise InvalidInput(
            f"{checkpoint.reference} is no reward model: choose one that the stage reward made.",
            field="reward_model",
        )
    own, scorer = Chat.of(folder), SCORES.load(folder).eval()
    scorer.to("cuda" if torch.cuda.is_available() else "cpu")
    longest = int(scorer.config.get_text_config().max_position_embeddings)

    def model(completion_ids: list[list[int]], problem: list[int], **more: Any) -> list[float]:
        written = more.get("final") or completion_ids
        asked = [rows[number]["messages"] for number in problem]
        texts = [
            conversation(own, messages, chat.read(ids))[-longest:]
            for messages, ids in zip(asked, written, strict=True)
        ]
        return scores(scorer, texts)

    return model


def conversation(chat: Chat, messages: Sequence[Mapping[str, Any]], reply: Mapping[str, Any]) -> list[int]:
    """A prompt and its answer as the ids that a reward model scores, up to the answer's stop."""
    prompt = chat.encode(messages, prompt=True).ids
    return prompt + answer(chat, messages, prompt, [reply])


def scores(scorer: Any, texts: Sequence[Sequence[int]]) -> list[float]:
    """A reward model's scores of conversations given as ids."""
    pad = scorer.config.get_text_config().pad_token_id
    found: list[float] = []
    with torch.no_grad():
        for first in range(0, len(texts), BATCH):
            part = texts[first : first + BATCH]
            width = max(map(len, part))
            ids = torch.tensor([[*text, *[pad] * (width - len(text))] for text in part], device=scorer.device)
            mask = torch.tensor([[1] * len(text) + [0] * (width - len(text)) for text in part]).to(ids)
            found += scorer(input_ids=ids, attention_mask=mask).logits[:, 0].float().tolist()
    return found


def require_verifiers(rows: Rows) -> None:
    """Raise :class:`InvalidInput` where a problem makes no sense or its verifier fails its own cases here."""
    names = sorted({Claim.of("", row).verifier for row in rows})
    unknown = [name for name in names if name not in unit_cases.CASES]
    if unknown:
        raise InvalidInput(f"There is no verifier {unknown[0]!r}.", field="dataset")
    wrong = unit_cases.failed(names)
    if wrong:
        raise InvalidInput(
            f"The verifier {wrong[0].claim.verifier} judges {wrong[0].claim.text[:80]!r} wrongly on this "
            "machine: it is not to be trained on.",
            code="verifier",
        )
