"""What only some releases of vLLM have."""

import pytest
from packaging.version import Version

from chat_adapters.toolkit.launch import vllm_version

__all__ = ["has", "need"]


def has(release: str) -> bool:
    """Whether vLLM is of this release, or a newer one."""
    return Version(vllm_version() or "0").release >= Version(release).release


def need(release: str, what: str) -> None:
    """Leaves the test out on an older vLLM, and says what that lacks."""
    if not has(release):
        pytest.skip(f"before {release} vLLM has no {what}")
