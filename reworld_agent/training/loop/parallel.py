"""Several processes: how a run is shared out, and what must be right before it starts."""

from __future__ import annotations

import os
from typing import Any

import torch
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

from reworld_agent.core.errors import ConfigError
from reworld_agent.model import ReWorldModel
from reworld_agent.training.datasets.loading import Loading
from reworld_agent.training.settings import LightningSettings, LoaderSettings

GPU = ("gpu", "cuda")
_LOADERS = 8  # processes that load for one CUDA device


def world_size(settings: LightningSettings) -> int:
    """Processes of a run.

    Raises:
        ConfigError: CUDA asked for and absent, more devices than there are, or another number of
            processes than torchrun has started.
    """
    accelerator, nodes = settings.accelerator, settings.num_nodes
    on_gpu, present = accelerator in GPU, torch.cuda.device_count()
    if on_gpu and not present:
        message = f"trainer.params.accelerator={accelerator}, but no CUDA device is here"
        raise ConfigError(message, "use trainer.params.accelerator=cpu")
    devices = len(settings.devices) if isinstance(settings.devices, tuple) else settings.devices
    if not isinstance(devices, int) or devices < 1:  # auto, -1
        devices = present if accelerator != "cpu" and present else 1
    if on_gpu and devices > present:
        message = f"trainer.params.devices={devices}, but {present} CUDA devices are here"
        raise ConfigError(message, f"use trainer.params.devices={present}")
    if "TORCHELASTIC_RUN_ID" in os.environ:  # this process is torchrun's
        started = int(os.environ["WORLD_SIZE"])
        if started != devices * nodes:
            raise ConfigError(
                f"torchrun started {started} processes, but trainer.params.devices={devices} on "
                f"{nodes} nodes make {devices * nodes}",
                f"use trainer.params.devices={max(started // nodes, 1)}",
            )
    return devices * nodes


def on_cuda(settings: LightningSettings) -> bool:
    """Whether a run trains on CUDA devices."""
    return settings.accelerator in (*GPU, "auto") and torch.cuda.is_available()


def loading(loader: LoaderSettings, settings: LightningSettings) -> Loading:
    """How each process of a run loads its batches."""
    cuda, workers, pinned = on_cuda(settings), loader.num_workers, loader.pin_memory
    if workers is None:
        here = max(1, world_size(settings) // settings.num_nodes)
        workers = min(_LOADERS, max(1, len(os.sched_getaffinity(0)) // here)) if cuda else 0
    return Loading(workers, cuda if pinned is None else pinned)


def shares(batch_size: int, processes: int, per_process: int | None) -> tuple[int, int]:
    """Scenes of one process in one forward, and forwards per optimiser step.

    Args:
        batch_size: of the stage, over all processes.
        processes: that share it.
        per_process: what the user wants in one forward; None = all of its share at once. Larger
            than the share, it is taken as it is.

    Raises:
        ConfigError: the batch cannot be shared out evenly.
    """
    each = per_process or batch_size // processes
    if each * processes >= batch_size and per_process:
        return each, 1
    if not each or batch_size % (each * processes):
        message = f"a batch of {batch_size} cannot be shared out to {processes} processes"
        message += f" by {per_process}" if per_process else ""
        hint = "change trainer.params.devices, dataloader.params.batch_size or "
        raise ConfigError(message, hint + "+agent.overrides.batch_size so that they divide")
    return each, batch_size // (each * processes)


class ShardedStrategy(ModelParallelStrategy):
    """FSDP2 of Lightning; of a checkpoint only what learns is gathered, on the first process.

    Args:
        processes: of the run.
        group: of them, those that share one copy of the weights; the groups have copies, and
            exchange gradients. Neighbours by their numbers form a group: a machine's, if so many.
    """

    def __init__(self, processes: int, group: int) -> None:
        super().__init__(processes, 1, save_distributed_checkpoint=False)
        self.shape = processes // group, group
        self.weights_mesh: DeviceMesh | None = None

    def setup_environment(self) -> None:
        """Lightning's hook; the processes know each other after it."""
        super().setup_environment()
        copies, group = self.shape
        if copies == 1:
            self.weights_mesh = self.device_mesh["data_parallel"]
            return
        names = ("copies", "shards")
        self.weights_mesh = init_device_mesh(
            self.root_device.type, (copies, group), mesh_dim_names=names
        )

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Weights that learn, whole, on the CPU; empty on the other processes."""
        options = StateDictOptions(
            full_state_dict=True, cpu_offload=True, ignore_frozen_params=True
        )
        assert self.model is not None
        return get_model_state_dict(self.model, options=options)


def strategy(settings: LightningSettings) -> Any:
    """Lightning's strategy of a name.

    `fsdp2` shards parameters, gradients and optimiser state over all processes, `hsdp` over those
    of each machine, which then have copies. `ddp`, which is also what `auto` means
    for several processes, exchanges gradients where they lie: buckets of their own would take as
    much memory as the weights.
    """
    name, processes = settings.strategy, world_size(settings)
    if settings.sharded:
        return ShardedStrategy(processes, settings.shard_group(processes))
    if name == "ddp" or (name == "auto" and processes > 1):
        return DDPStrategy(gradient_as_bucket_view=True)
    return name


def shard_model(model: ReWorldModel, mesh: DeviceMesh) -> None:
    """Shard both transformers in place (FSDP2); the codec and the normaliser stay whole.

    The Video DiT is gathered block by block. The Action DiT, small, is one unit: its `cache` runs
    outside of its forward, as do `learn` and `sample` of heads that have them. Weights that are
    mapped from their files come to the device one block at a time, and a process keeps its share.
    A mesh of two dimensions has copies of the shards along its first.
    """
    for block in model.video_dit.transformer_blocks:
        fully_shard(block, mesh=mesh)
    parts = model.parts()
    fully_shard(parts["video_dit"], mesh=mesh)
    fully_shard(parts["action_dit"], mesh=mesh, reshard_after_forward=False)
    for method in ("cache", "learn", "sample"):
        if hasattr(parts["action_dit"], method):
            register_fsdp_forward_method(parts["action_dit"], method)
