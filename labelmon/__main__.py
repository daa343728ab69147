"""`python -m labelmon`."""

from labelmon.cli import main

if __name__ == "__main__":
    main()
