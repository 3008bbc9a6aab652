"""`reworld video ...`: clips, imagined futures and their scores."""
