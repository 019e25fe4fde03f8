"""Transformers and accelerate, loaded without what no stage uses: import this before them, TRL or PEFT.

Where scikit-learn, scipy and boto3 are installed (lm-evaluation-harness and others bring them), both load them for
assisted decoding, losses of object detection and SageMaker: nearly half of the time in which a program starts. What
asks for one of the three later gets it.
"""

import gc
import sys

HIDDEN = ("sklearn", "scipy", "boto3")


def _load() -> None:
    hidden = [name for name in HIDDEN if name not in sys.modules]
    collects = gc.isenabled()
    gc.disable()  # what an import makes is there to stay
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: Python then finds no such module
    try:
        import accelerate  # noqa: F401
        import transformers.generation.candidate_generator
        import transformers.modeling_utils  # noqa: F401
    finally:
        for name in hidden:
            del sys.modules[name]
        if collects:
            gc.enable()


_load()
