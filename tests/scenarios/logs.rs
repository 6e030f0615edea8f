//! The --log file and standard error, as engines read them.
