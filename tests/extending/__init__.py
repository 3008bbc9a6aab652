"""One of each is added from outside the package, as its page says."""
