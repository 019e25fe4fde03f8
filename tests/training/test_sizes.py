"""Parameters, FLOPs and memory against published and counted values."""

import pytest

from tilth.errors import InvalidInput
from training.llm.configs.pretrain import PretrainConfig
from training.llm.sizes import Shape, flops_per_token, gpt2, llama, training_memory
from training.llm.stages import STAGES


def test_gpt2_has_the_published_number_of_parameters():
    assert gpt2().parameters == 124_439_808
    assert PretrainConfig(family="gpt2", vocabulary_multiple=1).shape(50_257) == gpt2()


def test_llama_3_8b_has_the_published_number_of_parameters():
    shape = llama(
        vocabulary=128_256, depth=32, width=4096, heads=32, kv_heads=8, ffn=14_336, context=8192, tied=False
    )
    assert shape.parameters == 8_030_261_248


def test_flops_count_what_is_multiplied():
    # 790 TFLOP/s would train 924 thousand tokens a second
    assert flops_per_token(gpt2()) == 6 * (124_439_808 - 1024 * 768) + 12 * 12 * 768 * 1024
    assert 790e12 / flops_per_token(gpt2()) == pytest.approx(924e3, rel=1e-3)


def test_one_dial_sets_width_heads_and_feed_forward():
    shape = PretrainConfig(depth=6, context=256).shape(1000)
    assert (shape.layers, shape.width, shape.heads, shape.ffn, shape.vocabulary) == (6, 384, 6, 1024, 1024)


def test_memory_grows_with_rows_and_shrinks_with_chunks():
    one, two = training_memory(gpt2(), 1), training_memory(gpt2(), 2)
    assert two.activations == 2 * one.activations and two.weights == one.weights == 16 * gpt2().parameters
    assert training_memory(gpt2(), 1, whole_logits=False).logits * 8 == one.logits


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"steps": 3, "tokens": 4}, "tokens"),
        ({"batch": 10, "micro_batch": 4}, "batch"),
        ({"width": 100, "heads": 3}, "width"),
        ({"heads": 4, "kv_heads": 3, "width": 64}, "kv_heads"),
        ({"width": 12, "heads": 4}, "heads"),
        ({"family": "gpt2", "ffn": 64}, "heads"),
    ],
)
def test_dimensions_that_do_not_fit_are_refused(wrong: dict, field: str):
    with pytest.raises(InvalidInput) as caught:
        PretrainConfig(**wrong)
    assert caught.value.field == field


def test_untied_gpt2_is_none():
    with pytest.raises(InvalidInput):
        Shape(
            family="gpt2", vocabulary=9, layers=1, width=8, heads=1, kv_heads=1, ffn=8, context=8, tied=False
        )


def test_each_stage_names_settings_that_exist():
    for stage in STAGES.values():
        assert stage.config_class() is not None and stage.program.startswith("training.llm.")
