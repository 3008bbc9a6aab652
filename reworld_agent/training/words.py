"""The words of run_training.py beside the stage's own: are they known, and do they go together?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from reworld_agent.config import ModelConfig
from reworld_agent.core.errors import ConfigError, UsageError
from reworld_agent.objectives.baselines import OBJECTIVES, encoder_of
from reworld_agent.video.text import PromptBook, T5Encoder

PAPER, TABLE2 = "paper", "table2"
OWN = "reworld"  # the representation that protocol=paper trains
_OF_TABLE2 = ("encoder", "random_encoder", "vae")
_OF_PAPER = ("latents", "prompts", "t5")
_WITH_VALUE = (
    *("clips", "clips_split", "clips_root", "protocol", "representation", "cache_path"),
    *(*_OF_TABLE2, *_OF_PAPER),
    *("agent.init_from", "hard_negatives.pool", "validation.split"),
)


def check_words(cfg: DictConfig) -> None:
    """Raise ConfigError for unknown words, and for words of another protocol or stage."""
    for key in _WITH_VALUE:
        if OmegaConf.select(cfg, key) == "":  # not null: the word was given, its value forgotten
            raise UsageError(f"{key}= has no value", f"give it one, or leave {key}= out")
    protocol, stage = cfg.get("protocol") or PAPER, str(cfg.agent.stage)
    representation = cfg.get("representation") or OWN
    _known("protocol", protocol, (PAPER, TABLE2))
    OBJECTIVES.require(representation, "representation")
    if stage != "1":
        given = [word for word in (*_OF_TABLE2, *_OF_PAPER) if cfg.get(word)]
        given += ["protocol"] if protocol != PAPER else []
        given += ["representation"] if representation != OWN else []
        if given:
            message = f"{given[0]}={cfg.get(given[0])} with stage={stage}"
            raise ConfigError(message, f"{given[0]}= is for stage=1, which trains the video half")
    if protocol == PAPER:
        _check_paper(cfg, representation)
    else:
        _check_table2(cfg, representation)


def _known(key: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"{key}={value} does not exist", f"use {key}=" + " | ".join(known))


def _check_paper(cfg: DictConfig, representation: str) -> None:
    if representation != OWN:
        message = f"representation={representation} with protocol={PAPER}"
        raise ConfigError(message, f"the baselines are trained alike: add protocol={TABLE2}")
    given = [word for word in _OF_TABLE2 if cfg.get(word)]
    if given:
        message = f"{given[0]}= with protocol={PAPER}"
        raise ConfigError(message, f"{given[0]}= is for protocol={TABLE2}")
    if cfg.get("latents") and not cfg.get("clips"):
        message = "latents= without clips="
        raise ConfigError(message, "latents are those of an index: add clips=INDEX.parquet")
    if cfg.get("t5") and not cfg.get("prompts"):
        message = "t5= without prompts="
        raise ConfigError(message, "prompts=DIR is where the embedded sentences are kept")


def _check_table2(cfg: DictConfig, representation: str) -> None:
    given = [word for word in _OF_PAPER if cfg.get(word)]
    if given:
        message = f"{given[0]}= with protocol={TABLE2}"
        reason = "encoders see the frames" if given[0] == "latents" else "it has no text"
        raise ConfigError(message, f"leave {given[0]}= out: {reason}")
    if cfg.agent.recipe != PAPER:
        message = f"recipe={cfg.agent.recipe} with protocol={TABLE2}"
        raise ConfigError(message, "the protocol sets all numbers: leave recipe= out")
    if cfg.agent.get("init_from"):
        message = f"agent.init_from= with protocol={TABLE2}"
        raise ConfigError(message, "it trains from scratch; the LTX VAE is named by vae=DIR")
    kind = encoder_of(representation)
    if kind and not cfg.get("encoder") and not cfg.get("random_encoder"):
        raise ConfigError(
            f"representation={representation} needs the weights of {kind}",
            "name their folder (config.json, model.safetensors) with encoder=DIR; "
            "random_encoder=true shows the cost, and says nothing about the method",
        )
    if not kind and (cfg.get("encoder") or cfg.get("random_encoder")):
        word = "encoder" if cfg.get("encoder") else "random_encoder"
        message = f"{word}= with representation={representation}, which has no frozen encoder"
        raise ConfigError(message, f"leave {word}= out")


def clips_root(cfg: DictConfig) -> Path | None:
    """Where the data of `clips=` have moved; None = nowhere."""
    return Path(str(cfg.clips_root)) if cfg.get("clips_root") else None


def latents_folders(cfg: DictConfig) -> tuple[Path, ...]:
    """The folders of `latents=`, one or a list."""
    given: Any = cfg.get("latents")
    if not given:
        return ()
    return tuple(Path(str(one)) for one in (given if isinstance(given, ListConfig) else [given]))


def prompt_book(cfg: DictConfig, config: ModelConfig) -> PromptBook | None:
    """The embedded sentences of `prompts=`, with the T5 encoder of `t5=`; None without prompts.

    Raises:
        WeightsError: the encoder cannot be loaded, or its width is not the model's.
    """
    if not cfg.get("prompts"):
        return None
    encoder = T5Encoder(Path(cfg.t5)) if cfg.get("t5") else None
    return PromptBook(Path(cfg.prompts), encoder, config.video.caption_channels)
