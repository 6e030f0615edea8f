//! create reads config.json: what is taken, and errors that name the property.
