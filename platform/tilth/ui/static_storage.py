"""How static files are kept for serving: hashed names and gzip copies.

No brotli: squeezing Plotly's file with it takes minutes for a few kilobytes over the local network.
"""

from typing import Any

from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """WhiteNoise's storage with gzip alone."""

    def create_compressor(self, **kwargs: Any) -> Compressor:
        """A compressor that leaves brotli out, although the module is there."""
        return super().create_compressor(**{**kwargs, "use_brotli": False})
