"""Tests of the embedded split."""
