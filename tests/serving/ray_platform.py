"""vLLM's CPU platform with a name for Ray to count its devices by: vLLM's own has none, and refuses Ray for that.

The devices are called GPU, because vLLM asks Ray for their numbers, and Ray numbers no others; `ray start --num-gpus`
says how many it shall believe in. `witness.py` makes vLLM take this platform.
"""

from vllm.platforms.cpu import CpuPlatform

__all__ = ["RayCpuPlatform"]


class RayCpuPlatform(CpuPlatform):
    ray_device_key = "GPU"
