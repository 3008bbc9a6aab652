"""How a run fits its devices: what is kept, what is computed twice, which weights learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import Settings, as_text, setting

AUTO = "auto"
_GROUP = "memory: what a step keeps (reworld benchmark model parts=memory)"
_LORA = "LoRA: low-rank adapters learn, the weights below them are frozen"


def _read_checkpointing(value: Any) -> str:
    text = as_text(value)
    if text not in (AUTO, "none", "all") and not (text.isdecimal() and 1 < int(text) < 1000):
        hint = "use none, all, auto, or N from 2 on: every N-th block"
        raise UsageError(f"gradient_checkpointing={text} must be none, all, auto or a number", hint)
    return text


@dataclass(frozen=True, kw_only=True)
class FitSettings(Settings):
    """What of a step's memory is traded for time."""

    gradient_checkpointing: str = setting(
        "none, all, or N: every N-th block of both DiTs is computed twice; auto: the first of "
        "none, 2, all that fits memory_gb",
        AUTO,
        read=_read_checkpointing,
        group=_GROUP,
    )
    memory_gb: float | None = setting(
        "of one device, in 1e9 bytes: gradient checkpointing and scenes per forward, where not "
        "given, follow from it; null = the CUDA device's own",
        None,
        above=0,
        group=_GROUP,
    )
    optimizer: Literal["adamw", "adamw8bit"] = setting(
        "adamw8bit keeps its moments in 8 bits (bitsandbytes, extra `adam8bit`)",
        "adamw",
        group=_GROUP,
    )
    compile: bool = setting("torch.compile each block of both DiTs", False, group=_GROUP)

    @property
    def every(self) -> int:
        """Every so many-th block is checkpointed; 0 = none, as with `auto` where nothing is asked.

        A derived choice replaces `auto` before a run, see `training.memory.choose`.
        """
        words = {AUTO: 0, "none": 0, "all": 1}
        name = self.gradient_checkpointing
        return words[name] if name in words else int(name)

    def check_blocks(self, blocks: int) -> None:
        """Raise UsageError where no block of so many would be computed twice."""
        if self.every > blocks:
            message = f"gradient_checkpointing={self.every}, but a DiT has {blocks} blocks"
            raise UsageError(message, "none of them would be computed twice: use none, 2 or all")


@dataclass(frozen=True, kw_only=True)
class LoraSettings(Settings, prefix="lora"):
    """Adapters of peft in the place of whole weights.

    Raises:
        UsageError: settings of adapters without a rank.
    """

    rank: int | None = setting(
        "of each adapter; null = none: whole weights learn", None, least=1, group=_LORA
    )
    alpha: int | None = setting("scale is alpha / rank; null = rank", None, least=1, group=_LORA)
    targets: tuple[str, ...] = setting(
        "linear layers that get one, by the end of their names",
        ("to_q", "to_k", "to_v"),
        group=_LORA,
    )

    def check(self) -> None:
        """See the class."""
        if self.rank is None and self.alpha is not None:
            raise UsageError(f"lora.alpha={self.alpha} without lora.rank=", "add lora.rank=16")
        if not self.targets:
            raise UsageError("lora.targets=[] names no layer", "leave it out, or name layers")
