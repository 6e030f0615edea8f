//! Nothing but tests: see documents.rs.
