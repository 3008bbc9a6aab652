"""The adversarial loss of a codec: a discriminator of frames that learns beside it.

RepWAM's paper (arXiv 2606.13674, eq. 1) has 0.1 · L_gan and says nothing more of it. The form here
is the usual one of image autoencoders (VQGAN, arXiv 2012.09841): a PatchGAN over single frames with
the hinge loss. Its weight is the paper's constant, not balanced by gradients.
Shapes: B clips, T frames, H, W pixels, h, w places that are judged.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

# Half as wide as pix2pix's: at the town's sizes it would else cost ten times what the codec does.
WIDTH, GROUPS, LEAK = 32, 8, 0.2
BETAS = (0.5, 0.9)  # of its Adam, as VQGAN has them
MOST = 2e-4  # its rate, pix2pix's: at those of small codecs, such as 1e-3, it learns unsteadily


class PatchDiscriminator(nn.Module):
    """Says of places of an image whether they are real, each from 34 x 34 pixels around it.

    Two strides of 2 (pix2pix, arXiv 1611.07004, its 34-pixel form): the joins of a codec's 16-pixel
    patches are in sight, whole scenes are not. Normalised in groups, so that an image is judged
    alone, in a batch of any size, and without running means.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, WIDTH, 4, 2, 1), nn.LeakyReLU(LEAK)]
        # padded by 2 where nothing strides: the smallest crop, 4 pixels, still has places
        for inputs, outputs, stride, around in (
            (WIDTH, 2 * WIDTH, 2, 1),
            (2 * WIDTH, 4 * WIDTH, 1, 2),
        ):
            conv = nn.Conv2d(inputs, outputs, 4, stride, around, bias=False)
            layers += [conv, nn.GroupNorm(GROUPS, outputs), nn.LeakyReLU(LEAK)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(4 * WIDTH, 1, 4, 1, 2))

    def forward(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] in [-1, 1] to logits [N, 1, h, w]: high = real."""
        found: Tensor = self.layers(images)
        return found


def hinge(real: Tensor, restored: Tensor) -> Tensor:
    """The discriminator's loss of logits: ½ (mean max(0, 1 - D(o)) + mean max(0, 1 + D(ô)))."""
    return 0.5 * (functional.relu(1 - real).mean() + functional.relu(1 + restored).mean())


class Adversary:
    """A discriminator with its optimiser; the codec's weights never hold any of it.

    It learns at the codec's rate of each step, but at most `MOST`. Its first weights are a function
    of the seed.

    Args:
        seed: see above.
        device: of the codec.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = PatchDiscriminator()
        self.network.to(device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), betas=BETAS)

    def generator_loss(self, restored: Tensor) -> Tensor:
        """L_gan = -mean D(ô) of restored clips [B, 3, T, H, W], of which D learns nothing."""
        self.network.requires_grad_(False)
        return -self.network(_frames(restored)).mean()

    def learn(self, real: Tensor, restored: Tensor, rate: float) -> Tensor:
        """One step of the discriminator; its loss before it, scalar.

        Args:
            real: clips [B, 3, T, H, W] in [-1, 1].
            restored: the same by the codec, without a graph.
            rate: of the codec's step.
        """
        self.network.requires_grad_(True)
        for group in self.optimizer.param_groups:
            group["lr"] = min(rate, MOST)
        loss = hinge(self.network(_frames(real)), self.network(_frames(restored)))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def state_dict(self) -> dict[str, Any]:
        """Weights and the optimiser's state, for checkpoints."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])


def _frames(clips: Tensor) -> Tensor:
    """Every frame of clips [B, 3, T, H, W] as an image, [B T, 3, H, W]."""
    return clips.transpose(1, 2).flatten(0, 1)
