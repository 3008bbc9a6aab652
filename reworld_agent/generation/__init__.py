"""Imagined futures: from clips and scenes to videos, and what tells a folder of them apart."""
