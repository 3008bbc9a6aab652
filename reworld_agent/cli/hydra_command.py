"""Commands that run under Hydra: score, train, mine, fit-statistics, vocabulary build and score."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from yaml import YAMLError

from reworld_agent.cli.command import FAILED, HELP_WORDS, OK, USAGE, Command, exit_of
from reworld_agent.cli.help import usage_of
from reworld_agent.cli.hydra_arguments import composing_error, read_arguments, with_added
from reworld_agent.core.errors import UsageError
from reworld_agent.core.sections import all_fields
from reworld_agent.core.settings import Field, Settings

CONFIG_PATH = "pkg://navsim_configs"
_FULL_ERROR = "HYDRA_FULL_ERROR"
SPLITS = """train_test_split=NAME chooses a split: town_train, town_val, town_test, those of
the newer town (town6_train ...), and with NAVSIM_DEVKIT_ROOT those of a devkit's checkout, such as
navtrain or navtest."""


@dataclass(frozen=True)
class HydraCommand(Command):
    """A command whose settings are composed by Hydra from files and arguments.

    Attributes:
        config: name of its configuration in `navsim_configs`.
        read: `module:function` that makes the settings of a composed configuration and of the
            names of the files that were chosen for its groups; "" takes `settings.from_config`.
    """

    config: str = ""
    read: str = ""

    def fields(self) -> tuple[Field, ...]:
        """The settings that its arguments name, those of sections included."""
        return all_fields(self.settings)

    def groups(self) -> dict[str, tuple[str, ...]]:
        """The groups of files that its configuration chooses from, and the package's own files."""
        spec = find_spec("navsim_configs")  # to import it would bring Hydra
        assert spec is not None and spec.origin is not None
        folder = Path(spec.origin).parent
        text = (folder / f"{self.config}.yaml").read_text(encoding="utf-8")
        chosen = [entry for entry in yaml.safe_load(text)["defaults"] if isinstance(entry, dict)]
        names = [name for entry in chosen for name in entry]
        found = {name: sorted((folder / name).glob("*.yaml")) for name in names}
        return {name: tuple(file.stem for file in files) for name, files in found.items()}

    def needs(self, field: Field) -> bool:
        """Nothing must: the files of the configuration give what has no default."""
        return False

    def call(self, arguments: Sequence[str]) -> int:
        """Read the arguments and run; help where it is asked for. The exit code."""
        if HELP_WORDS & set(arguments):
            print(self.help())
            return OK
        return exit_of(lambda: self._run(arguments), self.kept)

    def settings_of(self, cfg: Any, choices: Mapping[str, str]) -> Settings:
        """The settings of a composed configuration; raises ReWorldError."""
        made_by: Any = self.settings  # a Hydra command's settings have `from_config`
        read: Callable[[Any, Mapping[str, str]], Settings]
        read = _function(self.read) if self.read else made_by.from_config
        return read(cfg, choices)

    def _run(self, arguments: Sequence[str]) -> int:
        given = read_arguments(self.settings, arguments, usage_of(self))
        # the base installation has no Hydra, and help and completion need none
        import hydra  # noqa: PLC0415
        from hydra.core.hydra_config import HydraConfig  # noqa: PLC0415
        from hydra.errors import CompactHydraException  # noqa: PLC0415

        codes: list[int] = []

        def task(cfg: Any) -> None:
            codes.append(FAILED)
            choices = HydraConfig.get().runtime.choices
            # here: of what leaves a job Hydra says more than is asked for
            codes[-1] = exit_of(lambda: self.given(self.settings_of(cfg, choices)), self.kept)

        main = hydra.main(CONFIG_PATH, self.config, version_base="1.3")(task)
        words: list[str] | None = given
        try:
            while words is not None:
                try:
                    with _argv([sys.argv[0], *words]), _errors_raised():
                        main()
                    break
                except CompactHydraException as error:
                    words = with_added(words, error)
                    if words is None:
                        raise composing_error(self.settings, error) from error
        except YAMLError as error:
            said = " ".join(str(error).split())
            raise UsageError(f"a configuration file cannot be read: {said}", "fix it") from error
        except SystemExit as stop:  # a callback of ours says why
            if isinstance(stop.code, str):
                print(stop.code, file=sys.stderr)
            code = stop.code if isinstance(stop.code, int) else USAGE
            return max(codes) if codes else code
        finally:  # what is run next in this process has arguments of its own
            HydraConfig.instance().cfg = None
        return max(codes, default=OK)


def _function(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


@contextmanager
def _errors_raised() -> Iterator[None]:
    """Hydra raises what goes wrong, instead of printing parts of it and ending the process."""
    before = os.environ.get(_FULL_ERROR)
    os.environ[_FULL_ERROR] = "1"
    try:
        yield
    finally:
        os.environ.pop(_FULL_ERROR)
        if before is not None:
            os.environ[_FULL_ERROR] = before


@contextmanager
def _argv(words: list[str]) -> Iterator[None]:
    """Hydra reads the arguments of the process, and nothing else."""
    before, sys.argv = sys.argv, words
    try:
        yield
    finally:
        sys.argv = before
