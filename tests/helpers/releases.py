"""What only some releases of vLLM have."""

import pytest
import vllm
from packaging.version import Version

__all__ = ["need"]


def need(release: str, what: str) -> None:
    """Leaves the test out on an older vLLM, and says what that lacks."""
    if Version(vllm.__version__).release < Version(release).release:
        pytest.skip(f"before {release} vLLM has no {what}")
