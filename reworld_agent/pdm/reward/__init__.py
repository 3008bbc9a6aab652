"""The exact score as a reward: many scenes, many candidates each, arrays or tensors in and out.

```python
from reworld_agent import pdm

with pdm.Reward("caches/", protocol="pdms_v1", workers=2) as reward:
    rewards = reward(tokens, plans)  # plans [B, N, L, 3] → float64 [B, N]
```
"""

from __future__ import annotations

from reworld_agent.pdm.reward.reward import Fault, Reward

__all__ = ["Fault", "Reward"]
