"""Everybody's weights: LTX-Video, DriveLaW and the authors' ReWorld release into our folders."""
