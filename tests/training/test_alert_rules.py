"""Known answers of the alerts' rules on made-up curves: what must be found, where, and what must not."""

import json
import math
import random
from collections.abc import Callable, Iterable

import pytest

from training.llm.alerts.averages import MOST_SAMPLES, Level, Sample
from training.llm.alerts.evaluations import Value, judge, kind_of
from training.llm.alerts.finding import Finding, Point
from training.llm.alerts.watch import Watch

Curve = Callable[[int], float | None]


def seen(stage: str = "pretrain", steps: Iterable[int] = range(1, 401), **curves: Curve) -> list[Finding]:
    """What a run with these curves is told of."""
    watch, found = Watch(stage), []
    for step in steps:
        points = [Point(name, step, curve(step), step * 10.0) for name, curve in curves.items()]
        found += watch.take(1, points)
    return found


def noise(seed: int, spread: float) -> Callable[[int], float]:
    """Gaussian noise that is the same for a step whoever asks."""
    return lambda step: random.Random(seed * 1_000_003 + step).gauss(0, spread)


def brief(found: Iterable[Finding]) -> list[tuple[str, str, int]]:
    return [(one.rule, one.series, one.step) for one in found]


def test_a_moving_average_is_the_plain_one_at_first_and_forgets_later() -> None:
    level = Level(100)
    for value in (1.0, 2.0, 3.0, 4.0):
        level.absorb(value)
    assert level.mean == pytest.approx(2.5) and level.variance == pytest.approx(1.25)
    for _ in range(1000):
        level.absorb(7.0)
    assert level.mean == pytest.approx(7.0) and level.spread == pytest.approx(0.007)


def test_a_median_of_any_number_of_values_takes_bounded_room() -> None:
    sample = Sample()
    for value in range(100_001):
        sample.absorb(float(value))
    assert len(sample.values) <= MOST_SAMPLES and sample.median == pytest.approx(50_000, rel=0.01)


def test_a_value_that_is_no_number_is_told_once_an_attempt() -> None:
    found = seen(loss=lambda step: None if step >= 50 else 2.0)
    assert brief(found) == [("not_finite", "loss", 50)]
    watch = Watch("sft")
    assert brief(watch.take(1, [Point("grad_norm", 7, None)])) == [("not_finite", "grad_norm", 7)]
    assert brief(watch.take(2, [Point("grad_norm", 7, None)])) == [("not_finite", "grad_norm", 7)]


def test_a_figure_that_had_no_sample_is_no_alarm() -> None:
    assert not seen("grpo", **{"rewards/model/std": lambda step: None})


def test_a_loss_six_deviations_over_its_average_is_found_and_each_episode_told_once() -> None:
    wiggle = noise(1, 0.05)

    def loss(step: int) -> float:
        return 2.0 + wiggle(step) + (1.0 if step in (200, 201, 202, 300) else 0.0)

    assert brief(seen(loss=loss)) == [("loss_spike", "loss", 200), ("loss_spike", "loss", 300)]


def test_the_words_of_a_spike_name_its_numbers() -> None:
    found = seen(loss=lambda step: 5.0 if step == 100 else 2.0 + 0.1 * (-1) ** step)
    assert (
        len(found) == 1
        and "30.0 standard deviations" in found[0].message
        and "is 5 at step 100" in found[0].message
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_healthy_loss_is_no_alarm(seed: int) -> None:
    wiggle = noise(seed, 0.08)
    falling = seen(steps=range(1, 3000), loss=lambda step: 2 + 9 * math.exp(-step / 60) + wiggle(step))
    flat = seen(steps=range(1, 3000), loss=lambda step: 3 + wiggle(step))
    assert not falling and not flat


def test_a_loss_five_deviations_up_or_far_down_is_no_alarm() -> None:
    def loss(step: int) -> float:
        return {100: 2.49, 200: -5.0}.get(step, 2.0 + 0.1 * (-1) ** step)

    assert not seen(loss=loss)


def test_the_first_points_of_a_loss_are_no_measure() -> None:
    assert not seen(steps=range(1, 20), loss=lambda step: 50.0 if step == 10 else 2.0)


def test_the_loss_of_reinforcement_is_not_judged() -> None:
    assert not seen("grpo", loss=lambda step: 1.0 if step == 100 else 0.0)


def test_throughput_a_fifth_down_is_told_once_until_it_recovers() -> None:
    wiggle = noise(3, 500)

    def speed(step: int) -> float:
        slow = 100 <= step < 150 or 300 <= step < 320
        return (79_000 if slow else 100_000) + wiggle(step)

    assert brief(seen(tokens_per_second=speed)) == [
        ("slow", "tokens_per_second", 102),
        ("slow", "tokens_per_second", 302),
    ]


def test_a_few_slow_points_and_a_sixth_less_are_no_alarm() -> None:
    assert not seen(tokens_per_second=lambda step: 10_000 if step % 50 in (0, 1) else 100_000)
    assert not seen(tokens_per_second=lambda step: 84_000 if step > 100 else 100_000)
    assert not seen(steps=range(1, 15), tokens_per_second=lambda step: 10 if step > 5 else 100_000)


def test_what_an_earlier_attempt_had_reported_is_looked_at_once() -> None:
    watch, told = Watch("sft"), Point("kl", 7, None, 70.0)
    assert brief(watch.take(1, [told])) == [("not_finite", "kl", 7)]
    unseen = Point("loss", 8, None, 80.0)
    assert brief(watch.take(2, [told, unseen], 1000.0)) == [("not_finite", "loss", 8)]
    assert brief(watch.take(3, [told, unseen], 2000.0)) == []
    assert watch.silence(1e9) is None, "what is reported again is no sign of life"
    assert brief(watch.take(3, [Point("kl", 7, None, 2001.0)])) == [("not_finite", "kl", 7)]
    assert watch.silence(1e9)


def test_silence_is_measured_by_the_runs_own_rhythm() -> None:
    watch = Watch("pretrain")
    assert watch.silence(1e9) is None
    watch.take(1, [Point("loss", step, 2.0, step * 10.0) for step in range(1, 51)])
    assert watch.silence(500 + 599) is None
    told = watch.silence(500 + 601)
    assert told and told.rule == "silent" and "10 minutes, since step 50" in told.message
    slow = Watch("pretrain")
    slow.take(1, [Point("loss", step, 2.0, step * 300.0) for step in range(1, 11)])
    assert slow.silence(3000 + 2999) is None and slow.silence(3000 + 3001)
    slow.take(2, [])
    assert slow.silence(1e9) is None, "a new attempt prepares first"


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("validation_loss", [3.0, 2.5, 2.4, 2.53], ["eval_drop"]),
        ("validation_loss", [3.0, 2.5, 2.4, 2.5], []),
        ("bits_per_byte", [1.2, 1.0, 0.95, 0.93, 0.94, 0.99], ["eval_drop"]),
        ("bits_per_byte/books@1", [1.2, 1.0, 0.95, 0.92], []),
        ("validation_accuracy", [0.5, 0.6, 0.7, 0.62], ["eval_drop"]),
        ("validation_accuracy", [0.5, 0.6, 0.7, 0.65], []),
        ("validation_loss", [2.0, 2.2, 2.3, 2.4], ["eval_drop"]),
        ("validation_loss", [2.0, 2.2, 2.0, 2.2], ["eval_drop", "eval_drop"]),
        ("quiz/acc_norm", [0.5, 0.6, 0.7, 0.62], ["eval_drop"]),
        ("sums/exact_match,digits", [0.5, 0.6, 0.7, 0.62], ["eval_drop"]),
        ("cloze/perplexity", [90.0, 60.0, 70.0, 76.0], ["eval_drop"]),
        ("learning_rate", [1.0, 0.1], []),
    ],
)
def test_an_evaluation_that_gets_worse(name: str, values: list[float], told: list[str]) -> None:
    found = seen(steps=range(len(values)), **{name: lambda step: values[step]})
    assert [one.rule for one in found] == told


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("validation_accuracy", [0.020, 0.021, 0.020, 0.022, 0.021, 0.30], True),
        ("validation_accuracy", [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64], False),
        ("validation_accuracy", [0.5, 0.52, 0.51, 0.53, 0.52, 0.6], False),
        ("validation_accuracy", [0.0, 0.0, 0.0, 0.0, 0.0, 0.4], True),
        ("validation_loss", [10.8, 6.1, 4.5, 3.9, 3.6, 3.4, 3.3], False),
        ("validation_loss", [3.00, 2.98, 2.97, 2.96, 2.95, 2.1], True),
        ("validation_loss", [11.0, 3.0], False),
    ],
)
def test_a_capability_that_jumps_on_the_log_scale(name: str, values: list[float], told: bool) -> None:
    found = seen(steps=range(len(values)), **{name: lambda step: values[step]})
    assert brief(found) == ([("eval_jump", name, len(values) - 1)] if told else [])


def test_figures_with_intervals_that_overlap_are_no_news() -> None:
    before = [Value(1, 0.30, 0.25, 0.35), Value(2, 0.31, 0.26, 0.36), Value(3, 0.32, 0.27, 0.37)]
    assert judge("quiz@1/accuracy", before, Value(4, 0.25, 0.20, 0.30)) is None
    worse = judge("quiz@1/accuracy", before, Value(4, 0.15, 0.11, 0.20))
    better = judge("quiz@1/accuracy", before, Value(4, 0.80, 0.75, 0.85))
    assert worse and worse.rule == "eval_drop" and better and better.rule == "eval_jump"
    assert judge("quiz@1/accuracy", before[:2], Value(4, 0.80, 0.75, 0.85)) is None
    assert kind_of("quiz@1/lead") is None and kind_of("math@1/pass@8") is kind_of("quiz@1/accuracy")


def rewarded(**curves: Curve) -> list[Finding]:
    """A run whose reward rises clearly from 0.2 to about 0.8."""
    wiggle = noise(9, 0.05)
    return seen("grpo", reward=lambda step: 0.2 + 0.6 * min(1, step / 200) + wiggle(step), **curves)


@pytest.mark.parametrize(
    ("series", "curve", "words"),
    [
        ("kl", lambda step: 0.001 * step, "nats a token"),
        ("length", lambda step: 100.0 + step, "completions grew"),
        ("truncated", lambda step: 0.05 + step / 800, "cut-off completions"),
        ("repetition", lambda step: 0.02 + step / 1000, "repeated phrases"),
        ("validation_win_rate", lambda step: 0.6 - step / 2000, "held-out win rate fell"),
        ("validation_accuracy", lambda step: 0.7 - step / 2000, "held-out accuracy fell"),
        ("validation_reward", lambda step: 0.5 - step / 2000, "held-out reward fell"),
    ],
)
def test_a_reward_that_rises_while_something_else_gets_worse(series: str, curve: Curve, words: str) -> None:
    found = [one for one in rewarded(**{series: curve}) if one.rule == "reward_hacking"]
    assert [one.series for one in found] == [series] and words in found[0].message
    flat = seen("grpo", reward=lambda step: 0.2 + noise(9, 0.05)(step), **{series: curve})
    assert not [one for one in flat if one.rule == "reward_hacking"], "the reward had not risen"


def test_a_reward_that_is_earned_is_no_alarm() -> None:
    wiggle = noise(4, 1.0)
    found = rewarded(
        kl=lambda step: 0.0001 * step,
        length=lambda step: 100 + 0.1 * step + 5 * wiggle(step),
        truncated=lambda step: 0.02 + 0.01 * abs(wiggle(step)),
        repetition=lambda step: 0.03 + 0.005 * abs(wiggle(step)),
        validation_accuracy=lambda step: 0.5 + step / 2000 + 0.01 * wiggle(step),
        validation_reward=lambda step: 0.2 + 0.5 * min(1, step / 200),
    )
    assert not found


def test_only_runs_that_learn_from_a_reward_are_watched_for_hacking() -> None:
    found = seen("dpo", reward=lambda step: step / 100, kl=lambda step: 0.01 * step)
    assert not found


def test_batches_and_a_memory_that_goes_through_json_change_nothing() -> None:
    wiggle = noise(1, 0.05)
    points = [
        Point(name, step, value, step * 1.0)
        for step in range(1, 400)
        for name, value in (
            ("loss", 2.0 + wiggle(step) + (1.0 if step == 300 else 0.0)),
            ("tokens_per_second", 100.0 if step < 200 else 50.0),
            ("validation_loss", 2.0 if step < 350 else 3.0),
        )
    ]
    whole = Watch("pretrain").take(1, points)
    assert {one.rule for one in whole} == {"loss_spike", "slow", "eval_drop"}
    kept, found = Watch("pretrain"), []
    for first in range(0, len(points), 7):
        found += kept.take(1, points[first : first + 7])
        kept = Watch.from_json("pretrain", json.loads(json.dumps(kept.to_json())))
    assert found == whole
    assert len(json.dumps(kept.to_json())) < 20_000
    assert Watch.from_json("sft", {"version": 0}) == Watch("sft")


def test_steps_that_another_attempt_reports_again_count_once() -> None:
    watch = Watch("pretrain")
    points = [Point("validation_loss", step, value) for step, value in ((1, 3.0), (2, 2.0), (3, 2.5))]
    assert [one.rule for one in watch.take(1, points)] == ["eval_drop"]
    assert not watch.take(1, points), "the same steps of one attempt"
    again = [Point("validation_loss", step, value) for step, value in ((2, 2.9), (3, 2.8))]
    assert not watch.take(2, again), "what the first attempt measured from step 2 on no longer counts"


def test_a_program_that_invents_series_takes_no_room() -> None:
    watch = Watch("pretrain")
    for number in range(2000):
        watch.take(1, [Point(f"bits_per_byte/{number}", 1, 1.0)])
    assert len(json.dumps(watch.to_json())) < 60_000
