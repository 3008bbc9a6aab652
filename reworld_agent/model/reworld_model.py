"""The whole model: camera history to imagined world to plan.

One Video DiT forward per scene (clean history at t = 0, pure noise at t = 1 in the place of the
future), the state of every block kept; the Action DiT computes keys and values of those states
once and denoises a plan in five steps.
Shapes: B scenes, N video tokens, C latent channels, L waypoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reworld_agent.config import ClipConfig, ModelConfig
from reworld_agent.core.errors import DataError
from reworld_agent.model import weights_folder
from reworld_agent.model.gate_record import NOT_JUDGED
from reworld_agent.model.weights_folder import PROMPTS
from reworld_agent.planner.actions import ActionNormaliser
from reworld_agent.planner.heads import PlannerHead, build_head
from reworld_agent.planner.sampler import sample_plan, scene_noise
from reworld_agent.video.backbones import (
    Condition,
    VideoBackbone,
    build_backbone,
    condition_of,
    run_backbone,
)
from reworld_agent.video.codecs import Codec, build_codec
from reworld_agent.video.conditioning import Grid, Layout, pack
from reworld_agent.video.encoding import Draw, encode_history
from reworld_agent.video.latent_actions import LatentActions


class ReWorldModel(nn.Module):
    """Codec, Video DiT and Action DiT of a configuration, randomly initialised.

    Build it under `torch.device("meta")` to count parameters without memory.

    Attributes:
        config: of the model.
        codec: frozen, see `video.codecs`.
        video_dit: the video backbone, see `video.backbones`.
        action_dit: the planner head, see `planner.heads`.
        latent_actions: frozen, of a configuration with `actions`; else None.
        normaliser: between poses and what the planner head works on.
        planning_prompt: text tokens [1, M, caption channels] of every plan; None = the null token.
        training_prompts: [2, M, caption channels], with which planning is learned: the sentence,
            and the negative one that stands for it where captions are dropped; None = as planning.
        history: training stages that the weights have passed.
        gate: the verdict of `reworld video gate` on the weights as they were loaded.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.codec: Codec = build_codec(config.codec)
        channels = config.codec.latent_channels
        self.video_dit: VideoBackbone = build_backbone(config.video, channels)
        self.action_dit: PlannerHead = build_head(config.planner, config.video)
        self.normaliser = ActionNormaliser(config.planner.normalisation, config.planner.horizon)
        self.latent_actions: LatentActions | None = None
        if config.actions is not None:
            cells = Grid.of(config.clip, config.codec).cells
            self.latent_actions = LatentActions.build(config.actions, cells, channels)
            self.latent_actions.requires_grad_(False)
        self.codec.requires_grad_(False)
        self.planning_prompt: Tensor | None
        self.training_prompts: Tensor | None
        for name in PROMPTS.values():
            self.register_buffer(name, None)
        self.history: list[str] = []
        self.gate = NOT_JUDGED

    def train(self, mode: bool = True) -> ReWorldModel:
        """As usual, but frozen parts stay in evaluation mode (Lightning calls this often)."""
        super().train(mode)
        for part in self.parts().values():
            if not any(p.requires_grad for p in part.parameters()):
                part.eval()
        return self

    @property
    def grid(self) -> Grid:
        """Latent grid of what the planner sees."""
        return Grid.of(self.config.clip, self.config.codec)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.video_dit.parameters()).device

    def text(self, batch: int) -> Tensor:
        """The null text token [B, 1, caption channels] of the text-free mode."""
        width = self.config.video.caption_channels
        return torch.zeros(batch, 1, width, device=self.device, dtype=self.video_dit.dtype)

    def training_prompt(self, dropped: Tensor) -> Tensor | None:
        """The sentence [B, M, caption channels] with which planning is learned; None = no text.

        Args:
            dropped: boolean [B]: samples that see the negative sentence in its place. Without one
                beside the weights nothing is dropped.
        """
        if self.training_prompts is None:
            return self.planning_prompt
        return self.training_prompts[dropped.long().to(self.training_prompts.device)]

    def context(
        self,
        batch: int,
        features: dict[str, Tensor] | None = None,
        planning: bool = False,
        prompt: Tensor | None = None,
    ) -> Condition:
        """The backbone's arguments that carry the condition c^v of B samples (Eq. 2).

        Args:
            batch: B.
            features: `ego` [B, 8] for context tokens; `prompt` [B, M, caption channels] and
                `prompt_mask` [B, M] where video training is conditioned on text.
            planning: the planner's own constant prompt (DriveLaW) instead, where the weights
                have one.
            prompt: when planning, [1 or B, M, caption channels] in that one's place.

        Raises:
            DataError: the config asks for prompts, and the features have none.
        """
        features = features or {}
        text, mask = self.text(batch), None
        prompt = self.planning_prompt if prompt is None else prompt
        if planning and prompt is not None:
            text = prompt.to(text).expand(batch, -1, -1)
        elif not planning and self.config.video.text == "prompt":
            if "prompt" not in features:
                raise DataError(
                    "video.text = prompt, but the batch has no prompts",
                    "embed them (see reworld_agent.video.prompts), or set video.text: none",
                )
            text = features["prompt"].to(text)
            mask = features["prompt_mask"].to(self.device)
        ego = features.get("ego") if self.config.video.context_tokens else None
        return condition_of(text, mask, None if ego is None else ego.to(self.device))

    def layout(self, clip: ClipConfig | None = None) -> Layout:
        """Where the tokens of a clip are; None = the planner's clip."""
        return Layout.of(clip or self.config.clip, self.config.codec, self.device)

    def encode(
        self, images: Tensor, draw: Draw | None = None, clip: ClipConfig | None = None
    ) -> Tensor:
        """Clean history latents [B, C, F_history, h, w] of uint8 images [B, T, 3, H, W].

        Args:
            images: the history.
            draw: see `posterior`.
            clip: None = the planner's.
        """
        with torch.no_grad():
            return encode_history(
                self.codec, clip or self.config.clip, images.to(self.device), self.posterior(draw)
            )

    def posterior(self, draw: Draw | None = None) -> Draw | None:
        """How a latent is taken of the codec's posterior, see `encode_history`.

        Args:
            draw: of training; None = planning's own, with which every scene gets the same seeded
                numbers. Of no use where the configuration takes the mode.
        """
        if self.config.codec.posterior == "mode":
            return None
        return draw or self._seeded

    def _seeded(self, shape: Sequence[int], like: Tensor) -> Tensor:
        return scene_noise(shape[1:], shape[0], self.config.planner.seed, like)

    def future_noise(self, batch: int) -> Tensor:
        """The seeded noise [B, C, F_future, h, w] that stands for the future when planning."""
        grid = self.grid
        shape = (self.config.codec.latent_channels, grid.future, grid.rows, grid.width)
        like = next(self.video_dit.parameters())
        return scene_noise(shape, batch, self.config.planner.seed, like)

    def video_states(
        self,
        history: Tensor,
        noise: Tensor,
        features: dict[str, Tensor] | None = None,
        *,
        label: Tensor | None = None,
        prompt: Tensor | None = None,
    ) -> list[Tensor]:
        """States [B, N, D] of every block, from history latents and noise for the future.

        Args:
            history: latents [B, C, F_history, h, w].
            noise: of the same scenes, [B, C, F_future, h, w].
            features: needed by models with context tokens alone, see `context`.
            label: the times [B] that the noise is said to have; None = 1, which is what it is.
            prompt: in the place of the planner's own sentence, see `context`.
        """
        tokens = pack(torch.cat([history, noise], dim=2)).to(self.video_dit.dtype)
        batch, grid = len(tokens), self.grid
        label = torch.ones(1, device=tokens.device) if label is None else label.to(tokens.device)
        times = grid.frame_times(grid.token_times(label))
        last = self.config.planner.read_blocks or self.config.video.num_layers
        blocks = range(1, last + 1)
        output = run_backbone(
            *(self.video_dit, tokens, times, self.layout()),
            self.context(batch, features, planning=True, prompt=prompt),
            tap=blocks,
            stop_after=blocks[-1],
            run_heads=False,
            round_times=self.config.video.round_times,
        )
        return output.states

    def planning_states(self, features: dict[str, Tensor]) -> list[Tensor]:
        """States [B, N, D] of every block for planning: of `images`, or `states` kept of them."""
        if "states" in features:
            kept = features["states"].to(self.device, self.video_dit.dtype)
            return list(kept.unbind(dim=1))
        history = self.encode(features["images"])
        return self.video_states(history, self.future_noise(len(history)), features)

    @torch.no_grad()
    def plan(self, features: dict[str, Tensor]) -> Tensor:
        """Poses [B, L, 3] (m, m, rad; ego frame; float32) of `images` and `ego` (see features).

        Deterministic: every scene gets the same seeded noise, whatever the batch. In the place of
        images, `states` [B, blocks, N, D] are those that `planning_states` gave.
        """
        states = self.planning_states(features)
        memory = self.action_dit.cache(states)
        ego = features["ego"].to(states[0])
        planner, batch = self.config.planner, len(ego)
        noise = scene_noise((planner.horizon, 3), batch, planner.seed, self.normaliser.centre)
        noise = planner.noise_scale * noise
        actions = sample_plan(self.action_dit, memory, ego, noise, planner)
        return self.normaliser.denormalise(actions, clamp=True).float()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """As usual; a prompt, of whatever length, comes with the weights trained on it."""
        strict = rest[1]
        for name in PROMPTS.values():
            prompt = state_dict.get(prefix + name)
            if strict or prompt is not None:
                setattr(self, name, None if prompt is None else torch.empty_like(prompt))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def parts(self) -> dict[str, nn.Module]:
        """The parts by the name of their folder in a saved model."""
        parts: dict[str, Any] = {
            self.codec.folder: self.codec,
            "video_dit": self.video_dit,
            "action_dit": self.action_dit,
        }
        if self.latent_actions is not None:
            parts["latent_actions"] = self.latent_actions
        return parts

    def save_pretrained(self, folder: str | Path, notes: Sequence[str] = ()) -> None:
        """Write the folder that `from_pretrained` reads; `notes` are lines of its card."""
        weights_folder.save(self, Path(folder), notes)

    @classmethod
    def from_pretrained(cls, folder: str | Path, config: ModelConfig | None = None) -> ReWorldModel:
        """Load a saved folder, see `weights_folder.load`.

        Args:
            folder: written by `save_pretrained`.
            config: which the weights must be of; None = whatever they are of.

        Raises:
            WeightsError: it is no such folder, not of this `config`, or names code from outside
                the package that `config` does not.
        """
        return weights_folder.load(cls, Path(folder), config)
