"""`reworld evidence ...`: the paper's claims as pre-registered experiments."""
