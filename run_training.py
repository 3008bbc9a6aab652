"""Shim: python run_training.py agent=reworld stage=1 (see train/README.md)."""

from train.run_training import main

if __name__ == "__main__":
    main()
