"""Scene caches from the devkit's own `metric_cache.pkl`, where the NAVSIM devkit is installed.

The devkit's pickles hold its classes, so reading them needs the devkit and runs code from the
file; convert only caches that you computed yourself. No command and no function of this package
calls this one, whatever lies in a folder that is scored: only who imports it by name does.
"""

from __future__ import annotations

import lzma
import pickle
from pathlib import Path

from reworld_agent.core.errors import DataError
from reworld_agent.pdm.cache_io.from_devkit_v1 import convert_metric_cache
from reworld_agent.pdm.cache_io.from_devkit_v2 import convert_metric_cache_v2
from reworld_agent.pdm.scene_cache import SceneCache


def load_metric_cache(path: str | Path) -> SceneCache:
    """Read one `metric_cache.pkl` of NAVSIM v1.1 (for PDMS) or v2.2 (for EPDMS); runs its code.

    Args:
        path: of a file that you computed yourself: a pickle of others may do anything.

    Raises:
        DataError: the file cannot be read, or the devkit is not installed.
    """
    path = Path(path)
    try:
        metric_cache = pickle.loads(lzma.decompress(path.read_bytes()))
    except ModuleNotFoundError as error:
        raise DataError(
            f"{path}: needs the NAVSIM devkit ({error})", "put navsim and nuplan on PYTHONPATH"
        ) from error
    except (OSError, lzma.LZMAError, pickle.UnpicklingError, EOFError) as error:
        raise DataError(
            f"{path}: not a metric cache ({error})", "make it again with run_metric_caching.py"
        ) from error
    except (AttributeError, TypeError) as error:
        raise DataError(
            f"{path}: of another version of the devkit ({error})",
            "put the version that made it on PYTHONPATH: v1.1 and v2.2 do not read each other's",
        ) from error
    token, log_name = path.parent.name, path.parents[2].name
    if hasattr(metric_cache, "future_tracked_objects"):
        return convert_metric_cache_v2(metric_cache, token)
    return convert_metric_cache(metric_cache, token, log_name)
