"""From any frame size to the wanted one: the one rule of every clip.

Resize so that the frame covers the wanted size with its own aspect ratio, then cut the middle
(DriveLaW's preparation, arXiv 2512.23421).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def fit_image(image: Image, size: tuple[int, int] | None) -> Image:
    """uint8 [H, W, 3] to uint8 [h, w, 3] with `size` = (h, w); unchanged where size is None.

    The frame is scaled by max(h / H, w / W), averaging pixel areas to shrink and bilinearly to
    enlarge; then the same number of pixels is cut on both sides (one more at the end if odd).
    """
    if size is None or image.shape[:2] == size:
        return image
    height, width = size
    scale = max(height / image.shape[0], width / image.shape[1])
    rows = max(height, round(image.shape[0] * scale))
    columns = max(width, round(image.shape[1] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(image, (columns, rows), interpolation=method)
    top, left = (rows - height) // 2, (columns - width) // 2
    cut: Image = resized[top : top + height, left : left + width].astype(np.uint8, copy=False)
    return cut
