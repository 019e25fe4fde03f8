"""Compiled loops: compiled only where texts are read, and also where nothing can be cached."""

import subprocess
import sys

from tilth.text.compiled import compiled


def test_a_function_whose_code_cannot_be_cached_is_compiled_all_the_same():
    scope: dict[str, object] = {}
    exec(compile("def double(x):\n    return 2 * x\n", "<no file>", "exec"), scope)
    double = compiled(scope["double"])
    assert double(21) == 42
    assert double.signatures, "it was not compiled"


def test_looking_at_the_filters_and_their_settings_does_not_load_the_compiler():
    program = """
import sys
from curation.pipeline import language, pii
from curation.pipeline.document import Document
from curation.pipeline.filters import c4, fineweb, gopher_quality, gopher_repetition, url
for step in (language, pii, c4, fineweb, gopher_quality, gopher_repetition, url):
    step.Settings()
print([name for name in ("numba", "fasttext", "datatrove") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
