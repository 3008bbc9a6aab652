"""Shim: python run_pdm_score.py agent=reworld (see eval/README.md)."""

from eval.run_pdm_score import main

if __name__ == "__main__":
    main()
