"""What a run may read and how: one small picklable value that travels to every worker process."""

from dataclasses import dataclass, field
from pathlib import Path

from tilth.guards.outbound import EVERYWHERE, Guard
from tilth.storage import Storage


@dataclass(frozen=True, kw_only=True)
class Access:
    """The rights and habits of whoever asked for a source.

    The defaults are the web's: nothing local, only public addresses, S3 without the server's own
    credentials. :meth:`for_shell` is the machine's own user, who may read what the machine may.
    """

    guard: Guard = field(default_factory=Guard)
    """Which hosts may be fetched from."""
    roots: tuple[Path, ...] | None = ()
    """Folders that typed paths must lie in; ``None`` for any."""
    storage: str = ""
    """The storage root (a path or fsspec URL) that ``upload:`` sources are found in."""
    common_crawl: str = "https://data.commoncrawl.org"
    """Where Common Crawl's files are; a mirror, or ``s3://commoncrawl``."""
    s3_endpoint: str = ""
    """Another S3 service than Amazon's (MinIO, R2)."""
    s3_anonymous: bool = True
    """Read S3 without credentials; otherwise with those of the process."""
    backoff: Path | None = None
    """A folder in which the workers of a run share how long to leave a busy server alone."""
    attempts: int = 8
    """Tries in a row without a single byte before a transfer is given up."""
    timeout: float = 60.0
    """Seconds without a byte after which a connection counts as broken."""
    patience: float = 1.0
    """Seconds of the first wait after a fault; each further one is twice as long."""
    cache: Path | None = None
    """A folder to download whole files to before reading them; without it they are streamed."""
    cache_budget: int = 0
    """Bytes that the cache folder may hold."""

    def __post_init__(self) -> None:
        if self.roots is not None:
            object.__setattr__(self, "roots", tuple(self.roots))

    @classmethod
    def for_shell(cls, **changes: object) -> "Access":
        """The rights of the machine's own user at the command line."""
        return cls(**{"guard": EVERYWHERE, "roots": None, "s3_anonymous": False} | changes)  # type: ignore[arg-type]

    def open_storage(self) -> Storage:
        """The storage root that uploads lie in."""
        return Storage(self.storage)
