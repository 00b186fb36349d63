//! Stories live in stories.rs.
