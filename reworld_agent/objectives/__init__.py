"""One file per term of the paper; equation numbers are those of arXiv 2606.27504v1.

Flow matching convention everywhere: x_t = (1 - t) x_0 + t noise, t = 1 is noise, the velocity to
predict is noise - x_0.
"""
