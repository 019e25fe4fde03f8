"""Which engine a run uses: ``RAY_ADDRESS`` in the environment means Ray, else this machine."""

import os

from curation.pipeline.engines.base import Control, Engine
from curation.pipeline.engines.local import CPU_LIMIT, LocalEngine


def choose_engine(control: Control, cpu_limit: float = CPU_LIMIT) -> Engine:
    """The engine that the environment asks for."""
    address = os.environ.get("RAY_ADDRESS", "")
    if not address:
        return LocalEngine(control, cpu_limit)
    from curation.pipeline.engines.ray import RayEngine

    return RayEngine(control, address, cpu_limit)
