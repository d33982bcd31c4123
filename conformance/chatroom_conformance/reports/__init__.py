"""Writers of reports: each turns a `RunResult` into text."""
