"""Training of a codec, between the closed-form fit and Stage 1 (`reworld video train-codec`)."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.training.codec.run import TrainedCodec, train_codec
    from reworld_agent.training.codec.settings import CodecTrainSettings

__all__ = ["CodecTrainSettings", "TrainedCodec", "train_codec"]

__getattr__, __dir__ = lazy_face(
    __name__,
    {"run": ["TrainedCodec", "train_codec"], "settings": ["CodecTrainSettings"]},
)
