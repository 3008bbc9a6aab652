"""The commands that run under Hydra, and the scorer of files, as functions of their words.

`reworld score|train|mine` and the files under eval/ and train/ are doors to these.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

from reworld_agent.cli.commands.score_trajectories import COMMAND
from reworld_agent.cli.old_commands import BY_NAME
from reworld_agent.core.arguments import FAILED, HELP_WORDS, OK, USAGE, report_error
from reworld_agent.core.errors import ReWorldError, UsageError

CONFIG_PATH = "pkg://navsim_configs"
FULL_ERROR = "HYDRA_FULL_ERROR"


_FIT_HELP = """python train/fit_statistics.py [key=value ...]

Fit what is fitted before stage 1 in closed form, and write it into OUTPUT_DIR/weights: the patch
PCA codec and the normalisation of actions, of the scenes of a training split.

  model=NAME            tiny (the paper's size has a trained codec: there is nothing to fit)
  recipe=NAME           paper (default) | release (the authors' own code)
  train_test_split=NAME      town_train (embedded) | navtrain of a devkit's checkout
  train_test_split.scene_filter.max_scenes=N    only so many scenes
  output_dir=FOLDER     (default: a new one below outputs/training)
  seed=N                of the scenes that the codec is fitted to (42)
  --cfg job             print every setting and its value, run nothing

example: python train/fit_statistics.py output_dir=outputs/statistics
next: python run_training.py agent=reworld stage=1 agent.init_from=outputs/statistics/weights

exit codes: 0 the weights folder is written; 1 refused or failed; 2 wrong usage.
"""


def run_hydra(config_name: str, target: str, words: Sequence[str], help_text: str) -> int:
    """Compose a configuration from words and call a function on it.

    Args:
        config_name: of a file in `navsim_configs`.
        target: `module:function` of a configuration that returns an exit code; imported when
            the words are known to be right.
        words: overrides, and Hydra's own options such as `--cfg job` and `--hydra-help`.
        help_text: printed where help is asked for.

    Returns:
        The function's exit code; `FAILED` where it raised a ReWorldError, `USAGE` where Hydra
        could not compose the configuration. Both are told on stderr.
    """
    if HELP_WORDS & set(words):
        print(help_text)
        return OK
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import CompactHydraException
    from omegaconf import DictConfig

    codes: list[int] = []

    def task(cfg: DictConfig) -> None:
        codes.append(FAILED)
        module, _, name = target.partition(":")
        try:
            codes[-1] = getattr(import_module(module), name)(cfg)
        except ReWorldError as error:
            codes[-1] = report_error(error)

    try:
        _check_output_dir(words)
        with _argv([sys.argv[0], *words]), _errors_raised():
            hydra.main(config_path=CONFIG_PATH, config_name=config_name, version_base="1.3")(task)()
    except ReWorldError as error:
        return report_error(error)
    except CompactHydraException as error:
        return report_error(_wrong_words(error))
    except SystemExit as stop:  # a callback of ours says why
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
        return max(codes) if codes else (USAGE if stop.code else OK)
    finally:  # what is run next in this process has words of its own
        HydraConfig.instance().cfg = None
    return max(codes, default=OK)


def _check_output_dir(words: Sequence[str]) -> None:
    """Hydra writes into output_dir before it calls us, and shows a traceback where it cannot."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    from reworld_agent.core.result_tables import check_writable

    for word in words:
        if word.startswith("output_dir="):
            with suppress(HydraException):  # Hydra says it better, in a moment
                value = OverridesParser.create().parse_override(word).value()
                if value == "":
                    raise UsageError("output_dir= has no value", "say output_dir=FOLDER")
                if isinstance(value, str) and "${" not in value:
                    check_writable(Path(value))


def _wrong_words(error: Exception) -> UsageError:
    """What Hydra says of words that it cannot compose, in one line."""
    text = str(error).partition("Config search path:")[0]
    lines = [line for line in text.splitlines() if not line.startswith("See https://")]
    if error.__cause__ is not None and str(error.__cause__) not in ("", "None"):
        lines.append(str(error.__cause__).splitlines()[0])
    said = " ".join(" ".join(line.split()) for line in lines if line.strip())
    word = str(getattr(error, "override", ""))
    if word not in said:
        said = f"{word}: {said}"
    hint = (
        "--help and --cfg job show the words; one with = , { or a space takes quotes of its own: "
    )
    return UsageError(said, hint + "\"key='a value'\"")


@contextmanager
def _errors_raised() -> Iterator[None]:
    """Hydra raises what goes wrong, instead of printing parts of it and ending the process."""
    before = os.environ.get(FULL_ERROR)
    os.environ[FULL_ERROR] = "1"
    try:
        yield
    finally:
        os.environ.pop(FULL_ERROR)
        if before is not None:
            os.environ[FULL_ERROR] = before


@contextmanager
def _argv(words: list[str]) -> Iterator[None]:
    """Hydra reads the words of the process, and nothing else."""
    before, sys.argv = sys.argv, words
    try:
        yield
    finally:
        sys.argv = before


def score(words: Sequence[str]) -> int:
    """Plan and score a split; or, given `trajectories=FILE`, score that file."""
    if any(word.startswith("trajectories=") for word in words):
        return score_trajectories(words)
    target = "reworld_agent.evaluation.run:run"
    return run_hydra("reworld_run_pdm_score", target, words, BY_NAME["score"].help_text)


def train(words: Sequence[str]) -> int:
    """Train one stage."""
    target, help_text = "reworld_agent.training.run:run", BY_NAME["train"].help_text
    return run_hydra("reworld_run_training", target, words, help_text)


def mine(words: Sequence[str]) -> int:
    """Mine hard negatives."""
    target = "reworld_agent.training.mining:run"
    return run_hydra("reworld_mine_hard_negatives", target, words, BY_NAME["mine"].help_text)


def fit_statistics(words: Sequence[str]) -> int:
    """Fit codec and action normalisation."""
    target = "reworld_agent.training.statistics:run"
    return run_hydra("reworld_run_training", target, words, _FIT_HELP)


def score_trajectories(words: Sequence[str]) -> int:
    """Score a file of trajectories of any planner; `FAILED` where a row has no score."""
    return COMMAND.call(words)
