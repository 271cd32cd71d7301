"""`python -m bulkmove` is the command line."""

from bulkmove.cli import main

if __name__ == "__main__":
    main()
