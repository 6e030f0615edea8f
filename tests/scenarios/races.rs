//! The same verb many times at once.
