"""`python -m harness` is the command `harness`."""

if __name__ == "__main__":
    from harness.imports import leave_out_the_callers_folder

    leave_out_the_callers_folder()

    from harness.cli import main

    main()
