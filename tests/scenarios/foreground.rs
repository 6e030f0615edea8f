//! run: create, start, wait, delete.
