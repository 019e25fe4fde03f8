"""The tokens that are no text: one list, shared by tokenizer, chat template and checks.

ChatML's marks are used because most open tools know them. ``END_OF_TEXT`` ends a document in pretraining
and is a base model's stop token; ``END`` ends a turn and is a chat model's. ``PAD`` is neither: a model
that pads with its stop token never learns to stop.
"""

END_OF_TEXT = "<|endoftext|>"
PAD = "<|pad|>"
START = "<|im_start|>"
END = "<|im_end|>"
TOOL_CALL = "<tool_call>"
TOOL_CALL_END = "</tool_call>"
TOOL_RESPONSE = "<tool_response>"
TOOL_RESPONSE_END = "</tool_response>"

SPECIAL_TOKENS = (
    END_OF_TEXT,
    PAD,
    START,
    END,
    TOOL_CALL,
    TOOL_CALL_END,
    TOOL_RESPONSE,
    TOOL_RESPONSE_END,
)
"""In the order of their ids, which are the first ones of a vocabulary."""
