//! list, ps, features, spec.
